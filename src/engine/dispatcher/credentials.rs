//! Renews the run's credentials before they expire. If they are refused, all sendings are held
//! until new ones are there.
//!
//! Invariant: at most one renewal is under way, however many calls ask for it. The authority
//! performs the renewal; nothing here sees a secret.

use super::Dispatcher;
use crate::api::{FirstUse, NotRenewed};
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::{Claim, Ledger};
use crate::event::{EventKind, HoldReason, StopReason};
use crate::policy::{Generation, Remedy, Verdict};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// The expected maximum duration of a renewal; it is only shown to watchers.
const EXPECTED_RENEWAL: Duration = Duration::from_secs(30);

/// A renewal under way.
pub(super) struct Renewal<'a> {
    future: LocalBoxFuture<'a, Result<(), NotRenewed>>,
    urgency: Urgency,
}

/// Whether calls can go on while credentials are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// The credentials are still accepted: calls continue.
    Ahead,
    /// The credentials were refused: nothing is sent until there are new ones.
    Refused,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Returns how many calls may be on the wire.
    ///
    /// If several refusals could lock the key, only one call goes until the service has accepted it.
    pub(super) fn slots(&self) -> usize {
        if self.is_sending_blocked() {
            return 0;
        }
        match self.authority.first_use() {
            FirstUse::Alone if !self.trust.is_proven() => 1,
            FirstUse::Alone | FirstUse::Together => {
                self.operator.concurrency.get().min(self.most_at_a_time())
            }
        }
    }

    /// Records that the service accepted the credentials of a call, if its answer proves that.
    pub(super) fn record_acceptance(
        &mut self,
        verdict: Verdict,
        status: Option<u16>,
        used: Generation,
    ) {
        let succeeded = status.is_some_and(|status| (200..300).contains(&status));
        // Other answers may come from a proxy or gateway in front of the credential check.
        if succeeded || matches!(verdict, Verdict::Done(_) | Verdict::Refused) {
            self.trust.accept(used);
        }
    }

    /// Sends a task again once there are new credentials, because its own were refused; or ends
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

    /// Holds a task, which goes first once the run continues.
    fn keep_for_credentials(&mut self, claim: Claim) {
        let due = self.clock.label(self.clock.instant());
        self.emit(EventKind::RetryScheduled { task: Arc::clone(&claim.task), due });
        self.retry_queue.push_held_first(claim);
    }

    fn renew_refused(&mut self, refused: Generation) {
        if self.stopping.is_some() || self.waits_for_credentials() {
            return;
        }
        self.begin_renewal(refused, Urgency::Refused);
        // If the renewal is already done, do not hold the run.
        if let Some(decided) = renewed(&mut self.renewing).now_or_never() {
            return self.take_renewed(decided);
        }
        let now = self.clock.instant();
        self.held_since.get_or_insert(now);
        let until = self.clock.label(now + EXPECTED_RENEWAL);
        self.emit(EventKind::RunHeld { until, reason: HoldReason::Credentials });
    }

    /// Begins to renew credentials that will expire soon; calls continue meanwhile.
    pub(super) fn renew_ahead(&mut self) {
        let now = self.clock.instant();
        if self.renewal_due().is_some_and(|due| now >= due) {
            self.begin_renewal(self.authority.generation(), Urgency::Ahead);
        }
    }

    /// Returns when credentials are to be renewed before they expire.
    pub(super) fn renewal_due(&self) -> Option<Instant> {
        let idle = self.stopping.is_none() && self.renewing.is_none();
        self.authority.renewal_due().filter(|_| idle)
    }

    fn begin_renewal(&mut self, refused: Generation, urgency: Urgency) {
        // A renewal begun ahead may now be urgent: its future is kept, its urgency replaced. Another
        // login would be a second use of a password that may lock the account.
        let under_way = self.renewing.take().map(|renewing| renewing.future);
        let future = under_way.unwrap_or_else(|| self.authority.renew(refused));
        self.renewing = Some(Renewal { future, urgency });
    }

    /// Returns whether nothing may be sent until credentials are renewed.
    pub(super) fn waits_for_credentials(&self) -> bool {
        self.renewing.as_ref().is_some_and(|renewing| renewing.urgency == Urgency::Refused)
    }

    /// Continues after a renewal. If it failed while the credentials are still good, the next
    /// refusal tries again.
    pub(super) fn take_renewed(&mut self, (result, urgency): (Result<(), NotRenewed>, Urgency)) {
        if result.is_err() && urgency == Urgency::Refused {
            self.stop(StopReason::NotAuthorised);
        }
    }
}

/// Awaits the renewal under way and takes it out; waits forever if there is none.
///
/// Cancel safe: the renewal stays where it is when this future is dropped.
pub(super) async fn renewed(
    under_way: &mut Option<Renewal<'_>>,
) -> (Result<(), NotRenewed>, Urgency) {
    let Some(renewing) = under_way else { return std::future::pending().await };
    let result = (&mut renewing.future).await;
    let urgency = renewing.urgency;
    *under_way = None;
    (result, urgency)
}
