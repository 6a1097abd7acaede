//! The rates that runs have learnt, kept for later runs.
//!
//! One small file in the state directory, replaced as a whole. It only saves a run a search: a rate
//! that cannot be read counts as absent, and of two runs that end at the same moment one may be
//! forgotten. It holds no secret, and no run depends on it.

use crate::clock::Timestamp;
use crate::store::{RunDirectory, StoreError, file, read_text};
use crate::task::ServiceLimit;
use crate::whole_file::{FOR_ITS_OWNER, WholeFile};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The maximum number of rates that are kept; the oldest go first.
const MAX_RATES: usize = 64;
/// The version of the file's fields.
const SCHEMA_VERSION: u32 = 1;

/// The owner of a rate: services throttle by user, and a profile stands for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RateKey {
    /// The profile.
    pub(crate) profile: String,
    /// The endpoint.
    pub(crate) endpoint: String,
    /// The project.
    pub(crate) project_id: String,
}

#[derive(Serialize)]
struct RatesFile {
    schema_version: u32,
    rates: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    key: RateKey,
    per_second: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_a_time: Option<u32>,
    learnt_at: String,
}

/// Returns the limits of the service that an earlier run met, if that is known.
pub(crate) fn learnt_rate(runs: &RunDirectory, key: &RateKey) -> Option<ServiceLimit> {
    let entry = entries(&path(runs)).into_iter().find(|entry| entry.key == *key)?;
    let per_second = entry.per_second.filter(|&rate| rate > 0.0);
    let at_a_time = entry.at_a_time.filter(|&most| most > 0);
    Some(ServiceLimit { per_second, at_a_time }).filter(|limit| !limit.is_none())
}

/// Keeps the limits that a run has learnt; none removes those that were kept before.
///
/// # Errors
///
/// The file cannot be replaced; it is as it was.
pub(crate) fn keep_learnt_rate(
    runs: &RunDirectory,
    key: RateKey,
    learnt: ServiceLimit,
    now: Timestamp,
) -> Result<(), StoreError> {
    let path = path(runs);
    let mut rates = entries(&path);
    let known = rates.iter().any(|entry| entry.key == key);
    // Most runs learn nothing, and an unchanged file needs no replacement.
    if learnt.is_none() && !known {
        return Ok(());
    }
    rates.retain(|entry| entry.key != key);
    let learnt_at = now.to_string();
    let ServiceLimit { per_second, at_a_time } = learnt;
    let entry = Entry { key, per_second, at_a_time, learnt_at };
    let latest = Some(entry).filter(|_| !learnt.is_none());
    rates.splice(0..0, latest);
    rates.truncate(MAX_RATES);
    replace(&path, &RatesFile { schema_version: SCHEMA_VERSION, rates })
}

fn path(runs: &RunDirectory) -> PathBuf {
    runs.state().join("rates.json")
}

/// Reads all valid entries, the latest first.
fn entries(path: &Path) -> Vec<Entry> {
    let text = read_text(path).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(rates) = document["rates"].as_array() else { return Vec::new() };
    rates.iter().filter_map(|entry| Entry::deserialize(entry).ok()).collect()
}

fn replace(path: &Path, document: &RatesFile) -> Result<(), StoreError> {
    // A process that is killed leaves the file before it whole, and no other.
    let written = || {
        let mut file = WholeFile::begin(path, FOR_ITS_OWNER)?;
        serde_json::to_writer_pretty(&mut file, document)?;
        file.write_all(b"\n")?;
        file.replace()
    };
    written().map_err(file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    fn runs() -> (tempfile::TempDir, RunDirectory) {
        let state = tempfile::tempdir().unwrap();
        let runs = RunDirectory::open(state.path()).unwrap();
        (state, runs)
    }

    fn key(profile: &str) -> RateKey {
        let endpoint = "https://vias.example.com".into();
        RateKey { profile: profile.into(), endpoint, project_id: "p".into() }
    }

    fn per_second(runs: &RunDirectory, key: &RateKey) -> Option<f64> {
        learnt_rate(runs, key).and_then(|limit| limit.per_second)
    }

    fn keep(runs: &RunDirectory, profile: &str, per_second: Option<f64>) {
        let learnt = ServiceLimit { per_second, at_a_time: None };
        keep_learnt_rate(runs, key(profile), learnt, SOME_DAY).unwrap();
    }

    #[test]
    fn each_profile_and_place_has_a_rate_of_its_own() {
        let (_state, runs) = runs();
        keep(&runs, "night", Some(97.25));
        keep(&runs, "day", Some(7.0));
        keep(&runs, "night", Some(48.5));
        assert_eq!(per_second(&runs, &key("night")), Some(48.5));
        assert_eq!(per_second(&runs, &key("day")), Some(7.0));
        let elsewhere = RateKey { project_id: "q".into(), ..key("day") };
        assert_eq!(per_second(&runs, &elsewhere), None);
    }

    #[test]
    fn a_limit_on_calls_at_a_time_is_kept_too() {
        let (_state, runs) = runs();
        for per_second in [None, Some(7.0)] {
            let learnt = ServiceLimit { per_second, at_a_time: Some(20) };
            keep_learnt_rate(&runs, key("day"), learnt, SOME_DAY).unwrap();
            assert_eq!(learnt_rate(&runs, &key("day")), Some(learnt));
        }
    }

    #[test]
    fn a_rate_that_no_longer_holds_is_forgotten() {
        let (_state, runs) = runs();
        keep(&runs, "day", Some(7.0));
        keep(&runs, "day", None);
        assert_eq!(per_second(&runs, &key("day")), None);
    }

    #[test]
    fn a_run_that_learns_nothing_writes_nothing() {
        let (_state, runs) = runs();
        keep(&runs, "day", None);
        assert!(!path(&runs).exists());
    }

    #[test]
    fn an_invalid_entry_counts_as_absent_and_costs_no_other_rate() {
        let (_state, runs) = runs();
        for text in ["", "nonsense", "[]", "{\"rates\": 7}", "{\"rates\": [7, {\"profile\": 7}]}"] {
            fs::write(path(&runs), text).unwrap();
            assert_eq!(per_second(&runs, &key("day")), None, "{text}");
        }
        keep(&runs, "day", Some(7.0));
        let text = fs::read_to_string(path(&runs)).unwrap();
        fs::write(path(&runs), text.replacen('[', "[null, ", 1)).unwrap();
        assert_eq!(per_second(&runs, &key("day")), Some(7.0));
        fs::write(path(&runs), text.replace("7.0", "-7.0")).unwrap();
        assert_eq!(per_second(&runs, &key("day")), None);
    }

    #[test]
    fn the_file_stays_small_and_the_latest_stay() {
        let (_state, runs) = runs();
        (0..100).for_each(|number| keep(&runs, &number.to_string(), Some(7.0)));
        assert_eq!(entries(&path(&runs)).len(), MAX_RATES);
        assert_eq!(per_second(&runs, &key("99")), Some(7.0));
        assert_eq!(per_second(&runs, &key("0")), None);
    }
}
