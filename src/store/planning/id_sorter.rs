//! Sorts ids outside of memory, to find those that are equal.
//!
//! Ids are compared by a hash of 128 bits under random keys. Two different ids have the same one
//! with a chance of one in 2^128, and nobody can choose ids for which it is higher. Sorting the ids
//! themselves was rejected: it moves three times as many bytes. The file has no name, so a process
//! that is killed leaves nothing behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The number of entries that are sorted in memory: they take 8 MiB.
const RUN_ENTRIES: usize = (8 << 20) / size_of::<Entry>();
/// The length of an entry in the file.
const ENTRY_BYTES: usize = 24;
/// The length of what is read at once of each run.
const READ_BYTES: usize = 64 << 10;

/// A number for an id; entries of equal ids follow each other in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    hash: u128,
    /// The number.
    pub(crate) number: u64,
}

impl Entry {
    /// Returns whether both entries are of the same id.
    pub(crate) fn is_of_same_id(self, other: Self) -> bool {
        self.hash == other.hash
    }

    /// Returns whether this entry's id comes before that of the other in the order of the sort.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.hash < other.hash
    }

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
pub(crate) struct HashKeys([RandomState; 2]);

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

/// The rows of a plan, sorted by their ids, and the keys to sort others in the same order.
#[derive(Debug)]
pub(crate) struct SortedRows {
    pub(crate) keys: HashKeys,
    pub(crate) sorter: IdSorter,
}

impl SortedRows {
    /// Returns an empty sorter with new keys.
    pub(crate) fn new(directory: &Path) -> Self {
        let keys = HashKeys::default();
        let sorter = IdSorter::new(keys.clone(), directory);
        Self { keys, sorter }
    }
}

/// Gathers ids with their numbers.
#[derive(Debug)]
pub(crate) struct IdSorter {
    keys: HashKeys,
    directory: PathBuf,
    entries: Vec<Entry>,
    file: Option<File>,
    /// The lengths of the sorted runs in the file, in entries.
    runs: Vec<usize>,
}

impl IdSorter {
    /// Returns a sorter that writes to a file without a name in this directory, if it has to.
    pub(crate) fn new(keys: HashKeys, directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { keys, directory, entries: Vec::new(), file: None, runs: Vec::new() }
    }

    /// Adds an id.
    pub(crate) fn push(&mut self, id: &str, number: u64) -> io::Result<()> {
        self.entries.push(Entry { hash: self.keys.hash(id), number });
        if self.entries.len() == RUN_ENTRIES { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.entries.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.directory)?,
        };
        let mut out = BufWriter::with_capacity(READ_BYTES, &file);
        self.entries.iter().try_for_each(|entry| out.write_all(&entry.to_bytes()))?;
        out.flush()?;
        drop(out);
        self.file = Some(file);
        self.runs.push(self.entries.len());
        self.entries.clear();
        Ok(())
    }

    /// Returns all entries in order; may be called again.
    pub(crate) fn sorted(&mut self) -> io::Result<SortedIds<'_>> {
        let mut sources = Vec::with_capacity(self.runs.len() + 1);
        let mut at = 0;
        for &run in &self.runs {
            let bytes = u64::try_from(run * ENTRY_BYTES).expect("a usize fits a u64");
            let file = self.file.as_ref().expect("there are runs, so there is a file");
            let part = FilePart { file: file.try_clone()?, at, end: at + bytes };
            sources.push(SortedRun::InFile(BufReader::with_capacity(READ_BYTES, part)));
            at += bytes;
        }
        self.entries.sort_unstable();
        sources.push(SortedRun::InMemory(self.entries.iter()));
        let mut sorted = SortedIds { heads: BinaryHeap::new(), runs: sources };
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }
}

/// Entries in order, merged from runs.
#[derive(Debug)]
pub(crate) struct SortedIds<'a> {
    /// The first entry of each run that is left.
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
    runs: Vec<SortedRun<'a>>,
}

impl SortedIds<'_> {
    /// Returns the next entry.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let Some(Reverse((entry, run))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some(entry))
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        let next = self.runs[run].next()?;
        self.heads.extend(next.map(|entry| Reverse((entry, run))));
        Ok(())
    }
}

#[derive(Debug)]
enum SortedRun<'a> {
    InMemory(std::slice::Iter<'a, Entry>),
    InFile(BufReader<FilePart>),
}

impl SortedRun<'_> {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::InMemory(entries) => Ok(entries.next().copied()),
            Self::InFile(part) => {
                if part.buffer().is_empty() && part.get_ref().is_at_end() {
                    return Ok(None);
                }
                let mut bytes = [0; ENTRY_BYTES];
                part.read_exact(&mut bytes)?;
                Ok(Some(Entry::from_bytes(bytes)))
            }
        }
    }
}

/// A part of a file, read by its own place: all parts share one handle.
#[derive(Debug)]
struct FilePart {
    file: File,
    at: u64,
    end: u64,
}

impl FilePart {
    fn is_at_end(&self) -> bool {
        self.at == self.end
    }
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += u64::try_from(read).expect("a usize fits a u64");
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn equal_ids_follow_each_other_in_the_order_of_their_numbers_across_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = IdSorter::new(HashKeys::default(), folder.path());
        let all = u64::try_from(RUN_ENTRIES * 2 + 1_000).unwrap();
        let different = all / 3;
        for number in (0..all).rev() {
            sorter.push(&format!("id-{}", number % different), number).unwrap();
        }
        assert_eq!(sorter.runs.len(), 2);
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
        let mut sorter = IdSorter::new(HashKeys::default(), Path::new("/nowhere"));
        assert_eq!(sorter.sorted().unwrap().next().unwrap(), None);
    }
}
