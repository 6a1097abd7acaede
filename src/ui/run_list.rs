//! The page with all runs that are kept, and its changes.

use crate::report::{PageRequests, content_policy, followed_page_style};
use crate::store::{RunBrief, RunDirectory, RunId, StoreError};
use crate::task::Outcome;
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::stream::{Found, Look};
use askama::Template;
use hyper::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
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
    runs: RunDirectory,
    known: BTreeMap<RunId, KnownRun>,
    is_first: bool,
}

struct KnownRun {
    entry: Value,
    /// When its file was changed, if no process works on it.
    unchanged_since: Option<SystemTime>,
}

impl ListedRuns {
    pub(crate) fn new(runs: RunDirectory) -> Self {
        Self { runs, known: BTreeMap::new(), is_first: true }
    }

    fn try_look(&mut self) -> Result<Found, StoreError> {
        let ids = self.runs.list()?;
        let mut changed = Vec::new();
        let before = self.known.len();
        self.known.retain(|id, _| ids.binary_search(id).is_ok());
        let has_lost = self.known.len() < before;
        for id in ids {
            let unchanged_since = self.resting_since(&id);
            let known = self.known.get(&id);
            // Thousands of runs rest: only a look at the time of their files is cheap enough.
            if known.is_some_and(|known| {
                known.unchanged_since.is_some() && known.unchanged_since == unchanged_since
            }) {
                continue;
            }
            let entry = entry(&self.runs, &id);
            if known.is_none_or(|known| known.entry != entry) {
                changed.push(entry.clone());
            }
            self.known.insert(id, KnownRun { entry, unchanged_since });
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

    /// Returns when the file of a run was changed; nothing while a process works on it.
    fn resting_since(&self, id: &RunId) -> Option<SystemTime> {
        if self.runs.is_locked(id).unwrap_or(true) {
            return None;
        }
        fs::metadata(self.runs.file(id)).and_then(|about| about.modified()).ok()
    }
}

impl Look for ListedRuns {
    fn look(&mut self) -> Found {
        self.try_look().unwrap_or_else(|error| {
            let mut found = Found { is_last: true, ..Found::default() };
            found.add("gone", &Value::from(error.to_string()).to_string());
            found
        })
    }
}

/// Returns what the list shows of a run; one that cannot be read does not hide the others.
fn entry(runs: &RunDirectory, id: &RunId) -> Value {
    let RunBrief { state, record, outcomes } = match RunBrief::read(runs, id) {
        Ok(brief) => brief,
        Err(error) => {
            return json!({"id": id.as_str(), "state": "unreadable", "said": error.to_string()});
        }
    };
    let counts =
        Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), outcomes[outcome].into()));
    json!({
        "id": id.as_str(),
        "state": state.as_str(),
        "command": record.run.command,
        "job": record.run.job,
        "reason": record.run.reason,
        "planned": record.run.origin.to_string(),
        "selected": record.selected,
        "outcomes": Map::from_iter(counts),
    })
}
