//! Holds a part of a document until the part before it is known.
//!
//! All documents of a run are written in one walk over its tasks, and in some of them sums stand in
//! front of the tasks. A spool is memory, and beyond a limit a file without a name.

use std::io;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::Path;
use tempfile::SpooledTempFile;

/// How much is held in memory.
const IN_MEMORY: usize = 1 << 20;
/// How much is gathered before it is written.
const CHUNK_BYTES: usize = 64 << 10;

/// A part of a document that waits for the part before it.
#[derive(Debug)]
pub struct Spool(BufWriter<SpooledTempFile>);

impl Spool {
    /// Begins a part that is kept in this directory if it is long.
    pub fn in_directory(directory: &Path) -> Self {
        let file = tempfile::spooled_tempfile_in(IN_MEMORY, directory);
        Self(BufWriter::with_capacity(CHUNK_BYTES, file))
    }

    /// Begins a part that is kept among the temporary files if it is long.
    pub(crate) fn temporary() -> Self {
        Self::in_directory(&tempfile::env::temp_dir())
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_mut().rewind()?;
        self.0.get_mut().set_len(0)
    }

    /// Returns what was written, from its beginning.
    pub(crate) fn read_back(self) -> io::Result<impl BufRead> {
        let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(BufReader::with_capacity(CHUNK_BYTES, file))
    }

    /// Writes all of it to where it belongs.
    ///
    /// # Errors
    ///
    /// Those of the temporary file and of `out`.
    pub fn copy_into(self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        io::copy(&mut self.read_back()?, out).map(drop)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_and_a_long_part_come_back_whole() {
        for length in [0, 1, CHUNK_BYTES + 1, IN_MEMORY + CHUNK_BYTES + 1] {
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::in_directory(folder.path());
            spool.write_all(&vec![b'!'; length]).unwrap();
            spool.clear().unwrap();
            let part: Vec<u8> = (0..length).map(|place| place as u8).collect();
            spool.write_all(&part).unwrap();
            assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
            let mut copied = Vec::new();
            spool.copy_into(&mut copied).unwrap();
            assert_eq!(copied, part, "{length}");
        }
    }

    #[test]
    fn only_a_long_part_needs_its_directory() {
        let mut spool = Spool::in_directory(Path::new("/nowhere"));
        spool.write_all(b"short").unwrap();
        assert!(spool.write_all(&vec![0; 2 * IN_MEMORY]).is_err());
    }
}
