//! Where the runs are that are shown.

use crate::reading::RunBrief;
use crate::store::{RunDirectory, RunId, StoreError};

/// The runs that are shown.
///
/// Pages read them in a directory. Those of a database are copied there when a page is about them.
pub trait RunSource: Send + Sync {
    /// Returns the directory in which runs are read.
    fn directory(&self) -> &RunDirectory;

    /// Brings what is read of a run up to date, and returns a number that is another one once the run
    /// has been read anew. May block.
    ///
    /// # Errors
    ///
    /// There is no such run, or it cannot be read.
    fn refresh(&self, run: &RunId) -> Result<u64, StoreError>;

    /// Returns how many tasks of a run are settled, if that is known before it is read anew. May block.
    ///
    /// # Errors
    ///
    /// There is no such run, or it cannot be read.
    fn settled(&self, run: &RunId) -> Result<Option<u64>, StoreError>;

    /// Returns all runs, the oldest first, if the directory does not have all of them. May block.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn briefs(&self) -> Result<Option<Vec<RunBrief>>, StoreError>;
}

impl RunSource for RunDirectory {
    fn directory(&self) -> &RunDirectory {
        self
    }

    fn refresh(&self, _: &RunId) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn settled(&self, _: &RunId) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    fn briefs(&self) -> Result<Option<Vec<RunBrief>>, StoreError> {
        Ok(None)
    }
}
