//! Previews a run that takes its tasks from an earlier one.

use crate::cli::output::error::CommandError;
use crate::cli::run::list_size_guard::check_most;
use crate::cli::run::plan_output::{PlanOutput, PlanPart, PreviewTasks};
use crate::cli::run::preview::{WHOLE, excluded, explained, head, print, shown_rows, some_rows};
use crate::cli::run::scene::Scene;
use batchctl::loading::PlanTotals;
use batchctl::reading::{PlanRow, TaskRow};
use batchctl::report::{ExitStatus, Target};
use batchctl::settings::LeftOut;
use batchctl::store::RunRecord;
use std::iter;

/// Prints the plan of tasks from an earlier run.
pub(crate) fn show_tasks(
    selected: u64,
    tasks: Vec<TaskRow>,
    left_out: &LeftOut,
    record: &RunRecord,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let excluded_count = left_out.excluded;
    let totals = PlanTotals {
        rows: selected + excluded_count,
        selected,
        excluded: excluded_count,
        ..PlanTotals::default()
    };
    let tasks = by_place(tasks, record, scene);
    let rows = tasks.iter().flat_map(|(_, rows)| rows).cloned().collect::<Vec<_>>();
    let shown = usize::try_from(shown_rows(scene.flags)).unwrap_or(usize::MAX).min(rows.len());
    let mut text = head(&scene.action, totals, selected);
    if scene.flags.reporting.display.verbose >= WHOLE {
        text.push_str(&explained(&PreviewTasks::OfRun(&rows))?);
    } else {
        text.push_str(&some_rows(&rows[..shown], totals));
    }
    text.push_str(&excluded(left_out, shown_rows(scene.flags)));
    let nothing = LeftOut::default();
    // What is left out of all targets is with the first.
    let left_out = iter::once(left_out).chain(iter::repeat(&nothing));
    let part = |(((target, place), rows), left_out)| {
        let (rows, excluded): (&Vec<PlanRow>, &LeftOut) = (rows, left_out);
        let selected = rows.len() as u64;
        let totals = PlanTotals {
            rows: selected + excluded.excluded,
            selected,
            excluded: excluded.excluded,
            ..PlanTotals::default()
        };
        let tasks = PreviewTasks::OfRun(rows);
        PlanPart { target, place, totals, left_out, tasks }
    };
    let places = tasks.iter().map(|(target, rows)| {
        let (name, place) = target
            .as_ref()
            .map_or((None, scene.target()), |(name, place)| (Some(name.as_str()), place.clone()));
        ((name, place), rows)
    });
    let output = PlanOutput { run: None, parts: places.zip(left_out).map(part).collect() };
    print(&text, selected, &output, scene)?;
    check_most(selected, scene.flags.max_tasks)?;
    Ok(ExitStatus::Ok)
}

/// The rows of one place: of a target with its name and place, or of a run without targets.
type PlaceRows = (Option<(String, Target)>, Vec<PlanRow>);

/// Returns tasks of a run as a plan shows them, target by target.
fn by_place(tasks: Vec<TaskRow>, record: &RunRecord, scene: &Scene<'_>) -> Vec<PlaceRows> {
    if scene.targets.is_empty() {
        return vec![(None, plan_rows(tasks, record))];
    }
    let of = |target: &(String, Target)| {
        let own = tasks.iter().filter(|task| task.target.as_deref() == Some(&*target.0));
        (Some(target.clone()), plan_rows(own.cloned().collect(), record))
    };
    scene.targets.iter().map(of).collect()
}

/// Returns tasks of a run as a plan shows them.
fn plan_rows(tasks: Vec<TaskRow>, record: &RunRecord) -> Vec<PlanRow> {
    let name = |source: u32| {
        let index = usize::try_from(source).expect("a u32 fits a usize");
        record.sources.get(index).map(|source| source.name.clone()).unwrap_or_default()
    };
    tasks
        .into_iter()
        .map(|task| PlanRow {
            id: task.id,
            command: task.command,
            source: name(task.source),
            line: task.line,
        })
        .collect()
}
