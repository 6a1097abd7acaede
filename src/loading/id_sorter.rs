//! Sorts ids outside of memory, to find those that are equal.
//!
//! Ids are compared by a hash of 128 bits under random keys. Two different ids have the same one
//! with a chance of one in 2^128, and nobody can choose ids for which it is higher. Sorting the ids
//! themselves was rejected: it moves three times as many bytes.

use crate::external_sort::{ExternalSorter, SortEntry, Sorted};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

/// The length of an entry in the file.
const ENTRY_BYTES: usize = 24;
/// Entries in order.
pub(super) type SortedIds<'a> = Sorted<'a, Entry, ENTRY_BYTES>;

/// A number for an id; entries of equal ids follow each other in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    hash: u128,
    /// The number.
    pub(super) number: u64,
}

impl Entry {
    /// Returns whether both entries are of the same id.
    pub(super) fn is_of_same_id(self, other: Self) -> bool {
        self.hash == other.hash
    }

    /// Returns whether this entry's id comes before that of the other in the order of the sort.
    pub(super) fn is_before(self, other: Self) -> bool {
        self.hash < other.hash
    }
}

impl SortEntry<ENTRY_BYTES> for Entry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&self.hash.to_le_bytes());
        bytes[16..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; ENTRY_BYTES]) -> Self {
        let (mut hash, mut number) = ([0; 16], [0; 8]);
        hash.copy_from_slice(&bytes[..16]);
        number.copy_from_slice(&bytes[16..]);
        Self { hash: u128::from_le_bytes(hash), number: u64::from_le_bytes(number) }
    }
}

/// The keys of the hash. Sorters with the same keys sort in the same order.
#[derive(Debug, Clone, Default)]
struct HashKeys([RandomState; 2]);

impl HashKeys {
    fn hash(&self, id: &str) -> u128 {
        let half = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            hasher.write(id.as_bytes());
            u128::from(hasher.finish())
        };
        half(&self.0[0]) << 64 | half(&self.0[1])
    }
}

/// Gathers ids with their numbers.
#[derive(Debug)]
pub(super) struct IdSorter {
    keys: HashKeys,
    sorter: ExternalSorter<Entry, ENTRY_BYTES>,
}

impl IdSorter {
    /// Returns a sorter that writes to a file without a name in this directory, if it has to.
    pub(super) fn new(directory: &Path) -> Self {
        Self { keys: HashKeys::default(), sorter: ExternalSorter::new(directory) }
    }

    /// Returns an empty sorter that sorts in the same order.
    pub(super) fn alike(&self, directory: &Path) -> Self {
        Self { keys: self.keys.clone(), sorter: ExternalSorter::new(directory) }
    }

    /// Adds an id.
    pub(super) fn push(&mut self, id: &str, number: u64) -> io::Result<()> {
        self.sorter.push(Entry { hash: self.keys.hash(id), number })
    }

    /// Returns all entries in order; may be called again.
    pub(super) fn sorted(&mut self) -> io::Result<SortedIds<'_>> {
        self.sorter.sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn equal_ids_follow_each_other_in_the_order_of_their_numbers_across_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = IdSorter::new(folder.path());
        let all = u64::try_from(ExternalSorter::<Entry, ENTRY_BYTES>::PIECE * 2 + 1_000).unwrap();
        let different = all / 3;
        for number in (0..all).rev() {
            sorter.push(&format!("id-{}", number % different), number).unwrap();
        }
        assert_eq!(sorter.sorter.runs.len(), 2);
        assert!(sorter.sorted().unwrap().next().unwrap().is_some());
        let mut sorted = sorter.sorted().unwrap();
        let mut groups: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut last: Option<Entry> = None;
        let mut count = 0;
        while let Some(entry) = sorted.next().unwrap() {
            if let Some(last) = last {
                let same = last.number % different == entry.number % different;
                assert_eq!(last.is_of_same_id(entry), same);
                assert!(last.is_before(entry) || last.number < entry.number);
            }
            groups.entry(entry.number % different).or_default().push(entry.number);
            last = Some(entry);
            count += 1;
        }
        assert_eq!((count, groups.len() as u64), (all, different));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn no_ids_are_sorted_into_nothing() {
        let mut sorter = IdSorter::new(Path::new("/nowhere"));
        assert_eq!(sorter.sorted().unwrap().next().unwrap(), None);
    }
}
