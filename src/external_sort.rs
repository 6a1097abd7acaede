//! Sorts entries of a fixed length outside of memory.
//!
//! Pieces are sorted in memory, written to a file without a name, and merged. A process that is
//! killed leaves nothing behind. Must not know what is sorted, nor a run.

use crate::system::files::FileExt;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The memory of a piece, in bytes.
const PIECE_BYTES: usize = 8 << 20;
/// The length of what is read at once of each piece.
const READ_BYTES: usize = 64 << 10;

/// An entry that takes `N` bytes in a file.
pub(crate) trait SortEntry<const N: usize>: Copy + Ord {
    /// Returns the entry as bytes.
    fn to_bytes(self) -> [u8; N];
    /// Reads the entry that [`SortEntry::to_bytes`] wrote.
    fn from_bytes(bytes: [u8; N]) -> Self;
}

/// Gathers entries.
#[derive(Debug)]
pub(crate) struct ExternalSorter<E, const N: usize> {
    directory: PathBuf,
    entries: Vec<E>,
    file: Option<File>,
    /// The lengths of the sorted runs in the file, in entries.
    pub(crate) runs: Vec<usize>,
}

impl<E: SortEntry<N>, const N: usize> ExternalSorter<E, N> {
    /// The number of entries that are sorted in memory.
    pub(crate) const PIECE: usize = PIECE_BYTES / size_of::<E>();

    /// Returns a sorter that writes to a file without a name in this directory, if it has to.
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory, entries: Vec::new(), file: None, runs: Vec::new() }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: E) -> io::Result<()> {
        self.entries.push(entry);
        if self.entries.len() == Self::PIECE { self.write_run() } else { Ok(()) }
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
    pub(crate) fn sorted(&mut self) -> io::Result<Sorted<'_, E, N>> {
        let mut sources = Vec::with_capacity(self.runs.len() + 1);
        let mut at = 0;
        for &run in &self.runs {
            let bytes = u64::try_from(run * N).expect("a usize fits a u64");
            let file = self.file.as_ref().expect("there are runs, so there is a file");
            let part = FilePart { file: file.try_clone()?, at, end: at + bytes };
            sources.push(SortedRun::InFile(BufReader::with_capacity(READ_BYTES, part)));
            at += bytes;
        }
        self.entries.sort_unstable();
        sources.push(SortedRun::InMemory(self.entries.iter()));
        let mut heads = BinaryHeap::with_capacity(sources.len());
        for (run, source) in sources.iter_mut().enumerate() {
            heads.extend(source.next()?.map(|entry| Reverse((entry, run))));
        }
        Ok(Sorted { heads, runs: sources })
    }
}

/// Entries in order, merged from pieces.
#[derive(Debug)]
pub(crate) struct Sorted<'a, E, const N: usize> {
    /// The first entry of each run that is left.
    heads: BinaryHeap<Reverse<(E, usize)>>,
    runs: Vec<SortedRun<'a, E>>,
}

impl<E: SortEntry<N>, const N: usize> Sorted<'_, E, N> {
    /// Returns the next entry.
    pub(crate) fn next(&mut self) -> io::Result<Option<E>> {
        let Some(mut first) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse((entry, run)) = *first;
        // The next one of the same run takes its place, which moves half as much as to take one out
        // and to put another in.
        match self.runs[run].next()? {
            Some(next) => *first = Reverse((next, run)),
            None => drop(PeekMut::pop(first)),
        }
        Ok(Some(entry))
    }
}

#[derive(Debug)]
enum SortedRun<'a, E> {
    InMemory(std::slice::Iter<'a, E>),
    InFile(BufReader<FilePart>),
}

impl<E: Copy> SortedRun<'_, E> {
    fn next<const N: usize>(&mut self) -> io::Result<Option<E>>
    where
        E: SortEntry<N>,
    {
        match self {
            Self::InMemory(entries) => Ok(entries.next().copied()),
            Self::InFile(part) => {
                if part.buffer().is_empty() && part.get_ref().is_at_end() {
                    return Ok(None);
                }
                let mut bytes = [0; N];
                part.read_exact(&mut bytes)?;
                Ok(Some(E::from_bytes(bytes)))
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
