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

/// What a call found and what became of it: the number of accepted calls that were on the wire, and
/// whether it was throttled.
type Found = (usize, bool);

/// Returns the limit that tells throttled calls from served ones, if one does, and how well that is
/// proved. `throttled_in_all` is how many calls of the run were throttled, these and those before them.
pub(super) fn limit_in(calls: &[Found], throttled_in_all: f64) -> Option<(usize, Proof)> {
    let first = calls.iter().position(|&(_, throttled)| throttled)?;
    let throttled = calls.iter().filter(|&&(_, throttled)| throttled).count();
    let served_later = calls[first..].len() - throttled;
    if throttled < ENOUGH || served_later < ENOUGH {
        return None;
    }
    let best = parted_best(calls)?;
    let is_first = throttled as f64 >= throttled_in_all;
    match (best.is_clear(Proof::Alone), best.is_clear(Proof::ForTrial)) {
        (true, _) if is_clear_on_occasions(calls, best.limit, is_first) => {
            Some((best.limit, Proof::Alone))
        }
        (_, true) if occasions(calls, best.limit) >= ENOUGH => Some((best.limit, Proof::ForTrial)),
        _ => None,
    }
}

/// Returns whether a limit is as clear by the throttled calls and those between them alone.
///
/// A pace that rises fills the wire until a window ends or a bucket is empty, and after that the wire
/// empties. So what came before and after an occasion seems to be parted by any limit. The first throttled
/// calls of a run may be a row, with none between them: nothing was known of a pace before.
fn is_clear_on_occasions(calls: &[Found], limit: usize, is_first: bool) -> bool {
    let mut dense = Vec::new();
    let mut last = None;
    for (index, _) in calls.iter().enumerate().filter(|&(_, &(_, throttled))| throttled) {
        let same = last.filter(|last| index <= last + BETWEEN_OCCASIONS);
        dense.extend_from_slice(&calls[same.map_or(index, |last| last + 1)..=index]);
        last = Some(index);
    }
    let is_row = dense.iter().all(|&(_, throttled)| throttled);
    (is_row && is_first) || Parted::at(limit, &dense).is_clear(Proof::Alone)
}

/// Returns how these calls are parted by the number that does it best.
fn parted_best(calls: &[Found]) -> Option<Parted> {
    let (least, most) = calls
        .iter()
        .fold((usize::MAX, 0), |(least, most), &(level, _)| (least.min(level), most.max(level)));
    let mut levels = vec![(0.0, 0.0); most - least + 1];
    for &(level, throttled) in calls {
        let (served, refused) = &mut levels[level - least];
        *(if throttled { refused } else { served }) += 1.0;
    }
    let all = calls.len() as f64;
    let all_throttled: f64 = levels.iter().map(|&(_, throttled)| throttled).sum();
    let (mut above, mut throttled_above) = (0.0, 0.0);
    let parted = (least..=most).rev().zip(levels.into_iter().rev());
    let parted = parted.filter_map(|(limit, (served, throttled))| {
        (above, throttled_above) = (above + served + throttled, throttled_above + throttled);
        let (below, throttled_below) = (all - above, all_throttled - throttled_above);
        let parted = Parted { limit, above, throttled_above, below, throttled_below };
        (throttled > 0.0).then(|| (parted.evidence(), parted))
    });
    Some(parted.max_by(|(a, _), (b, _)| a.total_cmp(b))?.1)
}

/// Returns on how many occasions calls were throttled at a limit. A pace that is far too high throttles
/// many on a single one.
fn occasions(calls: &[Found], limit: usize) -> usize {
    let (mut occasions, mut last) = (0, None);
    let is_one = |&(_, &(level, throttled)): &(usize, &Found)| throttled && level >= limit;
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
    /// Returns how a number parts these calls.
    fn at(limit: usize, calls: &[Found]) -> Self {
        let count =
            |is: &dyn Fn(&Found) -> bool| calls.iter().filter(|call| is(call)).count() as f64;
        let above = count(&|&(level, _)| level >= limit);
        let throttled_above = count(&|&(level, throttled)| level >= limit && throttled);
        let below = calls.len() as f64 - above;
        let throttled_below = count(&|&(level, throttled)| level < limit && throttled);
        Self { limit, above, throttled_above, below, throttled_below }
    }

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
