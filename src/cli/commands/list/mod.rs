//! `list`: the batch tasks of the project, as a table, CSV or JSON.
//!
//! Prints all of it or nothing, because a command behind a pipe would act on half a list.

pub(crate) mod filter;
pub(crate) mod rows;

use crate::cli::Context;
use crate::cli::commands::list::filter::TaskFilter;
use crate::cli::commands::list::rows::ListTable;
use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::connect::destination;
use crate::cli::connect::destination::Lookup;
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::service_place;
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::reading::ReadingArgs;
use crate::cli::flags::values;
use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::RowFormat;
use crate::cli::output::stream::Stderr;
use batchctl::api::{ListFilter, Listing, Page, TaskApi};
use batchctl::clock::{Clock, Timestamp};
use batchctl::policy::SharedSlots;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::settings::RunSettings;
use batchctl::survey::{Gap, MOST_WALKS, PageSink, WalkEnd, WalkStep, Walker};
use batchctl::text::{plural, printable};
use clap::Args;
use glob::Pattern;
use std::convert::Infallible;

const LIST_HELP: &str = "\
A table on a terminal, CSV elsewhere, and that CSV is an input of start, stop and run. The state is
one word for all sub-tasks:

  bad       one is in trouble (create_failed, start_failed, abnormal, failed,
            lack_of_resources, frozen)
  changing  one is on its way (pending, recovering, starting, upgrading, stopping,
            scheduling, deleting, freezing)
  unknown   one is in a state that batchctl does not know, or there is none
  running   all are up (running, succeeded)
  stopped   all are down (stopped, stopped_no_service)
  mixed     some are up and some are down

The first of these that applies. If the list cannot be read to its end, nothing is printed.

Examples:
  batchctl list --state running --name 'gate-*' | batchctl stop -
  batchctl list --state bad,unknown
  batchctl list --group north,south --json";

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) which: WhichTasksArgs,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Print JSON, with everything that the service says
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Which batch tasks are listed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which tasks")]
pub(crate) struct WhichTasksArgs {
    /// In one of these states: a word from below, or with a sub-task in a state of the service
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// With a name like this; `*` and `?` stand for anything
    #[arg(long, value_name = "GLOB", value_parser = values::pattern)]
    pub(crate) name: Option<Pattern>,
    /// Of one of these video groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = values::some_text)]
    pub(crate) group: Vec<String>,
    /// Of this maker of algorithms
    #[arg(long, value_name = "NAME", value_parser = values::some_text)]
    pub(crate) manufacturer: Option<String>,
    /// With this algorithm
    #[arg(long, value_name = "NAME", value_parser = values::some_text)]
    pub(crate) title: Option<String>,
}

pub(crate) fn list(args: &ListArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let service = RunService::chosen(&args.connection, context)?;
    let ConnectionArgs { place, credentials, .. } = &args.connection;
    let (choice, place) = match service {
        Some(service) => {
            service.check_list()?;
            let choice = TaskFilter::of_service(&args.which, &service.service)?;
            (choice, service_place::new(service, place, context)?)
        }
        None => {
            let choice = TaskFilter::from_args(&args.which)?;
            (choice, destination::resolve(place, credentials, Lookup::Allowed, context)?)
        }
    };
    let connect_timeout = args.reading.connect_timeout;
    let settings = RunSettings { connect_timeout, ..RunSettings::default() };
    let StateReader { runtime, client, .. } =
        state_reader(credentials, &place, &settings, context)?;
    let format = RowFormat::choose(args.json, context.environment.stdout_is_terminal);
    let slots = run::group_slots(&context.machine, args.reading.rate_group.as_deref())?;
    let ids = place.service.as_ref().map(|service| service.service.id.clone());
    let table = || ListTable::new(format, ids.clone());
    let read = read(&client, &choice, &args.reading, slots, table);
    let rows = runtime.block_on(read)?;
    print_uncallable(&rows, &context.stderr);
    if rows.is_heading_alone() {
        context.stderr.line(&why_nothing(&args.which));
    }
    rows.print()?;
    Ok(ExitStatus::Ok)
}

/// Walks through the list until that succeeds, or cannot.
async fn read<A: TaskApi>(
    api: &A,
    choice: &TaskFilter,
    reading: &ReadingArgs,
    slots: Option<SharedSlots>,
    rows: impl Fn() -> ListTable,
) -> Result<ListTable, CommandError> {
    let walker = Walker::new(api, reading.settings(), Clock::start(), &[]);
    let mut walker = walker.sharing(slots);
    let mut filter = choice.filter();
    let mut gap = Gap::Shrank;
    for _ in 0..MOST_WALKS {
        let mut notes = Notes { choice, rows: rows() };
        let Ok(end) = walker.walk(&Listing::BatchTasks(filter.clone()), &mut notes).await;
        match end {
            WalkEnd::Whole => return Ok(notes.rows),
            // Tasks that moved to an earlier page were missed: walk again.
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

fn failed(gap: &Gap) -> CommandError {
    CommandError::new(status_of(gap), gap.to_string())
}

/// Returns how a command ends whose list may not be whole.
pub(crate) fn status_of(gap: &Gap) -> ExitStatus {
    match gap {
        Gap::Unauthorised(_) => ExitStatus::NotAuthorised,
        _ => ExitStatus::IncompleteSuccess,
    }
}

/// Says why nothing is listed.
fn why_nothing(which: &WhichTasksArgs) -> String {
    let WhichTasksArgs { state, name, group, manufacturer, title } = which;
    let given = [
        (!state.is_empty(), "`--state`"),
        (name.is_some(), "`--name`"),
        (!group.is_empty(), "`--group`"),
        (manufacturer.is_some(), "`--manufacturer`"),
        (title.is_some(), "`--title`"),
    ];
    let flags: Vec<&str> =
        given.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
    match flags.split_last() {
        None => "the list of the service is empty".into(),
        Some((one, [])) => format!("no task of the list is what {one} asks for"),
        Some((last, others)) => {
            format!("no task of the list is what {} and {last} ask for", others.join(", "))
        }
    }
}

/// Says which of the tasks cannot be called: their ids are not what the service says ids are.
fn print_uncallable(rows: &ListTable, stderr: &Stderr) {
    let Some(example) = rows.uncallable_example() else { return };
    let tasks = plural(rows.uncallable(), "task has", "tasks have");
    let example = printable(example, 60);
    stderr.say("warning", &format!("{tasks} an id that cannot be called, such as `{example}`"));
}

/// Keeps the tasks that are asked for.
struct Notes<'a> {
    choice: &'a TaskFilter,
    rows: ListTable,
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
