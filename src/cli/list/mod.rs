//! `list`: the batch tasks of the project, as a table, CSV or JSON.
//!
//! Prints all of it or nothing: what stands behind a pipe would act on half a list.

mod choice;
mod rows;

use crate::cli::Context;
use crate::cli::args::ListArgs;
use crate::cli::args::ReadingArgs;
use crate::cli::credentials;
use crate::cli::execute;
use crate::cli::execute::ConnectionSettings;
use crate::cli::failure::Failure;
use crate::cli::list::choice::Choice;
use crate::cli::list::rows::Format;
use crate::cli::list::rows::Rows;
use crate::cli::place;
use crate::cli::place::Lookup;
use batchctl::api::ListFilter;
use batchctl::api::Page;
use batchctl::api::TaskApi;
use batchctl::clock::Clock;
use batchctl::clock::Timestamp;
use batchctl::report::ExitStatus;
use batchctl::survey::Gap;
use batchctl::survey::PageSink;
use batchctl::survey::WalkEnd;
use batchctl::survey::WalkStep;
use batchctl::survey::Walker;
use batchctl::text::plural;
use batchctl::text::printable;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use tokio::runtime::Runtime;

/// How often a list is walked through that becomes shorter meanwhile.
const MOST_WALKS: u32 = 3;

pub(crate) fn list(args: &ListArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let choice = Choice::of(&args.which)?;
    let place = place::resolve(&args.place, &args.credentials, Lookup::Allowed, context)?;
    let credentials = credentials::source(&args.credentials, &place, context)?;
    let runtime = runtime()?;
    let wires = ConnectionSettings {
        connect_timeout: args.reading.connect_timeout,
        concurrency: NonZeroUsize::MIN,
    };
    let client = execute::client(&place, &credentials, wires, &runtime, context)?;
    let format = match (args.json, context.surroundings.stdout_is_terminal) {
        (true, _) => Format::Json,
        (false, true) => Format::Table,
        (false, false) => Format::Csv,
    };
    let read = read(&client, &choice, &args.reading, || Rows::new(format));
    let rows = runtime.block_on(read)?;
    tell_uncallable(&rows, context);
    rows.print().map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}

/// Returns a runtime for the few requests of a list.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(ExitStatus::InputOutput, error))
}

/// Walks through the list until that succeeds, or cannot.
async fn read<A: TaskApi>(
    api: &A,
    choice: &Choice,
    reading: &ReadingArgs,
    rows: impl Fn() -> Rows,
) -> Result<Rows, Failure> {
    let mut walker = Walker::new(api, reading.settings(), Clock::start(), &[]);
    let mut filter = choice.filter();
    let mut gap = Gap::Shrank;
    for _ in 0..MOST_WALKS {
        let mut notes = Notes { choice, rows: rows() };
        let Ok(end) = walker.walk(&filter, &mut notes).await;
        match end {
            WalkEnd::Whole => return Ok(notes.rows),
            WalkEnd::Gap(Gap::Shrank) => {}
            WalkEnd::Gap(Gap::Unread(failure)) if in_other_case(&filter).is_some() => {
                gap = Gap::Unread(failure);
                filter = in_other_case(&filter).unwrap_or_default();
            }
            WalkEnd::Gap(found) => return Err(failed(&found)),
        }
    }
    Err(failed(&gap))
}

/// Returns the filter with the state in capitals, as newer documentation has it, if it is not yet.
fn in_other_case(filter: &ListFilter) -> Option<ListFilter> {
    let state = filter.state.as_ref()?;
    let capitals = state.to_uppercase();
    (capitals != *state).then(|| ListFilter { state: Some(capitals), ..filter.clone() })
}

fn failed(gap: &Gap) -> Failure {
    let status = match gap {
        Gap::Unauthorised(_) => ExitStatus::NotAuthorised,
        _ => ExitStatus::IncompleteSuccess,
    };
    Failure::new(status, gap.to_string())
}

/// Says which of the tasks cannot be called: their ids are not what the service says ids are.
fn tell_uncallable(rows: &Rows, context: &Context) {
    let Some(example) = rows.uncallable_example() else { return };
    let mut stderr = context.stderr;
    let tasks = plural(rows.uncallable(), "task has", "tasks have");
    let example = printable(example, 60);
    stderr.say("warning", &format!("{tasks} an id that cannot be called, such as `{example}`"));
}

/// Keeps the tasks that are asked for.
struct Notes<'a> {
    choice: &'a Choice,
    rows: Rows,
}

impl PageSink for Notes<'_> {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        for task in page.tasks.iter().filter(|task| self.choice.takes(task)) {
            self.rows.add(task);
        }
        Ok(WalkStep::More)
    }
}
