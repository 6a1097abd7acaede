//! Finds the tasks that were begun and have no outcome: what a killed process left behind.
//!
//! Two walks in key order and one bit per row of the plan; it does not matter how many tasks
//! are settled already.

use crate::task::Ordinal;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// What the attempts of a task without an outcome amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OpenTask {
    /// The last attempt.
    pub(super) last_seq: u64,
    /// How many there are.
    pub(super) attempts: u32,
    /// How many of them were throttled.
    pub(super) throttled: u32,
    /// When the first was sent, in microseconds after the origin.
    pub(super) first_sent_us: i64,
    /// Whether any of them may have been carried out.
    pub(super) in_doubt: bool,
}

/// Which rows of the plan have an outcome.
pub(super) struct Settled {
    bits: Vec<u64>,
}

impl Settled {
    /// Reads the ordinals of all outcomes.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut settled = Self { bits: Vec::new() };
        let mut query = connection.prepare("SELECT ordinal FROM outcome")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            settled.insert(row.get(0)?);
        }
        Ok(settled)
    }

    fn insert(&mut self, ordinal: u32) {
        let (word, bit) = place(ordinal);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << bit;
    }

    /// Tells whether a task has its outcome.
    pub(super) fn contains(&self, ordinal: Ordinal) -> bool {
        let (word, bit) = place(ordinal.0);
        self.bits.get(word).is_some_and(|bits| bits & (1 << bit) != 0)
    }
}

fn place(ordinal: u32) -> (usize, u32) {
    (usize::try_from(ordinal / 64).expect("a u32 fits a usize"), ordinal % 64)
}

/// Finds the tasks with attempts and without an outcome.
pub(super) fn open_tasks(
    connection: &Connection,
    settled: &Settled,
) -> rusqlite::Result<BTreeMap<Ordinal, OpenTask>> {
    let mut open: BTreeMap<Ordinal, OpenTask> = BTreeMap::new();
    let mut query = connection.prepare(
        "SELECT seq, ordinal, sent_us, duration_us IS NULL OR in_doubt, error_kind = 'throttled'
         FROM attempt ORDER BY seq",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let ordinal = Ordinal(row.get(1)?);
        if settled.contains(ordinal) {
            continue;
        }
        let first_sent_us = row.get(2)?;
        let task = open.entry(ordinal).or_insert(OpenTask { first_sent_us, ..Default::default() });
        task.last_seq = row.get(0)?;
        task.attempts += 1;
        task.in_doubt |= row.get::<_, Option<bool>>(3)?.unwrap_or(false);
        task.throttled += u32::from(row.get::<_, Option<bool>>(4)?.unwrap_or(false));
    }
    Ok(open)
}
