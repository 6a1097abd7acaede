//! Reads the files of `--exclude`: the tasks that are never called, each perhaps only for a while.
//!
//! A file that cannot be read whole is a problem, never an empty list. Which entries hold is decided
//! once, for the time of reading. See `docs/GLOSSARY.md`: excluded.

use crate::input;
use crate::input::{CommandSource, InputOptions, Row, RowRules, Source};
use crate::plan::{PlanProblem, Problems, SourcePosition};
use crate::task::{Command, ExcludedTask, TaskId};
use crate::text::{is_same_name, unguarded};
use jiff::{Timestamp, ZonedDateTime, civil};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The tasks that are not called now.
#[derive(Debug, Default)]
pub struct Exclusions {
    entries: HashMap<TaskId, Entry>,
    without_rows: Vec<String>,
}

/// Why a task is not called.
#[derive(Debug)]
struct Entry {
    reason: Option<String>,
    until: Option<String>,
    file: Arc<str>,
    line: u64,
}

/// The columns of a file that say more than the id.
struct Columns {
    until: Option<usize>,
    reason: Option<usize>,
}

impl Exclusions {
    /// Reads files: lists, or tables with `id` and perhaps `until` and `reason`.
    ///
    /// Dates and times without a zone are those of the zone of `now`. A date holds through its end.
    /// Ids are those of VIAS, unless `rules` are given.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read, and every invalid row.
    pub fn read(
        files: Vec<PathBuf>,
        rules: Option<RowRules>,
        now: &ZonedDateTime,
    ) -> Result<Self, Problems> {
        let (mut exclusions, mut problems) = (Self::default(), Problems::default());
        // The command is not used: a task is excluded whatever would be done with it.
        let command = CommandSource::Fixed(Command::STOP);
        let options = InputOptions { rules, ..InputOptions::new(command) };
        for file in files {
            match input::open(Source::File(file), &options) {
                Ok(rows) => exclusions.add_all(rows, now, &mut problems),
                Err(error) => problems.add(error.into()),
            }
        }
        if problems.is_empty() { Ok(exclusions) } else { Err(problems) }
    }

    /// Returns the files that are tables with a header and no rows.
    pub fn without_rows(&self) -> &[String] {
        &self.without_rows
    }

    /// Returns whether no task is excluded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether a task is excluded.
    pub fn holds(&self, id: &TaskId) -> bool {
        self.entries.contains_key(id)
    }

    /// Returns why a task is excluded, if it is.
    pub fn find(&self, id: &TaskId) -> Option<ExcludedTask> {
        self.entries.get(id).map(|entry| ExcludedTask {
            id: id.as_str().to_owned(),
            reason: entry.reason.clone(),
            until: entry.until.clone(),
            file: entry.file.to_string(),
            line: entry.line,
        })
    }

    fn add_all(&mut self, rows: input::Rows, now: &ZonedDateTime, problems: &mut Problems) {
        let file: Arc<str> = rows.name().into();
        let index = |name| rows.columns().iter().position(|column| is_same_name(column, name));
        let columns = Columns { until: index("until"), reason: index("reason") };
        let has_header = rows.has_header();
        let mut is_empty = true;
        for row in rows {
            is_empty = false;
            let added = row.map_err(PlanProblem::from);
            let added = added.and_then(|row| self.add(row, &columns, &file, now));
            if let Err(problem) = added {
                problems.add(problem);
            }
        }
        match (is_empty, has_header) {
            (false, _) => {}
            (true, true) => self.without_rows.push(file.to_string()),
            // It may have been cut off, so it must not pass for a list of nothing.
            (true, false) => problems.add(PlanProblem::NothingExcluded { file: file.to_string() }),
        }
    }

    fn add(
        &mut self,
        row: Row,
        columns: &Columns,
        file: &Arc<str>,
        now: &ZonedDateTime,
    ) -> Result<(), PlanProblem> {
        let cells: Vec<String> = row.others.as_deref().map_or_else(Vec::new, |others| {
            serde_json::from_str(others).expect("the reader writes other cells as texts")
        });
        let cell = |index: Option<usize>| {
            let text = unguarded(cells.get(index?)?).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let (until, reason) = (cell(columns.until), cell(columns.reason));
        if let Some(text) = &until {
            match is_ahead(text, now) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => {
                    let position = row.position;
                    let at = SourcePosition {
                        source: file.to_string(),
                        line: position.line,
                        column: None,
                    };
                    return Err(PlanProblem::Until { at, text: text.clone() });
                }
            }
        }
        let entry = Entry { reason, until, file: Arc::clone(file), line: row.position.line };
        self.entries.entry(row.id).or_insert(entry);
        Ok(())
    }
}

/// Returns whether a date or time has not passed; `None` if the text is neither.
fn is_ahead(text: &str, now: &ZonedDateTime) -> Option<bool> {
    /// The length of `2025-07-31`: the parser of dates would accept a time behind it as well.
    const DATE_LENGTH: usize = 10;

    if text.len() == DATE_LENGTH {
        return text.parse::<civil::Date>().ok().map(|date| now.date() <= date);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(now.timestamp() < time);
    }
    let local: civil::DateTime = text.parse().ok().filter(|_| text.len() > DATE_LENGTH)?;
    let time = local.to_zoned_datetime(now.time_zone().clone()).ok()?;
    Some(now.timestamp() < time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(until: &str, expected: Option<bool>) {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: civil::DateTime = "2025-07-31T18:00:00".parse().unwrap();
        assert_eq!(is_ahead(until, &now.to_zoned_datetime(zone).unwrap()), expected, "{until}");
    }

    #[test]
    fn a_date_holds_through_its_end_and_a_time_until_it_comes() {
        check("2025-07-30", Some(false));
        check("2025-07-31", Some(true));
        check("2025-08-01", Some(true));
        check("2025-07-31T18:00", Some(false));
        check("2025-07-31 18:01", Some(true));
        check("2025-07-31T18:00:01", Some(true));
        check("2025-07-31T16:30:00Z", Some(true));
        check("2025-07-31T16:00:00Z", Some(false));
        check("2025-07-31T18:30:00+09:00", Some(false));
    }

    #[test]
    fn other_texts_are_neither_a_date_nor_a_time() {
        for text in ["soon", "31.07.2025", "2025-02-30", "2025-07-31T25:00", "20250731", "18:00"] {
            check(text, None);
        }
    }
}
