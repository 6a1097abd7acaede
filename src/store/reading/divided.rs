//! Which tasks of a run are settled and which were begun and are not: what every walk begins with.
//!
//! A reader sees one state of its run, and so finds it out once.

use crate::store::reading::reader::RunReader;
use crate::store::unsettled::{OpenTask, open_tasks};
use crate::store::writing::Settled;
use crate::task::Ordinal;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// What has been found out so far.
#[derive(Debug, Default)]
pub(crate) struct Divided {
    settled: OnceCell<Settled>,
    open: OnceCell<BTreeMap<Ordinal, OpenTask>>,
}

impl RunReader {
    /// Returns the tasks that have an outcome.
    pub(crate) fn settled(&self) -> rusqlite::Result<&Settled> {
        if let Some(known) = self.divided.settled.get() {
            return Ok(known);
        }
        let settled = Settled::read(&self.connection)?;
        Ok(self.divided.settled.get_or_init(|| settled))
    }

    /// Returns what the attempts of those amount to that were begun and have none.
    pub(crate) fn open_tasks(&self) -> rusqlite::Result<&BTreeMap<Ordinal, OpenTask>> {
        if let Some(known) = self.divided.open.get() {
            return Ok(known);
        }
        let settled = &self.settled()?.ordinals;
        let open = if settled.len() == self.selected {
            BTreeMap::new()
        } else {
            open_tasks(&self.connection, settled, self.departed)?
        };
        Ok(self.divided.open.get_or_init(|| open))
    }
}
