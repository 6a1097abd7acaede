//! The sandbox's random numbers: each follows from the seed and its purpose.
//!
//! They are hashes, not a sequence, so a result never depends on the order in which requests
//! arrive. The hash is fixed here: the same seed gives the same faults in every version and on every
//! machine, which the hasher of `std` does not promise.

/// The purpose of a random number; numbers for different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The number of sub-tasks of a batch task.
    Size,
    /// Its group of cameras.
    Group,
    /// Its time of creation.
    Age,
    /// The treatment of a call.
    CallBehaviour,
    /// The error of a failed call.
    Fault,
    /// The number of failed sub-tasks.
    Failures,
    /// The latency of a response.
    Latency,
    /// The id of a request.
    RequestId,
    /// The text of a token.
    Token,
    /// Whether a batch task runs at the start.
    Running,
    /// Whether a batch task never reaches its new state.
    Stuck,
    /// The ids of the sub-tasks of a batch task.
    SubTask,
}

/// A source of random numbers by hashing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeededRandom {
    seed: u64,
}

/// One random number: 64 evenly distributed bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roll(u64);

impl SeededRandom {
    /// Returns the source for a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed: mix(seed) }
    }

    /// Returns the random number for a purpose and a number; different numbers give different rolls.
    pub(crate) const fn roll(self, question: Question, number: u64) -> Roll {
        // One more than the purpose, because the first one would leave the seed as it is.
        let purpose = mix(self.seed ^ (question as u64 + 1));
        Roll(mix(purpose ^ number))
    }

    /// Returns the random number for a purpose and a name.
    pub(crate) fn roll_for(self, question: Question, name: &str) -> Roll {
        self.roll(question, key(name))
    }
}

impl Roll {
    /// Returns all bits.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Returns a number from 0 to 1, without 1 itself.
    pub(crate) fn share(self) -> f64 {
        // A double has 53 bits of precision; more would round some results up to 1.
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number from 0 to `bound`, without `bound` itself.
    pub(crate) const fn below(self, bound: u64) -> u64 {
        // Lemire's method: the high half of the product is evenly distributed, without a division.
        ((self.0 as u128 * bound as u128) >> 64) as u64
    }
}

/// Returns the key of the n-th call of a name, for random numbers of that call only.
pub(crate) fn call_key(name: &str, kind: u64, number: u32) -> u64 {
    // The kind has the high half to itself, so no number of calls reaches it.
    mix(key(name) ^ (kind << 32 | u64::from(number)))
}

/// Hashes a name (FNV-1a).
fn key(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Mixes all bits, one to one (the finaliser of splitmix64).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_roll_in_every_version() {
        assert_eq!(SeededRandom::new(0).roll(Question::Size, 1).bits(), 5_067_554_077_270_220_563);
        assert_eq!(
            SeededRandom::new(7).roll_for(Question::CallBehaviour, "gate").bits(),
            6_985_151_853_926_977_397
        );
        assert_eq!(call_key("gate", 1, 2), 13_142_575_060_407_615_779);
    }

    #[test]
    fn purposes_names_and_seeds_are_independent() {
        let roll = SeededRandom::new(1).roll_for(Question::CallBehaviour, "gate-1");
        assert_ne!(roll, SeededRandom::new(2).roll_for(Question::CallBehaviour, "gate-1"));
        assert_ne!(roll, SeededRandom::new(1).roll_for(Question::Size, "gate-1"));
        assert_ne!(roll, SeededRandom::new(1).roll_for(Question::CallBehaviour, "gate-2"));
        assert_ne!(call_key("gate-1", 0, 1), call_key("gate-1", 0, 2));
        assert_ne!(call_key("gate-1", 0, 1), call_key("gate-1", 1, 1));
    }

    #[test]
    fn rolls_reach_both_ends_of_their_bounds() {
        assert_eq!(Roll(0).below(8), 0);
        assert_eq!(Roll(u64::MAX).below(8), 7);
        assert!(Roll(0).share() <= 0.0);
        assert!(Roll(u64::MAX).share() < 1.0);
    }
}
