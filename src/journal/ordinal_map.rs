//! A map of a few tasks by their ordinals: those on the wire.
//!
//! Every record of a journal looks into it, so that the default hash would be a good part of the
//! time of a walk.

use crate::task::Ordinal;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ordinals, in no order.
pub(crate) type OrdinalMap<V> = HashMap<Ordinal, V, BuildHasherDefault<OrdinalHasher>>;

/// Spreads ordinals, which follow each other, with one multiplication.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct OrdinalHasher(u64);

impl Hasher for OrdinalHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u32(&mut self, number: u32) {
        // The golden ratio of 64 bits: neighbours end up far apart, in the upper and lower bits.
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_found_again() {
        let map: OrdinalMap<u32> = (0..10_000).map(|at| (Ordinal(at), at)).collect();
        assert!((0..10_000).all(|at| map.get(&Ordinal(at)) == Some(&at)));
        assert_eq!(map.get(&Ordinal(10_000)), None);
    }
}
