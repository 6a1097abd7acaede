//! Follows a run on its pages: what has changed since the last look, as messages to a browser.
//!
//! A run is read once for all who follow it (`LiveRun`). Each look reads what has changed, and its report
//! follows from the sums of all looks (`FollowedSums`), so a page that follows shows what a written one
//! shows. Of a browser (`LivePage`) only a few numbers are known. Its first look sends every row.

use crate::clock::Timestamp;
use crate::reading::RunReader;
use crate::report::format::csv::ResultsError;
use crate::report::format::html::head::HtmlHead;
use crate::report::format::html::in_script::write_in_script;
use crate::report::format::html::live_rows::LiveRows;
use crate::report::format::html::page::{PageWriter, write_parts};
use crate::report::format::html::place::{Following, PagePlace};
use crate::report::format::html::row::{Head, RowNames, Words, base_of};
use crate::report::format::html::rows::Limits;
use crate::report::format::html::series::{OutcomeSeries, TimeSeries};
use crate::report::format::html::texts::Texts;
use crate::report::format::spool::Spool;
use crate::report::model::{FollowedSums, Report, StillRunning};
use crate::store::StoreError;
use askama::Template;
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes after which rows go into another message, so that no message is very long.
const FULL: usize = 512 * 1024;

/// Writes the page of a run whose rows a browser does not follow.
///
/// # Errors
///
/// Those of the store and of `out`; then the page is not complete.
pub fn write_followed_page(
    run: &RunReader,
    running: StillRunning,
    following: Following,
    out: impl Write,
) -> Result<(), ResultsError> {
    let place = PagePlace::Server(following);
    let mut writer = PageWriter::within(Limits::DEFAULT, place, run, Spool::temporary)?;
    let report = Report::read_with(run, running, |task, context| writer.row(task, context))?;
    writer.finish(run, &report, out)
}

/// What is read of a run that is followed, for all who follow it.
#[derive(Debug)]
pub struct LiveRun {
    /// Of no other one in this process.
    number: u64,
    /// The number of the run's file, which may be made anew.
    file: u64,
    base: Option<Timestamp>,
    texts: Texts,
    sums: FollowedSums,
    /// `None` if there are too many.
    rows: Option<LiveRows>,
}

impl LiveRun {
    /// Begins with nothing read; the rows are those of the whole table, or of no task.
    pub fn new(has_rows: bool) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LAST.fetch_add(1, Ordering::Relaxed),
            file: 0,
            base: None,
            texts: Texts::new(),
            sums: FollowedSums::default(),
            rows: has_rows.then(LiveRows::default),
        }
    }

    /// Returns whether a run has so few tasks that its page can follow every row.
    pub fn has_room_for(tasks: u64) -> bool {
        tasks <= Limits::DEFAULT.tasks
    }

    /// Returns a number that no other one in this process has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether a page can follow its rows.
    pub fn has_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Returns how many bytes its rows take.
    pub fn bytes(&self) -> usize {
        self.rows.as_ref().map_or(0, LiveRows::bytes)
    }

    /// Notes the number of the run's file: what was read of another one is read anew.
    pub fn note_file(&mut self, number: u64) {
        if self.file != number {
            self.file = number;
            self.sums = FollowedSums::default();
        }
    }

    /// Writes the page of a run whose rows a browser follows. They come with its first look.
    ///
    /// # Errors
    ///
    /// Those of the store and of `out`; then the page is not complete.
    pub fn write_page(&mut self, run: &RunReader, mut out: impl Write) -> Result<(), ResultsError> {
        let place = PagePlace::Server(Following::Rows);
        let read = self.read(run, StillRunning::Yes)?;
        write_parts(&read.head(place), place, |out| write_no_rows(&read, out), &mut out)
    }

    /// Reads a run, and returns what the browser of a page does not have.
    ///
    /// # Errors
    ///
    /// Those of the store. Then the browser has what it had.
    pub fn look(
        &mut self,
        page: &mut LivePage,
        run: &RunReader,
        running: StillRunning,
    ) -> Result<Vec<LiveMessage>, ResultsError> {
        let read = self.read(run, running)?;
        let mut messages = Vec::new();
        if page.following == Following::Rows {
            page.take_changes(self, &mut messages)?;
        }
        let place = PagePlace::Server(page.following);
        let message = HeadMessage {
            head: Head::new(&read.report, read.base, &read.names),
            settled: run.outcomes()?.selected(),
            html: read.head(place).render().map_err(std::io::Error::other)?,
        };
        messages.push(LiveMessage { name: "head", json: json(&message)? });
        Ok(messages)
    }

    /// Reads what has changed.
    fn read(&mut self, run: &RunReader, running: StillRunning) -> Result<AboveTable, StoreError> {
        let record = run.record()?;
        let base = base_of(&record);
        // Other times in every row, once the first process of a planned run has begun.
        if self.base != Some(base) {
            *self = Self { base: Some(base), file: self.file, ..Self::new(self.has_rows()) };
        }
        let names = RowNames::of(record);
        let words = Words { base, names: &names };
        let mut report = self.read_sums(run, running, words)?;
        let unit = OutcomeSeries::new(&report.run.worked).axis.unit();
        // Spans become shorter only if the clock was set back between two processes.
        if !self.sums.fit(unit) {
            self.sums = FollowedSums::default();
            report = self.read_sums(run, running, words)?;
        }
        let series = TimeSeries::of_followed(run, &report, &self.sums)?;
        self.sums.coarsen(unit);
        Ok(AboveTable { report, series, base, names })
    }

    fn read_sums(
        &mut self,
        run: &RunReader,
        running: StillRunning,
        words: Words<'_>,
    ) -> Result<Report, StoreError> {
        let mut rows = self.rows.as_mut().map(|rows| rows.begin_look(words, &mut self.texts));
        let report = self.sums.read(run, running, &mut rows)?;
        self.rows.iter_mut().for_each(|rows| rows.end_look(|chunk| self.sums.labels(chunk)));
        self.rows = self.rows.take().filter(|rows| !rows.is_too_large());
        Ok(report)
    }
}

fn write_no_rows(read: &AboveTable, out: &mut impl Write) -> Result<(), ResultsError> {
    out.write_all(b"{\"head\":")?;
    write_in_script(&Head::new(&read.report, read.base, &read.names), &mut *out)?;
    Ok(out.write_all(b",\"rows\":[],\"attempts\":[],\"texts\":[\"\"]}")?)
}

/// What is above the table.
struct AboveTable {
    report: Report,
    series: TimeSeries,
    base: Timestamp,
    names: RowNames,
}

impl AboveTable {
    fn head(&self, place: PagePlace) -> HtmlHead {
        HtmlHead::new(&self.report, &self.series, Limits::DEFAULT, place)
    }
}

/// A message to the browser of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMessage {
    /// What it is: `begin`, `rows` or `head`.
    pub name: &'static str,
    /// Its content, as JSON on one line.
    pub json: String,
}

#[derive(Serialize)]
struct HeadMessage<'a> {
    head: Head<'a>,
    settled: u64,
    html: String,
}

/// What the browser has that follows a run on its page.
#[derive(Debug)]
pub struct LivePage {
    following: Following,
    /// The number of the `LiveRun` that it is told of.
    run: Option<u64>,
    /// The look whose rows it has.
    look: u32,
    /// The number of texts that it has.
    texts: usize,
}

impl LivePage {
    /// Begins with a browser that has no row.
    pub fn new(following: Following) -> Self {
        Self { following, run: None, look: 0, texts: 0 }
    }

    /// Adds messages with the rows that the browser does not have.
    fn take_changes(
        &mut self,
        live: &LiveRun,
        messages: &mut Vec<LiveMessage>,
    ) -> std::io::Result<()> {
        if self.run != Some(live.number) {
            *self = Self { run: Some(live.number), ..Self::new(self.following) };
            messages.push(LiveMessage { name: "begin", json: "{}".into() });
        }
        let Some(rows) = &live.rows else { return Ok(()) };
        let mut message = Vec::new();
        rows.for_each_since(self.look, |row| {
            if message.is_empty() {
                self.begin_rows(&live.texts, &mut message)?;
            } else {
                message.push(b',');
            }
            write!(message, "[{},[", row.place)?;
            message.extend_from_slice(row.before_group);
            write!(message, ",{},", row.group)?;
            message.extend_from_slice(row.behind_group);
            message.extend_from_slice(b"]]");
            if message.len() >= FULL {
                messages.push(end_rows(&mut message));
            }
            Ok::<(), std::io::Error>(())
        })?;
        if !message.is_empty() {
            messages.push(end_rows(&mut message));
        }
        self.look = rows.look();
        Ok(())
    }

    /// Begins a message of rows, with the texts that come before them.
    fn begin_rows(&mut self, texts: &Texts, message: &mut Vec<u8>) -> std::io::Result<()> {
        message.extend_from_slice(b"{\"texts\":");
        write_in_script(&texts.since(self.texts), &mut *message)?;
        message.extend_from_slice(b",\"rows\":[");
        self.texts = texts.since(0).len();
        Ok(())
    }
}

/// Ends a message of rows.
fn end_rows(message: &mut Vec<u8>) -> LiveMessage {
    message.extend_from_slice(b"]}");
    let json = String::from_utf8(std::mem::take(message)).expect("JSON is UTF-8");
    LiveMessage { name: "rows", json }
}

/// Writes JSON on one line.
fn json(value: &impl Serialize) -> std::io::Result<String> {
    let mut out = Vec::new();
    write_in_script(value, &mut out)?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}
