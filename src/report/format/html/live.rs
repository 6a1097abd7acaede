//! Follows a run on its page: what has changed since the last look, as messages to the browser.
//!
//! Each look reads what has changed, and its report follows from the sums of all looks (`FollowedSums`),
//! so a page that follows shows what a written one shows. It keeps a number for each row and nothing
//! else of it. A first look sends every row.

use crate::clock::Timestamp;
use crate::report::format::csv::ResultsError;
use crate::report::format::html::head::HtmlHead;
use crate::report::format::html::in_script::write_in_script;
use crate::report::format::html::page::{PageWriter, write_parts};
use crate::report::format::html::place::{Following, PagePlace};
use crate::report::format::html::row::{Head, RowNames, Words, base_of, write_task};
use crate::report::format::html::rows::Limits;
use crate::report::format::html::series::TimeSeries;
use crate::report::format::html::texts::Texts;
use crate::report::format::spool::Spool;
use crate::report::model::{FollowedSums, Grouping, Report, StillRunning};
use crate::store::{RunReader, StoreError, TaskRow};
use askama::Template;
use serde::Serialize;
use std::io::Write;
use twox_hash::XxHash3_64;

/// The bytes after which rows go into another message, so that no message is very long.
const FULL: usize = 512 * 1024;

/// Writes the page of a run for a browser that follows it.
///
/// # Errors
///
/// Those of the store and of `out`; then the page is not complete.
pub fn write_followed_page(
    run: &RunReader,
    running: StillRunning,
    following: Following,
    mut out: impl Write,
) -> Result<(), ResultsError> {
    let place = PagePlace::Server(following);
    match following {
        // The rows come with the first look.
        Following::Rows => {
            let read = AboveTable::read(run, running, &mut FollowedSums::default())?;
            let head = read.head(place);
            write_parts(&head, place, |out| write_no_rows(&read, out), &mut out)
        }
        Following::Head | Following::End => {
            let mut writer = PageWriter::within(Limits::DEFAULT, place, run, Spool::temporary)?;
            let report =
                Report::read_with(run, running, |task, context| writer.row(task, context))?;
            writer.finish(run, &report, out)
        }
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
    fn read(
        run: &RunReader,
        running: StillRunning,
        sums: &mut FollowedSums,
    ) -> Result<Self, StoreError> {
        let report = sums.read(run, running)?;
        let series = TimeSeries::of_followed(run, &report, sums)?;
        sums.coarsen(series.outcomes.axis.unit());
        let record = run.record()?;
        Ok(Self { base: base_of(&record), report, series, names: RowNames::of(record) })
    }

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

/// The page of a run that a browser follows.
#[derive(Debug)]
pub struct LivePage {
    following: Following,
    base: Option<Timestamp>,
    texts: Texts,
    /// The number of texts that the browser has.
    texts_sent: usize,
    /// A hash of each row that the browser has, by its place.
    rows: Vec<u64>,
    sums: FollowedSums,
}

impl LivePage {
    /// Begins with a browser that has no row.
    pub fn new(following: Following) -> Self {
        Self {
            following,
            base: None,
            texts: Texts::new(),
            texts_sent: 0,
            rows: Vec::new(),
            sums: FollowedSums::default(),
        }
    }

    /// Forgets what was read, and not what the browser has: the run's file is another one.
    pub fn read_anew(&mut self) {
        self.sums = FollowedSums::default();
    }

    /// Returns whether a run has so few tasks that its page can follow every row.
    pub fn has_room_for(tasks: u64) -> bool {
        tasks <= Limits::DEFAULT.tasks
    }

    /// Reads a run, and returns what the browser does not have.
    ///
    /// # Errors
    ///
    /// Those of the store. Then the next look must be that of a new page.
    pub fn look(
        &mut self,
        run: &RunReader,
        running: StillRunning,
    ) -> Result<Vec<LiveMessage>, ResultsError> {
        let mut messages = Vec::new();
        let record = run.record()?;
        let base = base_of(&record);
        // Other times in every row, once the first process of a planned run has begun.
        if self.base != Some(base) {
            *self = Self { base: Some(base), ..Self::new(self.following) };
            if self.following == Following::Rows {
                messages.push(LiveMessage { name: "begin", json: "{}".into() });
            }
        }
        let read = AboveTable::read(run, running, &mut self.sums)?;
        if self.following == Following::Rows {
            let mut sums = std::mem::take(&mut self.sums);
            let mut changes =
                Changes { page: self, names: &read.names, rows: Vec::new(), messages };
            let add =
                |place, task: &TaskRow, grouping: &Grouping| changes.add(place, task, grouping);
            sums.hand_out(run, add)?;
            changes.close()?;
            messages = changes.messages;
            self.sums = sums;
        }
        let place = PagePlace::Server(self.following);
        let message = HeadMessage {
            head: Head::new(&read.report, base, &read.names),
            settled: run.outcomes()?.selected(),
            html: read.head(place).render().map_err(std::io::Error::other)?,
        };
        messages.push(LiveMessage { name: "head", json: json(&message)? });
        Ok(messages)
    }
}

/// The rows that have changed since the last look.
struct Changes<'a> {
    page: &'a mut LivePage,
    names: &'a RowNames,
    /// The changed rows that are in no message yet.
    rows: Vec<u8>,
    messages: Vec<LiveMessage>,
}

impl Changes<'_> {
    fn add(
        &mut self,
        place: usize,
        task: &TaskRow,
        grouping: &Grouping,
    ) -> Result<(), ResultsError> {
        let base = self.page.base.expect("a look begins with it");
        let words = Words { grouping, base, names: self.names };
        let mut row = Vec::new();
        write_task(task, &words, &mut self.page.texts, &mut row)?;
        let hash = XxHash3_64::oneshot(&row);
        // Rows that are new come in their order.
        match self.page.rows.get_mut(place) {
            Some(known) if *known == hash => return Ok(()),
            Some(known) => *known = hash,
            None => self.page.rows.push(hash),
        }
        let separator = if self.rows.is_empty() { "" } else { "," };
        write!(self.rows, "{separator}[{place},")?;
        self.rows.extend(row);
        self.rows.push(b']');
        if self.rows.len() >= FULL {
            self.close()?;
        }
        Ok(())
    }

    /// Makes a message of the rows.
    fn close(&mut self) -> std::io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let texts = json(&self.page.texts.since(self.page.texts_sent))?;
        self.page.texts_sent = self.page.texts.since(0).len();
        let rows = String::from_utf8(rows).expect("JSON is UTF-8");
        let json = format!("{{\"texts\":{texts},\"rows\":[{rows}]}}");
        self.messages.push(LiveMessage { name: "rows", json });
        Ok(())
    }
}

/// Writes JSON on one line.
fn json(value: &impl Serialize) -> std::io::Result<String> {
    let mut out = Vec::new();
    write_in_script(value, &mut out)?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}
