//! A part of a plan that a machine of its own carries out.
//!
//! Which shard a task belongs to follows from its id alone and never changes: machines that know
//! nothing of each other agree on it. See `docs/GLOSSARY.md`: shard.

use crate::task::Command;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use twox_hash::XxHash3_64;

/// The most shards of a plan.
const MOST: u32 = 1_000;

/// One shard of a plan, such as the second of four.
///
/// ```
/// use batchctl::task::Shard;
///
/// let shard: Shard = "2/4".parse().unwrap();
/// assert_eq!((shard.number(), shard.of()), (2, 4));
/// assert_eq!(shard.to_string(), "2/4");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: NonZeroU32,
    of: NonZeroU32,
}

/// The numbers are not those of a shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shard is K/N, such as `2/4`: K from 1 to N, and N at most {MOST}")]
pub struct InvalidShard;

impl Shard {
    /// Returns the shard with this number, counted from 1, of so many.
    pub fn new(number: u32, of: u32) -> Result<Self, InvalidShard> {
        let numbers = NonZeroU32::new(number).zip(NonZeroU32::new(of));
        let (number, of) = numbers.ok_or(InvalidShard)?;
        if number > of || of.get() > MOST {
            return Err(InvalidShard);
        }
        Ok(Self { number, of })
    }

    /// Returns the number of the shard, from 1.
    pub fn number(self) -> u32 {
        self.number.get()
    }

    /// Returns the number of shards.
    pub fn of(self) -> u32 {
        self.of.get()
    }

    /// Returns whether a task belongs to this shard.
    pub fn has(self, id: &str) -> bool {
        XxHash3_64::oneshot(id.as_bytes()) % u64::from(self.of()) + 1 == u64::from(self.number())
    }

    /// Returns this shard's part of a number that all shards share; the parts add up to it.
    pub fn part_of(self, whole: u32) -> u32 {
        // The first shards take what is left over.
        whole / self.of() + u32::from(self.number() <= whole % self.of())
    }
}

/// Returns the hash of a task, of which a run keeps the sum: XXH3-64 of its id, with the seed 0 for
/// `start`, 1 for `stop`, 2 for `delete`, and XXH3-64 of its name for any other command.
pub fn task_hash(command: Command, id: &str) -> u64 {
    let seed = match command {
        Command::START => 0,
        Command::STOP => 1,
        Command::DELETE => 2,
        other => XxHash3_64::oneshot(other.as_str().as_bytes()),
    };
    XxHash3_64::oneshot_with_seed(seed, id.as_bytes())
}

impl FromStr for Shard {
    type Err = InvalidShard;

    /// Reads `K/N`.
    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let (number, of) = text.split_once('/').ok_or(InvalidShard)?;
        let read = |text: &str| text.trim().parse().map_err(|_| InvalidShard);
        Self::new(read(number)?, read(of)?)
    }
}

impl fmt::Display for Shard {
    /// Writes the shard as the flag takes it, such as `2/4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of `docs/design/journal-format.md`. They never change: shards of one plan may be
    /// made by different versions.
    const VECTORS: [(&str, u64, u64, [u32; 3]); 4] = [
        ("gate-1", 0x8f3e_1a9c_0a4d_7af5, 0x3369_90c9_6b21_ad10, [2, 2, 782]),
        ("gate-2", 0x2fbd_fc06_1331_470b, 0xd0ec_6960_d4d9_a1af, [2, 4, 860]),
        (
            "0d47bbf52962414bb7ae27fb6ea24230",
            0x5b44_0ffe_5c72_7089,
            0x3092_30f5_5edd_b4a3,
            [2, 2, 394],
        ),
        (
            "123e4567-e89b-12d3-a456-426614174000",
            0x827b_d1a3_caa9_f20c,
            0x5b30_b348_2555_287b,
            [1, 1, 981],
        ),
    ];

    #[test]
    fn a_task_belongs_to_the_shard_that_its_id_says_for_ever() {
        for (id, start, stop, shards) in VECTORS {
            let hashes = [Command::START, Command::STOP].map(|command| task_hash(command, id));
            assert_eq!(hashes, [start, stop], "{id}: {hashes:#018x?}");
            let found = [2, 4, 1_000].map(|of| {
                let mut all = (1..=of).map(|number| Shard::new(number, of).unwrap());
                all.find(|shard| shard.has(id)).unwrap().number()
            });
            assert_eq!(found, shards, "{id}");
        }
    }

    #[test]
    fn every_task_belongs_to_one_shard() {
        for id in (0..1_000).map(|number| format!("camera-{number}")) {
            let shards = (1..=7).map(|number| Shard::new(number, 7).unwrap());
            assert_eq!(shards.filter(|shard| shard.has(&id)).count(), 1);
        }
    }

    #[test]
    fn the_parts_of_a_number_add_up_to_it() {
        for whole in [0, 1, 6, 7, 10, 1_000] {
            let parts = (1..=7).map(|number| Shard::new(number, 7).unwrap().part_of(whole));
            assert_eq!(parts.sum::<u32>(), whole);
        }
    }

    #[test]
    fn numbers_that_are_no_shard_are_refused() {
        let accepted = |text: &str| text.parse::<Shard>().ok().map(|shard| shard.to_string());
        for (text, expected) in [("1/1", "1/1"), (" 3 / 8 ", "3/8"), ("1000/1000", "1000/1000")] {
            assert_eq!(accepted(text).as_deref(), Some(expected));
        }
        for text in ["0/4", "5/4", "1/0", "1/1001", "1", "", "/", "-1/4", "1/2/3", "a/b"] {
            assert_eq!(accepted(text), None, "{text}");
        }
    }
}
