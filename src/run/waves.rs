//! Reads where the earlier processes of a run have left its waves.

use crate::clock::Timestamp;
use crate::event::HoldReason;
use crate::reading::RunReader;
use crate::store::{RunDirectory, RunId, StoreError};

/// Where the waves of a run stand before a process goes on with it.
#[derive(Debug, Default)]
pub(crate) struct WaveOrigin {
    /// The number of settled tasks that needed no call.
    pub(crate) unsent: u64,
    /// The end of the last pause between two waves.
    pub(crate) pause_until: Option<Timestamp>,
}

impl WaveOrigin {
    /// Reads it, in one pass over the tasks; only runs with waves need it.
    pub(crate) fn read(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        Self::of(&RunReader::open(runs, run)?)
    }

    /// Reads it for one target of a run; of a run without targets for the first and only part.
    #[cfg(feature = "postgres")]
    pub(crate) fn read_part(
        runs: &RunDirectory,
        run: &RunId,
        part: usize,
    ) -> Result<Self, StoreError> {
        Self::of(&RunReader::open_part(runs, run, part)?)
    }

    /// Reads those of a run, or of one target of it.
    pub(crate) fn of(reader: &RunReader) -> Result<Self, StoreError> {
        let mut unsent = 0;
        reader.for_each_task::<StoreError>(|task| {
            unsent += u64::from(task.needed_no_call());
            Ok(())
        })?;
        let pauses = reader.holds()?.into_iter();
        let mut pauses = pauses.filter(|hold| hold.reason == HoldReason::WavePause.as_str());
        Ok(Self { unsent, pause_until: pauses.next_back().map(|hold| hold.until) })
    }
}
