//! What the run does about its credentials: renews them ahead of their end, or holds every
//! sending when they were refused until others are there.
//!
//! Invariant: at most one renewal is under way, whoever asks. What is renewed, and how, the
//! authority knows; nothing here sees a secret.

use super::Dispatcher;
use crate::api::FirstUse;
use crate::api::NotRenewed;
use crate::clock::Instant;
use crate::engine::Claim;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::EventKind;
use crate::event::HoldReason;
use crate::event::StopReason;
use crate::policy::Generation;
use crate::policy::Remedy;
use crate::policy::Verdict;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// How long a renewal is expected to take at the most; only for whoever watches.
const EXPECTED: Duration = Duration::from_secs(30);

/// A renewal under way.
pub(super) struct Renewing<'a> {
    future: LocalBoxFuture<'a, Result<(), NotRenewed>>,
    urgency: Urgency,
}

/// Whether calls can go on while credentials are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// They are still good.
    Ahead,
    /// They were refused: nothing is sent until there are others.
    Refused,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Returns how many calls may be under way: a single one where a refusal of many at once
    /// could lock the key, until the service has accepted it.
    pub(super) fn slots(&self) -> usize {
        if self.is_kept_back() {
            return 0;
        }
        match self.authority.first_use() {
            FirstUse::Alone if !self.trust.is_proven() => 1,
            FirstUse::Alone | FirstUse::Together => self.desk.concurrency.get(),
        }
    }

    /// Takes note of what an answer says of the credentials it was asked with.
    pub(super) fn hear_of_credentials(
        &mut self,
        verdict: Verdict,
        status: Option<u16>,
        used: Generation,
    ) {
        let succeeded = status.is_some_and(|status| (200..300).contains(&status));
        // Other answers may come from whoever stands before the one that checks credentials.
        if succeeded || matches!(verdict, Verdict::Done(_) | Verdict::Refused) {
            self.trust.accept(used);
        }
    }

    /// Sends a task again that was refused for its credentials, once there are others; or ends
    /// the run.
    pub(super) fn reauthorise(&mut self, claim: Claim, used: Generation) {
        let in_force = self.authority.generation();
        match self.trust.refuse(used, in_force, claim.history.refusals) {
            Remedy::SendAgain => self.keep_for_credentials(claim),
            Remedy::Renew => {
                self.keep_for_credentials(claim);
                self.renew_refused(used);
            }
            Remedy::Stop => self.stop(StopReason::NotAuthorised),
        }
    }

    /// Keeps a task that goes first once the run goes on.
    fn keep_for_credentials(&mut self, claim: Claim) {
        let due = self.clock.label(self.clock.instant());
        self.tell(EventKind::RetryScheduled { task: Arc::clone(&claim.task), due });
        self.waiting.hold(claim);
    }

    fn renew_refused(&mut self, refused: Generation) {
        if self.stopping.is_some() || self.waits_for_credentials() {
            return;
        }
        self.begin_renewal(refused, Urgency::Refused);
        // What is decided at once holds nobody.
        if let Some(decided) = renewed(&mut self.renewing).now_or_never() {
            return self.take_renewed(decided);
        }
        let now = self.clock.instant();
        self.held_since.get_or_insert(now);
        let until = self.clock.label(now + EXPECTED);
        self.tell(EventKind::RunHeld { until, reason: HoldReason::Credentials });
    }

    /// Begins to renew credentials whose end is near; calls go on meanwhile.
    pub(super) fn renew_ahead(&mut self) {
        let now = self.clock.instant();
        if self.renewal_due().is_some_and(|due| now >= due) {
            self.begin_renewal(self.authority.generation(), Urgency::Ahead);
        }
    }

    /// Returns when credentials are to be renewed ahead of their end.
    pub(super) fn renewal_due(&self) -> Option<Instant> {
        let idle = self.stopping.is_none() && self.renewing.is_none();
        self.authority.renewal_due().filter(|_| idle)
    }

    fn begin_renewal(&mut self, refused: Generation, urgency: Urgency) {
        let under_way = self.renewing.take().map(|renewing| renewing.future);
        let future = under_way.unwrap_or_else(|| self.authority.renew(refused));
        self.renewing = Some(Renewing { future, urgency });
    }

    /// Tells whether nothing may be sent until credentials are renewed.
    pub(super) fn waits_for_credentials(&self) -> bool {
        self.renewing.as_ref().is_some_and(|renewing| renewing.urgency == Urgency::Refused)
    }

    /// Goes on after a renewal; one that failed ahead of need may yet succeed when it is needed.
    pub(super) fn take_renewed(&mut self, (result, urgency): (Result<(), NotRenewed>, Urgency)) {
        if result.is_err() && urgency == Urgency::Refused {
            self.stop(StopReason::NotAuthorised);
        }
    }
}

/// Awaits the renewal under way and takes it out; waits for ever where there is none.
///
/// Nothing is lost when this is dropped: the renewal stays where it is.
pub(super) async fn renewed(
    under_way: &mut Option<Renewing<'_>>,
) -> (Result<(), NotRenewed>, Urgency) {
    let Some(renewing) = under_way else { return std::future::pending().await };
    let result = (&mut renewing.future).await;
    let urgency = renewing.urgency;
    *under_way = None;
    (result, urgency)
}
