//! Evidence for a limit on calls at a time: a number on the wire that parts throttled calls from served ones.
//!
//! Pure counting. A pace that is too high fills the wire, too, so that what it throttles is parted as
//! well, only less clearly.

/// The logarithm of the likelihood ratio from which on the number on the wire is the reason.
const DECISIVE: f64 = 9.0;
/// How many calls it takes, throttled and served after the first of these.
const ENOUGH: usize = 3;
/// How many calls lie between two occasions on which some are throttled.
const BETWEEN_OCCASIONS: usize = 10;
/// The share of throttled calls that may have found fewer: calls overtake one another on their way.
const TOLERATED: f64 = 0.1;
/// The share of the calls at the limit and above it that are throttled: an answer takes its way, so that
/// the service works on fewer than are on the wire.
const MOST_OF: f64 = 0.6;
const SOME_OF: f64 = 0.05;
/// The same of a small limit: a few calls on the wire part calls by the rate, too.
const NEARLY_ALL: f64 = 0.9;
const SMALL: usize = 5;
/// The least limit: a smaller one cannot be told from a rate.
pub(super) const SMALLEST: usize = 2;

/// What follows from the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The limit holds at once.
    Alone,
    /// It is compared with a pace first.
    ForTrial,
}

/// Returns the limit that tells throttled calls from served ones, if one does, and how well that is
/// proved. Each call comes with the number of accepted ones that it found on the wire, and whether it
/// was throttled.
pub(super) fn limit_in(calls: &[(usize, bool)]) -> Option<(usize, Proof)> {
    let first = calls.iter().position(|&(_, throttled)| throttled)?;
    let throttled = calls.iter().filter(|&&(_, throttled)| throttled).count();
    let served_later = calls[first..].len() - throttled;
    if throttled < ENOUGH || served_later < ENOUGH {
        return None;
    }
    let (least, most) = calls
        .iter()
        .fold((usize::MAX, 0), |(least, most), &(level, _)| (least.min(level), most.max(level)));
    let mut levels = vec![(0.0, 0.0); most - least + 1];
    for &(level, throttled) in calls {
        let (served, refused) = &mut levels[level - least];
        *(if throttled { refused } else { served }) += 1.0;
    }
    let (all, all_throttled) = (calls.len() as f64, throttled as f64);
    let (mut above, mut throttled_above) = (0.0, 0.0);
    let parted = (least..=most).rev().zip(levels.into_iter().rev());
    let parted = parted.filter_map(|(limit, (served, throttled))| {
        (above, throttled_above) = (above + served + throttled, throttled_above + throttled);
        let (below, throttled_below) = (all - above, all_throttled - throttled_above);
        let parted = Parted { limit, above, throttled_above, below, throttled_below };
        (throttled > 0.0).then(|| (parted.evidence(), parted))
    });
    let (_, best) = parted.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    match (best.is_clear(Proof::Alone), best.is_clear(Proof::ForTrial)) {
        (true, _) => Some((best.limit, Proof::Alone)),
        (false, true) if occasions(calls, best.limit) >= ENOUGH => {
            Some((best.limit, Proof::ForTrial))
        }
        (false, _) => None,
    }
}

/// Returns on how many occasions calls were throttled at a limit. A pace that is far too high throttles
/// many on a single one.
fn occasions(calls: &[(usize, bool)], limit: usize) -> usize {
    let (mut occasions, mut last) = (0, None);
    let is_one = |&(_, &(level, throttled)): &(usize, &(usize, bool))| throttled && level >= limit;
    for (index, _) in calls.iter().enumerate().filter(is_one) {
        let is_other = last.is_none_or(|last| index > last + BETWEEN_OCCASIONS);
        occasions += usize::from(is_other);
        last = Some(index);
    }
    occasions
}

/// Calls parted by the number that they found on the wire.
#[derive(Debug, Clone, Copy)]
struct Parted {
    limit: usize,
    /// How many found as many as the limit or more, and how many of these were throttled.
    above: f64,
    throttled_above: f64,
    below: f64,
    throttled_below: f64,
}

impl Parted {
    /// Returns how much more likely the answers are by the limit than by chance, as a logarithm.
    fn evidence(&self) -> f64 {
        let (calls, throttled) =
            (self.above + self.below, self.throttled_above + self.throttled_below);
        let cell = |count: f64, row: f64, column: f64| {
            if count > 0.0 { count * (count * calls / (row * column)).ln() } else { 0.0 }
        };
        cell(self.throttled_above, self.above, throttled)
            + cell(self.above - self.throttled_above, self.above, calls - throttled)
            + cell(self.throttled_below, self.below, throttled)
            + cell(self.below - self.throttled_below, self.below, calls - throttled)
    }

    fn is_clear(&self, proof: Proof) -> bool {
        let throttled = self.throttled_above + self.throttled_below;
        let most_of = match (self.limit < SMALL, proof) {
            (true, Proof::Alone) => NEARLY_ALL,
            (true, Proof::ForTrial) | (false, Proof::Alone) => MOST_OF,
            (false, Proof::ForTrial) => SOME_OF,
        };
        self.limit >= SMALLEST
            && self.throttled_below <= TOLERATED * throttled
            && self.throttled_above >= most_of * self.above
            && self.evidence() > DECISIVE
    }
}

#[cfg(test)]
#[path = "calls_parted_tests.rs"]
mod tests;
