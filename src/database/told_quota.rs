//! What was told to the database of a quota of the service, and when it is told again.

use std::time::{Duration, Instant};

/// How long a quota holds whose window has no end, unless it is told again.
pub(super) const QUOTA_FOR: Duration = Duration::from_secs(60);
/// From which change on a quota is told again.
const TOLD_CHANGE: f64 = 0.05;

/// What a quota of the service leaves room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quota {
    pub(super) per_second: Option<f64>,
    pub(super) until: Instant,
}

impl Quota {
    /// Returns whether it says something else than another one, as far as it matters.
    pub(super) fn differs(self, told: Option<Self>, now: Instant) -> bool {
        let Some(told) = told.filter(|told| told.until > now) else {
            return self.per_second.is_some();
        };
        match (self.per_second, told.per_second) {
            (Some(own), Some(other)) => {
                (own / other - 1.0).abs() > TOLD_CHANGE || told.until < now + QUOTA_FOR / 2
            }
            (own, other) => own != other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_quota_is_told_again_when_it_changes_or_is_about_to_end() {
        let now = Clock::start().instant().into_std();
        let quota = |per_second, secs| Quota { per_second, until: now + Duration::from_secs(secs) };
        let told = Some(quota(Some(10.0), 60));
        assert!(!quota(None, 60).differs(None, now), "there was none");
        assert!(quota(Some(10.0), 60).differs(None, now));
        assert!(!quota(Some(10.4), 60).differs(told, now));
        assert!(quota(Some(9.0), 60).differs(told, now));
        assert!(quota(None, 60).differs(told, now));
        let later = now + Duration::from_secs(40);
        assert!(quota(Some(10.0), 100).differs(told, later));
        assert!(!quota(None, 100).differs(told, now + Duration::from_secs(61)), "it is over");
    }
}
