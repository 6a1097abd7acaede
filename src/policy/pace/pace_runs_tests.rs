//! How many runs a figure is the mean of: a few where these leave no doubt, and all of them otherwise.

use std::ops::RangeInclusive;

/// The fewest runs that show how much they differ.
const FEWEST: u64 = 3;
/// A mean that is so many standard errors and a little away from its bound needs no more runs.
const CLEAR: f64 = 3.0;
const A_LITTLE: f64 = 0.001;

/// Which runs are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seeds {
    UntilClear,
    All,
}

impl Seeds {
    /// Returns all where `BATCHCTL_TEST_ALL_SEEDS` is set, as `tests/full` does.
    pub(super) fn wanted() -> Self {
        if std::env::var_os("BATCHCTL_TEST_ALL_SEEDS").is_some() {
            Self::All
        } else {
            Self::UntilClear
        }
    }

    /// Returns the seeds of runs that are judged one by one.
    pub(super) fn of(self, all: u64) -> RangeInclusive<u64> {
        1..=if self == Self::All { all } else { FEWEST }
    }

    /// Carries out a run of each seed, up to `all` of them, until the mean of each figure lies clearly
    /// on one side of its bound.
    pub(super) fn carry_out<const N: usize>(
        self,
        all: u64,
        bounds: [f64; N],
        run: impl Fn(u64) -> [f64; N],
    ) -> Runs<N> {
        let mut runs = Runs { each: Vec::new() };
        for seed in 1..=all {
            runs.each.push(run(seed));
            let is_clear = |figure: usize| runs.is_clear(figure, bounds[figure]);
            if self == Self::UntilClear && seed >= FEWEST && (0..N).all(is_clear) {
                break;
            }
        }
        runs
    }
}

/// What some runs came to, in several figures.
pub(super) struct Runs<const N: usize> {
    each: Vec<[f64; N]>,
}

impl<const N: usize> Runs<N> {
    fn of(&self, figure: usize) -> impl Iterator<Item = f64> {
        self.each.iter().map(move |run| run[figure])
    }

    pub(super) fn mean(&self, figure: usize) -> f64 {
        self.of(figure).sum::<f64>() / self.each.len() as f64
    }

    pub(super) fn least(&self, figure: usize) -> f64 {
        self.of(figure).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn most(&self, figure: usize) -> f64 {
        self.of(figure).fold(0.0, f64::max)
    }

    fn is_clear(&self, figure: usize, bound: f64) -> bool {
        let (count, mean) = (self.each.len() as f64, self.mean(figure));
        let squares = self.of(figure).map(|value| (value - mean).powi(2)).sum::<f64>();
        let error = (squares / (count - 1.0) / count).sqrt();
        (mean - bound).abs() > CLEAR * error + A_LITTLE
    }
}

#[test]
fn few_runs_are_enough_where_they_agree_and_all_are_needed_near_a_bound() {
    let count = |seeds: Seeds, off: f64| {
        let differ = |seed: u64| [0.95 + off + if seed.is_multiple_of(2) { 0.01 } else { -0.01 }];
        seeds.carry_out(8, [0.95], differ).each.len()
    };
    assert_eq!(count(Seeds::UntilClear, 0.05), 3);
    assert_eq!(count(Seeds::UntilClear, -0.05), 3);
    assert_eq!(count(Seeds::UntilClear, 0.004), 8);
    assert_eq!(count(Seeds::All, 0.05), 8);
}
