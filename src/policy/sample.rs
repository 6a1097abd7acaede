//! Which tasks belong to a sample: the same ones for a seed, whatever their order.

use std::fmt;
use std::str::FromStr;

/// A hundredth, in millionths.
const PERCENT: f64 = 10_000.0;
const WHOLE: u32 = 1_000_000;

/// How large a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleSize {
    /// A number of tasks.
    Tasks(u64),
    /// A share of all tasks, in millionths.
    Share(u32),
}

/// The text is not the size of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample is a number of tasks such as `500`, or a share such as `1%`")]
pub struct InvalidSampleSize;

/// A sample of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its size.
    pub size: SampleSize,
    /// What decides which tasks belong to it.
    pub seed: u64,
}

impl Sample {
    /// Returns the number of tasks in a sample of so many.
    pub fn tasks_of(self, all: u64) -> u64 {
        match self.size {
            SampleSize::Tasks(tasks) => tasks.min(all),
            // Rounded up, so that a share of few tasks is not empty.
            SampleSize::Share(share) => {
                let tasks = (u128::from(all) * u128::from(share)).div_ceil(u128::from(WHOLE));
                u64::try_from(tasks).unwrap_or(all).min(all)
            }
        }
    }

    /// Returns the place of an id in the draw; the lowest ones belong to the sample.
    ///
    /// Never changes between versions, because a seed in a record must find the same tasks again.
    pub fn place(self, id: &str) -> u64 {
        // FNV-1a, and the last step of SplitMix64, which spreads what FNV leaves close together.
        let start = 0xcbf2_9ce4_8422_2325_u64;
        let bytes = self.seed.to_le_bytes().into_iter().chain(id.bytes());
        let mixed = bytes
            .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl FromStr for SampleSize {
    type Err = InvalidSampleSize;

    fn from_str(text: &str) -> Result<Self, InvalidSampleSize> {
        let Some(percent) = text.trim().strip_suffix('%') else {
            let tasks: u64 = text.trim().parse().map_err(|_| InvalidSampleSize)?;
            return (tasks > 0).then_some(Self::Tasks(tasks)).ok_or(InvalidSampleSize);
        };
        let percent: f64 = percent.trim().parse().map_err(|_| InvalidSampleSize)?;
        let share = (percent * PERCENT).round();
        // Also false for a number that is none.
        let is_share = share >= 1.0 && share <= f64::from(WHOLE);
        is_share.then_some(Self::Share(share as u32)).ok_or(InvalidSampleSize)
    }
}

impl fmt::Display for SampleSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks(tasks) => tasks.fmt(f),
            Self::Share(share) => write!(f, "{}%", f64::from(*share) / PERCENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(size: &str, all: u64, expected: u64) {
        let size: SampleSize = size.parse().unwrap();
        assert_eq!(Sample { size, seed: 1 }.tasks_of(all), expected, "{size} of {all}");
    }

    #[test]
    fn a_share_is_rounded_up_and_a_number_is_exact() {
        check("1%", 1_000, 10);
        check("0.5%", 1_000, 5);
        check("1%", 3, 1);
        check("100%", u64::MAX, u64::MAX);
        check("500", 1_000, 500);
        check("500", 20, 20);
        for text in ["0", "", "0%", "101%", "-1%", "NaN%", "half"] {
            assert_eq!(text.parse::<SampleSize>(), Err(InvalidSampleSize), "{text}");
        }
    }

    #[test]
    fn the_place_of_an_id_never_changes() {
        let place = |seed, id| Sample { size: SampleSize::Tasks(1), seed }.place(id);
        assert_ne!(place(1, "gate-1"), place(1, "gate-2"));
        assert_ne!(place(1, "gate-1"), place(2, "gate-1"));
        assert_eq!(place(1, "gate-1"), 0xa6b5_b5be_f48b_7325);
        assert_eq!(place(7, "cfcd208495d565ef66e7dff9f98764da"), 0xfcb3_6d06_e766_f7b3);
    }

    #[test]
    fn a_size_is_written_as_it_is_read_down_to_a_millionth() {
        for text in ["500", "1%", "0.5%", "100%", "0.0001%"] {
            assert_eq!(text.parse::<SampleSize>().unwrap().to_string(), text);
        }
        assert_eq!("0.00004%".parse::<SampleSize>(), Err(InvalidSampleSize));
    }
}
