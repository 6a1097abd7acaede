//! A run's file, read without the program: what it says of each task, with the mark beside it.

use crate::journal;
use crate::journal::{Fact, RunFact};
use crate::support::service::Request;
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
        0 => "succeeded",
        1 => "partial",
        2 => "failed",
        3 => "ambiguous",
        _ => panic!("{number} is none of the outcomes of a run here"),
    }
}

impl Ledger {
    pub(crate) fn read(file: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let tasks = journal::tasks(&connection);
        let story = Story::read(&connection);
        let ids: BTreeMap<u32, &str> =
            tasks.iter().map(|(ordinal, id)| (*ordinal, id.as_str())).collect();
        let attempts = story.attempts(&ids, last_departed(file));
        let fates = fates(&tasks, &story.settled, &attempts);
        let settled: u64 = journal::totals(&connection)["settled"]
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum();
        assert_eq!(settled, story.settled.len() as u64, "the totals are those of the segments");
        Self { selected: tasks.len(), fates, attempts, sessions: story.sessions }
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

/// All facts of a run, by their attempts and tasks.
#[derive(Default)]
struct Story {
    /// By their numbers: the task, the time, and whether it ended in doubt, if it ended.
    attempts: BTreeMap<u64, (u32, i64, Option<bool>)>,
    begun: BTreeMap<u32, u64>,
    settled: BTreeMap<u32, u8>,
    sessions: Vec<bool>,
}

impl Story {
    fn read(connection: &Connection) -> Self {
        let mut story = Self::default();
        let mut sessions = Vec::new();
        let run = |fact| match fact {
            RunFact::SessionStarted => sessions.push(false),
            RunFact::SessionEnded => *sessions.last_mut().unwrap() = true,
            RunFact::Other => {}
        };
        journal::facts(connection, |ordinal, fact| story.apply(ordinal, fact), run);
        Self { sessions, ..story }
    }

    fn apply(&mut self, ordinal: u32, fact: Fact) {
        match fact {
            Fact::Started { seq, leaves_us } => {
                self.begun.insert(ordinal, seq);
                self.attempts.insert(seq, (ordinal, leaves_us, None));
            }
            Fact::Withdrawn => {
                self.attempts.remove(&self.begun.remove(&ordinal).unwrap());
            }
            Fact::Ended { sent_us, in_doubt } => {
                let seq = self.begun.remove(&ordinal).unwrap();
                self.attempts.insert(seq, (ordinal, sent_us, Some(in_doubt)));
            }
            Fact::Settled(outcome) => {
                let twice = self.settled.insert(ordinal, outcome);
                assert_eq!(twice, None, "task {ordinal} is settled twice");
            }
        }
    }

    /// Returns the attempts that may have left.
    fn attempts(&self, ids: &BTreeMap<u32, &str>, last: u64) -> Vec<Attempt> {
        let left = self.attempts.iter().filter(|(seq, (_, _, end))| end.is_some() || **seq <= last);
        let attempt = |(_, &(ordinal, sent_us, end)): (&u64, &(u32, i64, Option<bool>))| Attempt {
            id: ids[&ordinal].to_owned(),
            sent_us,
            has_ended: end.is_some(),
            in_doubt: end != Some(false),
        };
        left.map(attempt).collect()
    }
}

fn fates(
    tasks: &[(u32, String)],
    settled: &BTreeMap<u32, u8>,
    attempts: &[Attempt],
) -> BTreeMap<String, Fate> {
    let mut of_id: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        of_id.entry(&attempt.id).or_default().push(attempt);
    }
    let fate = |(ordinal, id): &(u32, String)| {
        let fate = match (settled.get(ordinal), of_id.get(id.as_str())) {
            (Some(&number), _) => Fate::Settled(outcome_of(number).into()),
            (None, None) => Fate::NeverSent,
            (None, Some(sent)) if sent.iter().any(|a| a.in_doubt) => Fate::InDoubt,
            (None, Some(_)) => Fate::Refused,
        };
        (id.clone(), fate)
    };
    let fates: BTreeMap<String, Fate> = tasks.iter().map(fate).collect();
    assert_eq!(fates.len(), tasks.len(), "a task stands there twice");
    fates
}

/// Returns how long the ways of calls to the service were, in microseconds: from the time that the file has
/// of a call to that at which the service saw it, each by its own clock.
///
/// Of tasks with one call, because of several nobody knows which one arrived.
pub(crate) fn ways(ledger: &Ledger, log: &[Request]) -> Vec<i64> {
    let mut sent: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &ledger.attempts {
        sent.entry(&attempt.id).or_default().push(attempt);
    }
    let mut arrived: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for request in log {
        arrived.entry(&request.id).or_default().push(i64::try_from(request.at_us).unwrap());
    }
    let way = |(id, sent): (&&str, &Vec<&Attempt>)| match (&sent[..], &arrived.get(id)?[..]) {
        ([attempt], [at]) if attempt.has_ended => Some(at - attempt.sent_us),
        _ => None,
    };
    sent.iter().filter_map(way).collect()
}

/// Returns the last attempt that the mark beside a run says may have left, if it says so.
fn last_departed(file: &Path) -> u64 {
    let mark = std::fs::read_to_string(format!("{}-mark", file.display())).unwrap_or_default();
    let last = mark.lines().nth(1).and_then(|line| line.split(' ').next());
    last.map_or(u64::MAX, |last| last.parse().unwrap())
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
