//! Writes events into the tables, inside the transaction of their batch.

use crate::clock::Timestamp;
use crate::event::{AttemptResult, AttemptSeq, Event, EventKind, RunStats, StopReason};
use crate::store::codes;
use crate::task::{Failure, Ordinal};
use rusqlite::{CachedStatement, Connection, params};
use std::cell::RefCell;
use std::time::Duration;

/// Writes the events of one transaction.
pub(crate) struct EventWriter<'a> {
    connection: &'a Connection,
    origin: Timestamp,
    session: i64,
    /// Statements used in this transaction. Looking one up in the connection's cache costs as much
    /// as running it.
    statements: RefCell<Vec<(&'static str, CachedStatement<'a>)>>,
}

impl<'a> EventWriter<'a> {
    /// Returns a writer for a transaction and a session of the run; times count from `origin`.
    pub(crate) fn new(connection: &'a Connection, origin: Timestamp, session: i64) -> Self {
        Self { connection, origin, session, statements: RefCell::default() }
    }

    /// Writes one event.
    pub(crate) fn write(&self, event: &Event) -> rusqlite::Result<()> {
        match &event.kind {
            EventKind::AttemptStarted { seq, task, number, leaves } => {
                self.attempt_started(*seq, task.ordinal, *number, *leaves)
            }
            EventKind::AttemptWithdrawn { seq, task: _ } => self.attempt_withdrawn(*seq),
            EventKind::AttemptEnded { seq, task: _, result } => self.attempt_ended(*seq, result),
            EventKind::TaskSettled { task, outcome, seq, attempts, first_sent } => self.execute(
                "INSERT INTO outcome (ordinal, outcome, seq, attempts, first_sent_us, duration_us)
                 VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    task.ordinal.0,
                    codes::outcome_code(*outcome),
                    seq.0,
                    attempts,
                    // NULL for one attempt: its own row has the time.
                    (*attempts != 1).then(|| self.micros(*first_sent)),
                    event.at.micros_since(*first_sent),
                ],
            ),
            EventKind::RunHeld { until, reason } => self.execute(
                "INSERT INTO hold (from_us, until_us, reason) VALUES (?, ?, ?)",
                params![self.micros(event.at), self.micros(*until), reason.as_str()],
            ),
            EventKind::RateLearnt { per_second } => self.execute(
                "UPDATE session SET rate_learnt = ?2 WHERE number = ?1",
                params![self.session, per_second],
            ),
            EventKind::PollStarted { leaves } => {
                self.execute("INSERT INTO poll (sent_us) VALUES (?)", [self.micros(*leaves)])
            }
            EventKind::RunChanged { change, by } => self.execute(
                "INSERT INTO change (at_us, what, value, by) VALUES (?, ?, ?, ?)",
                params![self.micros(event.at), change.as_str(), change.value(), by.to_string()],
            ),
            EventKind::RunEnded(stats) => self.run_ended(stats, event.at),
            EventKind::RunStarted(_)
            | EventKind::Surveyed(_)
            | EventKind::Verified(_)
            | EventKind::RetryScheduled { .. }
            | EventKind::RunContinued
            | EventKind::RunStopping { .. } => Ok(()),
        }
    }

    /// Counts this transaction among the commits of the session.
    pub(crate) fn count_commit(&self) -> rusqlite::Result<()> {
        self.execute("UPDATE session SET commits = commits + 1 WHERE number = ?", [self.session])
    }

    fn attempt_started(
        &self,
        seq: AttemptSeq,
        ordinal: Ordinal,
        number: u32,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO attempt (seq, ordinal, number, sent_us) VALUES (?, ?, ?, ?)",
            params![seq.0, ordinal.0, number, self.micros(at)],
        )
    }

    fn attempt_withdrawn(&self, seq: AttemptSeq) -> rusqlite::Result<()> {
        self.execute("DELETE FROM attempt WHERE seq = ?", [seq.0])
    }

    fn attempt_ended(&self, seq: AttemptSeq, result: &AttemptResult) -> rusqlite::Result<()> {
        let counts = result.counts;
        self.execute(
            "UPDATE attempt SET sent_us = ?2, duration_us = ?3, in_doubt = ?4, http_status = ?5,
                 request_id = ?6, total_count = ?7, failed_count = ?8, succeed_count = ?9
             WHERE seq = ?1",
            params![
                seq.0,
                self.micros(result.sent),
                stored_span(result.duration),
                result.in_doubt.then_some(true),
                result.http_status,
                result.request_id,
                counts.map(|counts| stored_count(counts.total)),
                counts.map(|counts| stored_count(counts.failed)),
                counts.map(|counts| stored_count(counts.succeeded)),
            ],
        )?;
        match &result.failure {
            Some(failure) => self.attempt_failed(seq, failure),
            None => Ok(()),
        }
    }

    fn attempt_failed(&self, seq: AttemptSeq, failure: &Failure) -> rusqlite::Result<()> {
        // NULL instead of an empty text or list: most failures have only two of these.
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let list = |texts: &[String]| {
            let json = || serde_json::to_string(texts).expect("texts are JSON");
            (!texts.is_empty()).then(json)
        };
        self.execute(
            "INSERT INTO failure (seq, error_kind, error_code, error_msg, reason, advice,
             error_list, detail, params) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                seq.0,
                failure.kind.as_str(),
                known(&failure.code),
                known(&failure.message),
                known(&failure.reason),
                known(&failure.advice),
                list(&failure.error_list),
                known(&failure.detail),
                list(&failure.params),
            ],
        )
    }

    fn run_ended(&self, stats: &RunStats, at: Timestamp) -> rusqlite::Result<()> {
        self.execute(
            "UPDATE session SET ended_us = ?2, stopped = ?3, held_us = ?4 WHERE number = ?1",
            params![
                self.session,
                self.micros(at),
                stats.stopped.as_ref().map(StopReason::as_str),
                stored_span(stats.held),
            ],
        )
    }

    fn execute(&self, sql: &'static str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        let mut statements = self.statements.borrow_mut();
        // By address: each statement is written out in one place, and comparing texts takes longer.
        let known = statements.iter().position(|(known, _)| std::ptr::eq(*known, sql));
        let place = known.unwrap_or(statements.len());
        if known.is_none() {
            statements.push((sql, self.connection.prepare_cached(sql)?));
        }
        statements[place].1.execute(values).map(|_| ())
    }

    fn micros(&self, at: Timestamp) -> i64 {
        at.micros_since(self.origin)
    }
}

/// SQLite's integers are signed.
fn stored_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn stored_span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
