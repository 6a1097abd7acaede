//! The page with all runs that are kept, and its changes.

use crate::reading::RunBrief;
use crate::report::{PageRequests, content_policy, followed_page_style};
use crate::store::{RunDirectory, RunId, StoreError};
use crate::task::Outcome;
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::source::RunSource;
use crate::ui::stream::{Found, Look, TROUBLE_WAIT};
use askama::Template;
use hyper::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

const SCRIPT: &str = include_str!("runs.js");

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    policy: String,
    style: &'static str,
    script: &'static str,
}

/// Returns the page with all runs, which its script fills.
pub(crate) fn list_page() -> Response<Body> {
    let style = followed_page_style();
    let policy = content_policy(style, SCRIPT, PageRequests::OwnServer);
    let page = RunsPage { policy: policy.clone(), style, script: SCRIPT };
    let page = page.render().expect("nothing in it can fail");
    answer::page(page.into_bytes(), &policy)
}

/// The runs, as a browser has them.
pub(crate) struct ListedRuns {
    runs: Arc<dyn RunSource>,
    known: BTreeMap<RunId, KnownRun>,
    /// Until the browser has all runs.
    is_first: bool,
    /// Why they could not be read, as the browser was told.
    trouble: Option<String>,
}

struct KnownRun {
    entry: Value,
    /// When its file was changed, if no process works on it.
    unchanged_since: Option<SystemTime>,
}

impl ListedRuns {
    pub(crate) fn new(runs: Arc<dyn RunSource>) -> Self {
        Self { runs, known: BTreeMap::new(), is_first: true, trouble: None }
    }

    fn try_look(&mut self) -> Result<Found, StoreError> {
        let (ids, looked) = match self.runs.briefs()? {
            Some(briefs) => in_database(briefs),
            None => self.in_directory()?,
        };
        let before = self.known.len();
        self.known.retain(|id, _| ids.binary_search(id).is_ok());
        let has_lost = self.known.len() < before;
        let mut changed = Vec::new();
        for (id, run) in looked {
            if self.known.get(&id).is_none_or(|known| known.entry != run.entry) {
                changed.push(run.entry.clone());
            }
            self.known.insert(id, run);
        }
        let mut found = Found::default();
        if has_lost || std::mem::take(&mut self.is_first) {
            let all = self.known.values().map(|known| &known.entry).collect::<Vec<_>>();
            found.add("all", &json!(all).to_string());
        } else if !changed.is_empty() {
            found.add("changed", &json!(changed).to_string());
        }
        Ok(found)
    }

    /// Returns the ids of all runs, and those that may have changed.
    fn in_directory(&self) -> Result<Looked, StoreError> {
        let runs = self.runs.directory();
        let ids = runs.list()?;
        let mut looked = Vec::new();
        for id in &ids {
            let unchanged_since = resting_since(runs, id);
            // Thousands of runs rest: only a look at the time of their files is cheap enough.
            let rests = self.known.get(id).is_some_and(|known| {
                known.unchanged_since.is_some() && known.unchanged_since == unchanged_since
            });
            if !rests {
                looked.push((id.clone(), KnownRun { entry: entry(runs, id), unchanged_since }));
            }
        }
        Ok((ids, looked))
    }
}

/// The ids of all runs, in order, and those that were looked at.
type Looked = (Vec<RunId>, Vec<(RunId, KnownRun)>);

fn in_database(briefs: Vec<RunBrief>) -> Looked {
    let mut looked: Vec<_> = briefs
        .into_iter()
        .map(|brief| {
            let run = KnownRun { entry: entry_of(&brief), unchanged_since: None };
            (brief.record.run.id, run)
        })
        .collect();
    // A database may sort by the rules of a language.
    looked.sort_by(|(one, _), (other, _)| one.cmp(other));
    (looked.iter().map(|(id, _)| id.clone()).collect(), looked)
}

/// Returns when the file of a run was changed; nothing while a process works on it.
fn resting_since(runs: &RunDirectory, id: &RunId) -> Option<SystemTime> {
    if runs.is_locked(id).unwrap_or(true) {
        return None;
    }
    fs::metadata(runs.file(id)).and_then(|about| about.modified()).ok()
}

impl Look for ListedRuns {
    fn look(&mut self) -> Found {
        let error = match self.try_look() {
            Ok(found) => {
                self.trouble = None;
                return found;
            }
            Err(error) => error.to_string(),
        };
        // A database that was away may come back: then the browser gets all runs again.
        self.is_first = true;
        let mut found = Found { rest: Some(TROUBLE_WAIT), ..Found::default() };
        if self.trouble.as_ref() != Some(&error) {
            found.add("trouble", &Value::from(error.as_str()).to_string());
            self.trouble = Some(error);
        }
        found
    }
}

/// Returns what the list shows of a run; one that cannot be read does not hide the others.
fn entry(runs: &RunDirectory, id: &RunId) -> Value {
    RunBrief::read(runs, id).map_or_else(
        |error| json!({"id": id.as_str(), "state": "unreadable", "said": error.to_string()}),
        |brief| entry_of(&brief),
    )
}

fn entry_of(brief: &RunBrief) -> Value {
    let RunBrief { state, record, outcomes } = brief;
    let counts =
        Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), outcomes[outcome].into()));
    json!({
        "id": record.run.id.as_str(),
        "state": state.as_str(),
        "command": record.run.command,
        "job": record.run.job,
        "reason": record.run.reason,
        "planned": record.run.origin.to_string(),
        "selected": record.selected,
        "outcomes": Map::from_iter(counts),
    })
}
