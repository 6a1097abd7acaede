//! Sets up a run in a few words, and carries it out under a paused clock.

use super::seen::Seen;
use super::service::{
    LedgerScript, MemoryLedger, Reply, Script, Service, Witness, after_millis, done,
};
use crate::api::{Authority, Unchanging};
use crate::clock::{Clock, Timestamp};
use crate::engine::{Claim, Control, EngineSettings, run};
use crate::event::StopReason;
use crate::policy::PaceStart;
use crate::task::{Command, Ordinal, Task};
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// The time at which every scene begins.
pub(super) const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);
/// A scene that takes longer than this hangs.
const TOO_LONG: Duration = Duration::from_secs(400 * 24 * 3600);

/// A run that is about to be carried out.
pub(super) struct Scene {
    pub(super) settings: EngineSettings,
    pub(super) claims: Vec<Claim>,
    pub(super) ledger: LedgerScript,
    script: Script,
    authority: Arc<dyn Authority>,
    controls: Vec<(Duration, Control)>,
    remote: mpsc::UnboundedSender<Control>,
    control: mpsc::UnboundedReceiver<Control>,
    doubt: Doubt,
}

/// Whether attempts are abandoned on the wire, and so never end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    Some,
    Perhaps,
}

pub(super) fn task(ordinal: u32) -> Task {
    let id = format!("task-{ordinal:04}").parse().unwrap();
    Task { ordinal: Ordinal(ordinal), id, command: Command::START, cells: None }
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Scene {
    /// Returns a run of `tasks` fresh tasks, which all succeed within 100 ms.
    pub(super) fn with_tasks(tasks: u32) -> Self {
        let (remote, control) = mpsc::unbounded_channel();
        Self {
            settings: settings(tasks),
            claims: (0..tasks).map(|ordinal| Claim::fresh(task(ordinal))).collect(),
            ledger: LedgerScript {
                most_claimed: usize::MAX,
                claim_delay: Duration::ZERO,
                commit_delays: vec![Duration::ZERO],
                broken_commit: None,
                broken_claim: None,
                deaf: 0,
                not_yet: 0,
                lost: None,
                taken: None,
                unrenewed: None,
                leased: None,
            },
            script: Box::new(|_, _| after_millis(100, done())),
            authority: Arc::new(Unchanging),
            controls: Vec::new(),
            remote,
            control,
            doubt: Doubt::None,
        }
    }

    pub(super) fn answering(mut self, script: impl Fn(u32, u32) -> Reply + 'static) -> Self {
        self.script = Box::new(script);
        self
    }

    pub(super) fn authorised_by(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = authority;
        self
    }

    pub(super) fn concurrency(mut self, most: usize) -> Self {
        self.settings.concurrency = NonZeroUsize::new(most).unwrap();
        self
    }

    pub(super) fn rate(mut self, rate: &str) -> Self {
        self.settings.rate = (rate != "none").then(|| rate.parse().unwrap());
        self.settings.pace = PaceStart::below(self.settings.rate);
        self
    }

    pub(super) fn max_attempts(mut self, most: u32) -> Self {
        self.settings.retry.max_attempts = NonZeroU32::new(most).unwrap();
        self
    }

    pub(super) fn tolerating(mut self, failures: u64) -> Self {
        self.settings.tolerated_failures = failures;
        self
    }

    pub(super) fn committing_in(mut self, millis: &[u64]) -> Self {
        self.ledger.commit_delays = millis.iter().copied().map(Duration::from_millis).collect();
        self
    }

    pub(super) fn claiming(mut self, most: usize) -> Self {
        self.ledger.most_claimed = most;
        self
    }

    /// Sends a control message `after` the beginning.
    pub(super) fn asking(mut self, after: Duration, request: Control) -> Self {
        self.controls.push((after, request));
        self
    }

    pub(super) fn interrupted_after(self, after: Duration) -> Self {
        self.asking(after, Control::Stop(StopReason::Interrupted))
    }

    /// Expects that some attempts are abandoned on the wire.
    pub(super) fn leaving_doubt(mut self) -> Self {
        self.doubt = Doubt::Some;
        self
    }

    /// Permits attempts to be abandoned on the wire.
    pub(super) fn perhaps_leaving_doubt(mut self) -> Self {
        self.doubt = Doubt::Perhaps;
        self
    }

    /// Returns a sender with which a script can stop the run from within a call.
    pub(super) fn remote(&self) -> mpsc::UnboundedSender<Control> {
        self.remote.clone()
    }

    /// Carries out the run and checks the invariants of every run.
    pub(super) async fn run(self) -> Seen {
        let doubt = self.doubt;
        let settings = self.settings.clone();
        let seen = self.run_unchecked().await;
        seen.check(&settings, doubt);
        seen
    }

    /// Carries out the run.
    pub(super) async fn run_unchecked(self) -> Seen {
        let clock = Clock::starting_at(SOME_DAY);
        let begun = clock.instant();
        let witness = Arc::new(Mutex::new(Witness::default()));
        let service = Service {
            clock,
            script: self.script,
            authority: self.authority,
            witness: Arc::clone(&witness),
        };
        let mut ledger = MemoryLedger {
            clock,
            began: clock.instant(),
            all: self.claims.clone(),
            gave_back: Vec::new(),
            left: self.claims.into(),
            script: self.ledger,
            witness: Arc::clone(&witness),
            claims: 0,
            commits: 0,
        };
        // The last sender is dropped after the last message, so that runs outlive their operator.
        let remote = self.remote;
        let operator = async move {
            for (after, request) in self.controls {
                tokio::time::sleep_until(begun + after).await;
                let _ = remote.send(request);
            }
        };
        let mut polls = 0;
        let engine = async {
            let mut run = pin!(run(&service, &mut ledger, &self.settings, clock, self.control));
            std::future::poll_fn(|context| {
                polls += 1;
                run.as_mut().poll(context)
            })
            .await
        };
        let both = async {
            let (result, ()) = tokio::join!(
                async {
                    let result = engine.await;
                    (result, clock.now())
                },
                operator
            );
            result
        };
        let (result, ended) = tokio::time::timeout(TOO_LONG, both).await.expect("a run ends");
        let (claims, began) = (ledger.claims, ledger.began);
        let gave_back = ledger.gave_back.iter().map(|&at| at - began).collect();
        let witness = std::mem::take(&mut *witness.lock().unwrap());
        Seen { result, ended, polls, claims, gave_back, witness }
    }
}

fn settings(tasks: u32) -> EngineSettings {
    EngineSettings::unlimited(NonZeroUsize::new(4).unwrap(), tasks.into())
}
