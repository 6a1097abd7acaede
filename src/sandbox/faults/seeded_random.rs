//! All chance of the sandbox: numbers that follow from the seed and from what they are for.
//!
//! Nothing is drawn from a sequence, so a result never depends on the order in which requests
//! arrive. The hash is fixed here: the same seed means the same faults in every version and on
//! every machine, which `std`'s hasher does not promise.

/// What a roll decides; rolls for different questions are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// How many sub-tasks a batch task has.
    Size,
    /// Which group of cameras it watches.
    Group,
    /// When it was created.
    Age,
    /// What becomes of a call.
    CallBehaviour,
    /// Which error the service answers with.
    Fault,
    /// How many sub-tasks fail.
    Failures,
    /// How long the answer takes.
    Latency,
    /// How a request is named.
    RequestId,
    /// How a token is named.
    Token,
    /// Whether it runs at first.
    Running,
    /// Whether it never arrives where it is sent.
    Stuck,
}

/// Answers questions by hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeededRandom {
    seed: u64,
}

/// The answer to one question: 64 even bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roll(u64);

impl SeededRandom {
    /// Returns the dice of a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed: mix(seed) }
    }

    /// Answers a question about a numbered thing; different numbers get different rolls.
    pub(crate) const fn roll(self, question: Question, number: u64) -> Roll {
        let request = mix(self.seed ^ (question as u64 + 1));
        Roll(mix(request ^ number))
    }

    /// Answers a question about a named thing.
    pub(crate) fn roll_for(self, question: Question, name: &str) -> Roll {
        self.roll(question, key(name))
    }
}

impl Roll {
    /// Returns the roll as it is.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Returns the roll as a share of one, 1 excluded.
    pub(crate) fn share(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number from 0 to `bound`, which is excluded.
    pub(crate) const fn below(self, bound: u64) -> u64 {
        // The high half of the product is even without a division.
        ((self.0 as u128 * bound as u128) >> 64) as u64
    }
}

/// Returns the number of the n-th call of a thing, to ask questions about that call alone.
pub(crate) fn call_key(name: &str, kind: u64, number: u32) -> u64 {
    mix(key(name) ^ (kind << 32 | u64::from(number)))
}

/// Hashes a name (FNV-1a).
fn key(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Spreads each bit over all bits; one to one (the finaliser of splitmix64).
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
    fn questions_names_and_seeds_are_independent() {
        let roll = SeededRandom::new(1).roll_for(Question::CallBehaviour, "gate-1");
        assert_ne!(roll, SeededRandom::new(2).roll_for(Question::CallBehaviour, "gate-1"));
        assert_ne!(roll, SeededRandom::new(1).roll_for(Question::Size, "gate-1"));
        assert_ne!(roll, SeededRandom::new(1).roll_for(Question::CallBehaviour, "gate-2"));
        assert_ne!(call_key("gate-1", 0, 1), call_key("gate-1", 0, 2));
        assert_ne!(call_key("gate-1", 0, 1), call_key("gate-1", 1, 1));
    }

    #[test]
    fn rolls_stay_within_their_bounds_and_reach_both_ends() {
        assert_eq!(Roll(0).below(8), 0);
        assert_eq!(Roll(u64::MAX).below(8), 7);
        assert!(Roll(0).share() <= 0.0);
        assert!(Roll(u64::MAX).share() < 1.0);
    }
}
