//! Writes the whole plan of a dry run: every task, as CSV that is an input again, or as JSON.

use crate::cli::output::atomic_file::OutputTarget;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::terminal_guard::Content;
use crate::cli::run::scene::Scene;
use batchctl::event::SurveyCounts;
use batchctl::loading::PlanTotals;
use batchctl::policy::FirstLook;
use batchctl::reading::PlanRow;
use batchctl::report::{ResultsError, Target};
use batchctl::run::{DryRun, DryRunRow, LiveLook};
use batchctl::settings::LeftOut;
use batchctl::store::RunId;
use batchctl::task::{PLAN_COLUMNS, TARGET_COLUMN, TaskState};
use serde_json::{Value, json};
use std::io::Write;

/// The version of the JSON of a plan.
const SCHEMA_VERSION: u32 = 1;

/// The tasks of a preview.
pub(crate) enum PreviewTasks<'a> {
    /// Those of inputs.
    Planned(&'a DryRun),
    /// Those of an earlier run.
    OfRun(&'a [PlanRow]),
}

impl PreviewTasks<'_> {
    pub(crate) fn for_each(
        &self,
        mut take: impl FnMut(&DryRunRow) -> Result<(), ResultsError>,
    ) -> Result<(), ResultsError> {
        match self {
            Self::Planned(plan) => plan.for_each_row(|row| take(&row)),
            Self::OfRun(rows) => rows.iter().try_for_each(|row| {
                take(&DryRunRow { row: row.clone(), state_before: None, look: None })
            }),
        }
    }

    fn look(&self) -> Option<&LiveLook> {
        match self {
            Self::Planned(plan) => plan.look(),
            Self::OfRun(_) => None,
        }
    }
}

/// What is written of a preview.
pub(crate) struct PlanOutput<'a> {
    /// The run that the plan is stored as.
    pub(crate) run: Option<&'a RunId>,
    /// What is called at each target; a run without targets has one part.
    pub(crate) parts: Vec<PlanPart<'a>>,
}

/// What would be called at one place.
pub(crate) struct PlanPart<'a> {
    /// The name of the target, in a run of several.
    pub(crate) target: Option<&'a str>,
    pub(crate) place: Target,
    pub(crate) totals: PlanTotals,
    pub(crate) left_out: &'a LeftOut,
    pub(crate) tasks: PreviewTasks<'a>,
}

impl PlanOutput<'_> {
    /// Writes the documents of a preview, and the JSON that is asked for on standard output.
    pub(crate) fn write(&self, scene: &Scene<'_>) -> Result<(), CommandError> {
        for document in scene.documents {
            if document.is_csv() {
                let fill = |out: &mut dyn Write| documents::of_rows(self.csv(out));
                document.target().write(Content::Text, fill)?;
            } else {
                let fill = |out: &mut dyn Write| documents::of_rows(self.json(scene, out));
                document.target().write(Content::Json, fill)?;
            }
        }
        if scene.flags.reporting.documents.json {
            let fill = |out: &mut dyn Write| documents::of_rows(self.json(scene, out));
            OutputTarget::StandardOutput.write(Content::Json, fill)?;
        }
        Ok(())
    }

    fn has_targets(&self) -> bool {
        self.parts.iter().any(|part| part.target.is_some())
    }

    fn csv(&self, out: &mut dyn Write) -> Result<(), ResultsError> {
        let target = if self.has_targets() { format!(",{TARGET_COLUMN}") } else { String::new() };
        writeln!(out, "{}{target}", PLAN_COLUMNS.join(",")).map_err(ResultsError::Write)?;
        for part in &self.parts {
            let target = part.target.map_or_else(String::new, |name| format!(",{name}"));
            part.tasks.for_each(|task| {
                let (id, command) = (task.row.id.as_str(), task.row.command.as_str());
                let (state, why) =
                    (task.state_before.map_or("", TaskState::as_str), why(task.look));
                // These words, ids and names have no character that a cell must be quoted for.
                writeln!(out, "{id},{command},{state},{why}{target}").map_err(ResultsError::Write)
            })?;
        }
        Ok(())
    }

    /// Writes task after task, because a plan may have millions.
    fn json(&self, scene: &Scene<'_>, out: &mut dyn Write) -> Result<(), ResultsError> {
        let head = self.head(scene).to_string();
        let head = head.strip_suffix('}').expect("an object ends with a brace");
        write!(out, "{head},\"tasks\":[").map_err(ResultsError::Write)?;
        let mut between = "";
        for part in &self.parts {
            part.tasks.for_each(|task| {
                let mut task = json!({
                    "id": task.row.id.as_str(),
                    "command": task.row.command.as_str(),
                    "source": task.row.source,
                    "line": task.row.line,
                    "state_before": task.state_before.map(TaskState::as_str),
                    "why": why(task.look),
                });
                if let Some(target) = part.target {
                    task["target"] = target.into();
                }
                let written = write!(out, "{between}\n{task}").map_err(ResultsError::Write);
                between = ",";
                written
            })?;
        }
        writeln!(out, "\n]}}").map_err(ResultsError::Write)
    }

    fn head(&self, scene: &Scene<'_>) -> Value {
        let mut left_out = LeftOut::default();
        self.parts.iter().for_each(|part| left_out.add(part.left_out.clone()));
        let looks = self.parts.iter().filter_map(|part| part.tasks.look());
        let states = looks.map(|look| look.surveyed.counts).reduce(|sum, one| sum + one);
        let places = self.parts.iter().map(|part| &part.place);
        let mut head = json!({
            "schema_version": SCHEMA_VERSION,
            "dry_run": true,
            "run": self.run.map(RunId::as_str),
            "command": scene.action.word,
            "target": {
                "endpoint": each(places.clone().map(|place| &*place.endpoint)),
                "project_id": each(places.map(|place| &*place.project_id)),
            },
            "input": input(self.parts.iter().map(|part| part.totals).sum(), &left_out),
            "states": states.map(of_states),
        });
        if self.has_targets() {
            let targets = self.parts.iter().map(PlanPart::head);
            head["targets"] = targets.collect::<Vec<_>>().into();
        }
        head
    }
}

impl PlanPart<'_> {
    fn head(&self) -> Value {
        json!({
            "name": self.target,
            "endpoint": self.place.endpoint,
            "project_id": self.place.project_id,
            "input": input(self.totals, self.left_out),
            "states": self.tasks.look().map(|look| of_states(look.surveyed.counts)),
        })
    }
}

/// Returns the different texts, in order.
fn each<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut different: Vec<&str> = Vec::new();
    for text in texts {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different.join(", ")
}

fn input(totals: PlanTotals, left_out: &LeftOut) -> Value {
    json!({
        "rows": totals.rows,
        "selected": totals.selected,
        "duplicates": totals.duplicates,
        "already_done": totals.already_done,
        "excluded_count": totals.excluded,
        "excluded": left_out.named,
        "not_matched": totals.not_matched,
        "not_sampled": totals.not_sampled,
        "before_offset": totals.before_offset,
        "of_other_shards": totals.of_other_shards,
        "beyond_limit": totals.beyond_limit(),
    })
}

fn of_states(counts: SurveyCounts) -> Value {
    json!({
        "will_change": counts.will_change,
        "already_there": counts.unchanged,
        "unknown": counts.unknown,
        "in_trouble": counts.in_trouble,
        "not_read": counts.unread,
    })
}

/// Says in a word or two what becomes of a task.
pub(crate) fn why(look: Option<FirstLook>) -> &'static str {
    match look {
        None => "will be called",
        Some(FirstLook::WillChange) => "will change",
        Some(FirstLook::InTrouble) => "in trouble",
        Some(FirstLook::Unread) => "not read",
        Some(FirstLook::Unknown | FirstLook::Skipped) => "unknown",
        Some(FirstLook::Unchanged | FirstLook::Confirmed) => "already there",
    }
}

/// Returns whether standard output carries something else than the text of a preview.
pub(crate) fn takes_output(scene: &Scene<'_>) -> bool {
    scene.flags.reporting.documents.json || scene.documents.iter().any(Document::is_on_output)
}
