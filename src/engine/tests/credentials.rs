//! Credentials that expire during a run: one renewal for all calls, and no failed task.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{after_millis, done, never_left, unauthorised};
use crate::api::{Authority, FirstUse, NotRenewed};
use crate::clock::{Clock, Instant};
use crate::event::{EventKind, HoldReason, StopReason};
use crate::policy::Generation;
use crate::task::Outcome;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Credentials with a life, and an authority that renews them in half a second.
struct Keyring {
    clock: Clock,
    life: Duration,
    first_use: FirstUse,
    /// How many renewals succeed.
    renewable: usize,
    lookahead: Option<Duration>,
    begun: Instant,
    state: Mutex<Keys>,
}

struct Keys {
    generation: u64,
    since: Instant,
    /// The times of the renewals since the beginning.
    renewals: Vec<Duration>,
}

fn keyring(life: Duration) -> Keyring {
    let clock = Clock::start();
    let state = Keys { generation: 1, since: clock.instant(), renewals: Vec::new() };
    Keyring {
        clock,
        life,
        first_use: FirstUse::Together,
        renewable: usize::MAX,
        lookahead: None,
        begun: clock.instant(),
        state: Mutex::new(state),
    }
}

impl Keyring {
    fn is_alive(&self) -> bool {
        self.clock.instant() < self.state.lock().unwrap().since + self.life
    }

    fn renewals(&self) -> Vec<Duration> {
        self.state.lock().unwrap().renewals.clone()
    }
}

impl Authority for Keyring {
    fn generation(&self) -> Generation {
        Generation(self.state.lock().unwrap().generation)
    }

    fn first_use(&self) -> FirstUse {
        self.first_use
    }

    fn renewal_due(&self) -> Option<Instant> {
        let since = self.state.lock().unwrap().since;
        self.lookahead.map(|lookahead| since + self.life - lookahead)
    }

    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        assert_eq!(refused, self.generation(), "only the credentials in force are renewed");
        async move {
            tokio::time::sleep(millis(500)).await;
            let mut keys = self.state.lock().unwrap();
            let at = self.clock.instant();
            keys.renewals.push(at - self.begun);
            if keys.renewals.len() > self.renewable {
                return Err(NotRenewed);
            }
            keys.generation += 1;
            keys.since = at;
            Ok(())
        }
        .boxed_local()
    }
}

/// Carries out a run whose calls take 100 ms and are refused if their credentials have expired.
async fn run(scene: Scene, keyring: Keyring) -> (Seen, Arc<Keyring>) {
    let keyring = Arc::new(keyring);
    let service = Arc::clone(&keyring);
    let answer = move |_, _| {
        let answer = if service.is_alive() { done() } else { unauthorised() };
        after_millis(100, answer)
    };
    let authority: Arc<dyn Authority> = Arc::clone(&keyring) as _;
    let seen = scene.answering(answer).authorised_by(authority).run().await;
    (seen, keyring)
}

/// Returns when the run was held for its credentials.
fn holds(seen: &Seen) -> Vec<Duration> {
    seen.pick(|event| {
        let held = matches!(event.kind, EventKind::RunHeld { reason: HoldReason::Credentials, .. });
        held.then(|| event.at.since(SOME_DAY))
    })
}

#[tokio::test(start_paused = true)]
async fn sixty_four_refused_calls_cause_one_renewal_and_no_failure() {
    let scene = Scene::with_tasks(1_000).concurrency(64).max_attempts(1);
    let (seen, keyring) = run(scene, keyring(secs(1))).await;
    assert_eq!(seen.count(Outcome::Succeeded), 1_000);
    // Ten rounds of 64 within the first second; the eleventh is refused and sent once more.
    assert_eq!(seen.sendings().len(), 1_064);
    assert_eq!(keyring.renewals(), [millis(1_600)]);
    assert_eq!(holds(&seen), [millis(1_100)]);
    assert_eq!(seen.stopped(), None);
    // 16 rounds of 100 ms, one more for the refused, and the renewal.
    assert_eq!(seen.lasted(), millis(2_200));
    assert_eq!(seen.stats().held, millis(500));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_refused_credentials_are_renewed() {
    // Calls begin every 100 ms, so that some are admitted while the renewal is under way.
    let scene = Scene::with_tasks(60).concurrency(64).rate("10/s").committing_in(&[70]);
    let (seen, _) = run(scene, keyring(secs(2))).await;
    let held = holds(&seen)[0];
    let during = |&(_, at): &(u32, Duration)| at > held && at < held + millis(500);
    assert_eq!(seen.sendings().iter().filter(|sending| during(sending)).count(), 0);
    assert_eq!(seen.count(Outcome::Succeeded), 60);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_each_time_they_expire() {
    let scene = Scene::with_tasks(400).concurrency(10).max_attempts(1);
    let (seen, keyring) = run(scene, keyring(secs(1))).await;
    assert_eq!(seen.count(Outcome::Succeeded), 400);
    assert_eq!(keyring.renewals(), [millis(1_600), millis(3_200), millis(4_800)]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_renewed_stop_the_run() {
    let keys = Keyring { renewable: 0, ..keyring(secs(1)) };
    let (seen, keyring) = run(Scene::with_tasks(1_000).concurrency(10), keys).await;
    assert_eq!(seen.stopped(), Some(&StopReason::NotAuthorised));
    assert_eq!((seen.settled().len(), seen.sendings().len()), (100, 110));
    assert_eq!(keyring.renewals(), [millis(1_600)]);
}

#[tokio::test(start_paused = true)]
async fn renewed_credentials_that_are_refused_stop_the_run() {
    let (seen, keyring) =
        run(Scene::with_tasks(1_000).concurrency(10), keyring(Duration::ZERO)).await;
    assert_eq!(seen.stopped(), Some(&StopReason::NotAuthorised));
    assert_eq!(seen.settled(), []);
    assert_eq!((keyring.renewals().len(), seen.sendings().len()), (1, 20));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_refusals_may_lock_is_tried_by_one_call_alone() {
    let keys = Keyring { first_use: FirstUse::Alone, renewable: 0, ..keyring(Duration::ZERO) };
    let (seen, _) = run(Scene::with_tasks(100).concurrency(64), keys).await;
    assert_eq!(seen.stopped(), Some(&StopReason::NotAuthorised));
    assert_eq!(seen.sendings().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_accepted_call_the_others_run_in_parallel() {
    let keys = Keyring { first_use: FirstUse::Alone, ..keyring(secs(60)) };
    let (seen, _) = run(Scene::with_tasks(65).concurrency(64), keys).await;
    assert_eq!((seen.count(Outcome::Succeeded), seen.lasted()), (65, millis(200)));
}

#[tokio::test(start_paused = true)]
async fn a_first_call_that_never_arrived_proves_nothing() {
    let keys = Keyring { first_use: FirstUse::Alone, ..keyring(secs(60)) };
    let script = |ordinal, number| {
        let gone = (ordinal, number) == (0, 1);
        after_millis(100, if gone { never_left() } else { done() })
    };
    let scene = Scene::with_tasks(3).concurrency(64).answering(script);
    let seen = scene.authorised_by(Arc::new(keys)).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 3);
    assert_eq!(seen.sendings()[..3], [(0, millis(0)), (1, millis(100)), (2, millis(200))]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_before_the_end_holds_nothing() {
    let keys = Keyring { lookahead: Some(secs(1)), ..keyring(secs(2)) };
    let (seen, keyring) = run(Scene::with_tasks(500).concurrency(10), keys).await;
    assert_eq!((seen.count(Outcome::Succeeded), seen.sendings().len()), (500, 500));
    assert_eq!(seen.lasted(), secs(5));
    // Each renewal begins a second before the end and takes half a second.
    assert_eq!(keyring.renewals(), [millis(1_500), millis(3_000), millis(4_500)]);
    assert_eq!(holds(&seen), []);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_renewal() {
    let scene = Scene::with_tasks(200).concurrency(10).interrupted_after(millis(1_300));
    let (seen, keyring) = run(scene, keyring(secs(1))).await;
    assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
    assert_eq!((seen.lasted(), keyring.renewals().len()), (millis(1_300), 0));
}
