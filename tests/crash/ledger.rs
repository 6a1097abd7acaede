//! A run's file, read with SQLite alone: what it says of each task, with the mark beside it.

use rusqlite::Connection;
use rusqlite::OpenFlags;
use std::collections::BTreeMap;
use std::path::Path;

/// What the file says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has this outcome.
    Settled(String),
    /// It has none, and an attempt may have been carried out.
    InDoubt,
    /// It has none, and every attempt was refused: it waits to be sent again.
    Refused,
    /// It has none, and no attempt.
    NeverSent,
}

/// One attempt that the file tells of.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) sent_us: i64,
    pub(crate) has_ended: bool,
    pub(crate) in_doubt: bool,
}

/// What a run's file says.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) selected: usize,
    pub(crate) fates: BTreeMap<String, Fate>,
    pub(crate) attempts: Vec<Attempt>,
    /// Whether each process that worked on it recorded its end.
    pub(crate) sessions: Vec<bool>,
}

/// Returns the outcome that is stored as this number.
fn outcome_of(number: u8) -> &'static str {
    match number {
        0b0011 => "succeeded",
        0b0101 => "partial",
        0b0110 => "failed",
        0b1001 => "ambiguous",
        _ => panic!("{number} is none of the outcomes of a run here"),
    }
}

impl Ledger {
    pub(crate) fn read(file: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let selected = connection.query_row("SELECT selected FROM run", [], |row| row.get(0));
        let attempts = attempts(&connection, last_departed(file));
        Self {
            selected: selected.unwrap(),
            fates: fates(&connection, &attempts),
            attempts,
            sessions: sessions(&connection),
        }
    }

    /// Counts the tasks of a fate.
    pub(crate) fn count(&self, fate: &Fate) -> usize {
        self.fates.values().filter(|found| *found == fate).count()
    }

    /// Counts the settled tasks of an outcome.
    pub(crate) fn settled(&self, outcome: &str) -> usize {
        self.count(&Fate::Settled(outcome.into()))
    }

    /// Counts the attempts that never came to their end.
    pub(crate) fn open_attempts(&self) -> usize {
        self.attempts.iter().filter(|attempt| !attempt.has_ended).count()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.fates.values().all(|fate| matches!(fate, Fate::Settled(_)))
    }
}

fn fates(connection: &Connection, attempts: &[Attempt]) -> BTreeMap<String, Fate> {
    let mut query = connection
        .prepare("SELECT id, outcome FROM task LEFT JOIN outcome USING (ordinal)")
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Option<u8>>(1)?));
    let rows: Vec<(String, Option<u8>)> =
        query.query_map([], read).unwrap().map(Result::unwrap).collect();
    let count = rows.len();
    let mut of_id: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        of_id.entry(&attempt.id).or_default().push(attempt);
    }
    let fate = |(id, outcome): (String, Option<u8>)| {
        let fate = match (outcome, of_id.get(id.as_str())) {
            (Some(number), _) => Fate::Settled(outcome_of(number).into()),
            (None, None) => Fate::NeverSent,
            (None, Some(sent)) if sent.iter().any(|a| a.in_doubt) => Fate::InDoubt,
            (None, Some(_)) => Fate::Refused,
        };
        (id, fate)
    };
    let fates: BTreeMap<String, Fate> = rows.into_iter().map(fate).collect();
    assert_eq!(fates.len(), count, "a task stands there twice");
    fates
}

/// Returns the last attempt that the mark beside a run says may have left, if it says so.
fn last_departed(file: &Path) -> i64 {
    let mark = std::fs::read_to_string(format!("{}-mark", file.display())).unwrap_or_default();
    let last = mark.lines().nth(1).and_then(|line| line.split(' ').next());
    last.map_or(i64::MAX, |last| last.parse().unwrap())
}

/// Reads the attempts that may have left.
fn attempts(connection: &Connection, last: i64) -> Vec<Attempt> {
    let mut query = connection
        .prepare(
            "SELECT id, sent_us, duration_us IS NOT NULL,
                 duration_us IS NULL OR in_doubt IS NOT NULL
             FROM attempt JOIN task USING (ordinal)
             WHERE duration_us IS NOT NULL OR seq <= ? ORDER BY seq",
        )
        .unwrap();
    let attempt = |row: &rusqlite::Row<'_>| {
        Ok(Attempt {
            id: row.get(0)?,
            sent_us: row.get(1)?,
            has_ended: row.get(2)?,
            in_doubt: row.get(3)?,
        })
    };
    query.query_map([last], attempt).unwrap().map(Result::unwrap).collect()
}

fn sessions(connection: &Connection) -> Vec<bool> {
    let mut query =
        connection.prepare("SELECT ended_us IS NOT NULL FROM session ORDER BY number").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Returns the most times that lie in any window of this length.
pub(crate) fn most_in_window(mut times_us: Vec<i64>, window_us: i64) -> usize {
    times_us.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (index, &time) in times_us.iter().enumerate() {
        while time - times_us[first] >= window_us {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    most
}
