//! The share of calls that a service throttles whatever the pace, and whether more than that are.
//!
//! An overloaded gateway in front of several backends refuses some calls at any rate. To slow down
//! for these would cost time and save none of them.

/// A smaller share is none: a single throttled call is then evidence of a limit.
const NEGLIGIBLE: f64 = 0.005;
/// The highest share that is put down to chance.
const HIGHEST: f64 = 0.6;
/// How many calls it takes to adapt the share.
const ADAPTS_WITHIN: f64 = 200.0;
/// The sum of evidence at which more calls are throttled than chance explains: e^8.8 against one.
const SUSPICIOUS: f64 = 8.8;
/// The additional share that is to be detected.
const EXCESS: f64 = 0.25;
/// The same for a small share, which may be the excess over a limit.
const SMALL: f64 = 0.02;
const SMALL_EXCESS: f64 = 0.05;
/// The part of a share from which on it still is the one that was found.
const STILL: f64 = 0.8;
/// How much a test that found chance weighs in the next one, as a logarithm, and how many do.
const CONVICTION: f64 = 2.0;
const MOST_CONFIRMED: u32 = 3;

/// What is known of throttling by chance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChanceThrottling {
    share: f64,
    /// Evidence that more are throttled: CUSUM of the likelihood ratio (Page 1954).
    evidence: f64,
    /// How often a test has found chance, since one has found a limit.
    confirmed: u32,
    /// The share that the last of these tests has found.
    found: f64,
}

impl ChanceThrottling {
    /// Returns the share that is throttled by chance.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Returns whether no such share is known.
    pub(super) fn is_negligible(&self) -> bool {
        self.share < NEGLIGIBLE
    }

    pub(super) fn set_share(&mut self, share: f64) {
        (self.share, self.evidence) = (share.clamp(0.0, HIGHEST), 0.0);
    }

    /// Takes note that a test has found this share.
    pub(super) fn confirm(&mut self, share: f64) {
        self.set_share(share);
        self.found = self.share;
        self.confirmed = (self.confirmed + 1).min(MOST_CONFIRMED);
    }

    /// Returns whether more are throttled than the last test has found, without an end of that meanwhile: a
    /// fault that ends and begins again says nothing about the test.
    pub(super) fn exceeds_what_was_found(&self) -> bool {
        self.confirmed > 0 && self.is_exceeded() && self.share > STILL * self.found
    }

    /// Forgets the tests that found chance, because they were wrong.
    pub(super) fn refute(&mut self) {
        self.confirmed = 0;
    }

    /// Returns how much more likely chance has become by the tests that found it, as a logarithm.
    pub(super) fn conviction(&self) -> f64 {
        CONVICTION * f64::from(self.confirmed)
    }

    /// Returns by what factor a share is trusted longer that several tests have found.
    pub(super) fn trusted_for(&self) -> f64 {
        f64::from(2_u32.pow(self.confirmed.saturating_sub(1)))
    }

    /// Forgets the evidence so far, because a decision has followed from it.
    pub(super) fn acquit(&mut self) {
        self.evidence = 0.0;
    }

    /// Weighs an answer. Only at a pace that is not being tested does it adapt the share upwards.
    pub(super) fn weigh(&mut self, throttled: bool, is_steady: bool) {
        if self.is_negligible() {
            self.evidence = if throttled { SUSPICIOUS + 1.0 } else { 0.0 };
            self.share -= self.share / ADAPTS_WITHIN;
            return;
        }
        let excess = if self.share < SMALL { SMALL_EXCESS } else { EXCESS * (1.0 - self.share) };
        let more = self.share + excess;
        let ratio = if throttled { more / self.share } else { (1.0 - more) / (1.0 - self.share) };
        self.evidence = (self.evidence + ratio.ln()).max(0.0);
        if !throttled {
            self.share -= self.share / ADAPTS_WITHIN;
        } else if is_steady {
            self.share = (self.share + (1.0 - self.share) / ADAPTS_WITHIN).min(HIGHEST);
        }
    }

    /// Returns whether more calls are throttled than chance explains.
    pub(super) fn is_exceeded(&self) -> bool {
        self.evidence > SUSPICIOUS
    }

    /// Returns how many calls in a row chance throttles once in 100,000 times, with this share.
    pub(super) fn longest_row(share: f64) -> usize {
        let likely = share.clamp(0.25, 0.95);
        let row = (1e-5_f64.ln() / likely.ln()).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 9 and 225"
        )]
        let row = row as usize;
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_known_share_one_throttled_call_is_evidence() {
        let mut chance = ChanceThrottling::default();
        chance.weigh(false, true);
        assert!(!chance.is_exceeded());
        chance.weigh(true, true);
        assert!(chance.is_exceeded());
    }

    #[test]
    fn the_known_share_is_no_evidence_and_twice_as_many_are() {
        let mut chance = ChanceThrottling::default();
        chance.set_share(0.2);
        for number in 0..2_000 {
            chance.weigh(number % 5 == 0, true);
            assert!(!chance.is_exceeded(), "after {number}");
        }
        let number = (0..500).find(|number| {
            chance.weigh(number % 2 == 0, true);
            chance.is_exceeded()
        });
        assert!(number.unwrap() < 60);
    }

    #[test]
    fn a_share_that_ends_is_forgotten() {
        let mut chance = ChanceThrottling::default();
        chance.set_share(0.3);
        (0..1_000).for_each(|_| chance.weigh(false, true));
        assert!(chance.is_negligible());
    }

    #[test]
    fn longer_rows_are_chance_where_the_share_is_higher() {
        assert_eq!(ChanceThrottling::longest_row(0.1), 9);
        assert_eq!(ChanceThrottling::longest_row(0.5), 17);
    }

    #[track_caller]
    fn check(chance: &ChanceThrottling, share: f64, likelihood: f64) {
        let off = (chance.share - share).abs().max((chance.evidence - likelihood.ln()).abs());
        assert!(off < 1e-9, "{chance:?}");
    }

    #[test]
    fn each_answer_moves_the_share_and_the_evidence_by_exact_amounts() {
        let mut chance = ChanceThrottling::default();
        chance.set_share(0.2);
        chance.weigh(true, true);
        check(&chance, 0.204, 2.0);
        chance.weigh(false, true);
        check(&chance, 0.202_98, 1.5);
        chance.set_share(0.2);
        chance.weigh(true, false);
        check(&chance, 0.2, 2.0);
        // A small share is looked at more closely.
        chance.set_share(0.01);
        chance.weigh(true, false);
        check(&chance, 0.01, 6.0);
        chance.set_share(0.02);
        chance.weigh(true, false);
        check(&chance, 0.02, 13.25);
        // Evidence of the contrary is not saved up.
        chance.set_share(0.2);
        chance.weigh(false, false);
        check(&chance, 0.199, 1.0);
    }

    #[test]
    fn a_negligible_share_fades_and_a_high_one_is_bounded() {
        let mut chance = ChanceThrottling::default();
        chance.set_share(NEGLIGIBLE);
        assert!(!chance.is_negligible());
        chance.set_share(0.004);
        assert!(chance.is_negligible());
        chance.weigh(false, true);
        check(&chance, 0.003_98, 1.0);
        chance.set_share(0.9);
        check(&chance, HIGHEST, 1.0);
        chance.weigh(true, true);
        assert_eq!(chance.share(), HIGHEST);
    }

    #[test]
    fn three_confirmations_are_the_most_that_count() {
        let mut chance = ChanceThrottling::default();
        assert_eq!((chance.conviction(), chance.trusted_for()), (0.0, 1.0));
        for (conviction, trusted_for) in [(2.0, 1.0), (4.0, 2.0), (6.0, 4.0), (6.0, 4.0)] {
            chance.confirm(0.3);
            assert_eq!((chance.conviction(), chance.trusted_for()), (conviction, trusted_for));
            assert_eq!(chance.share(), 0.3);
        }
    }

    #[test]
    fn more_than_was_found_is_seen_as_long_as_it_goes_on() {
        let mut chance = ChanceThrottling::default();
        chance.set_share(0.3);
        let throttle = |chance: &mut ChanceThrottling| {
            (0..80).for_each(|_| chance.weigh(true, false));
        };
        throttle(&mut chance);
        assert!(chance.is_exceeded() && !chance.exceeds_what_was_found(), "no test found it");
        chance.confirm(0.9);
        assert!(!chance.exceeds_what_was_found());
        throttle(&mut chance);
        assert!(chance.exceeds_what_was_found(), "{chance:?}");
        (0..50).for_each(|_| chance.weigh(false, false));
        throttle(&mut chance);
        assert!(chance.is_exceeded() && !chance.exceeds_what_was_found(), "{chance:?}");
        chance.confirm(0.3);
        chance.refute();
        assert_eq!((chance.conviction(), chance.share()), (0.0, 0.3));
    }

    #[test]
    fn evidence_is_forgotten_once_something_has_followed_from_it() {
        let mut chance = ChanceThrottling { evidence: SUSPICIOUS, ..ChanceThrottling::default() };
        assert!(!chance.is_exceeded(), "it has to be more");
        chance.weigh(true, true);
        assert!(chance.is_exceeded());
        chance.acquit();
        assert!(!chance.is_exceeded());
    }
}
