//! Knowing the states that tasks are in, through the real binary.

mod doubts;
mod list;
mod reverting;
mod unchanged;
mod waiting;

use crate::support::batchctl::Ended;
use crate::support::batchctl::Scene;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use batchctl::sandbox::Witness;
use serde_json::Value;
use std::time::Duration;

/// A sandbox of this process that answers at once, and a scene that calls it.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) witness: Witness,
    _sandbox: SandboxThread,
}

impl Stage {
    pub(crate) fn of(settings: SandboxSettings) -> Self {
        let latency = Duration::ZERO..=Duration::ZERO;
        let sandbox = SandboxThread::start(SandboxSettings { latency, ..settings }).unwrap();
        let mut scene = Scene::new();
        scene.set("BATCHCTL_ENDPOINT", sandbox.url());
        scene.set("BATCHCTL_PROJECT_ID", "project-1");
        scene.set("BATCHCTL_TOKEN", "any");
        scene.set("BATCHCTL_RATE", "none");
        Self { scene, witness: sandbox.witness(), _sandbox: sandbox }
    }
}

/// Returns cells of results.csv, row by row.
pub(crate) fn cells(scene: &Scene, names: &[&str]) -> Vec<String> {
    let results = scene.read("results.csv");
    let mut reader = csv::Reader::from_reader(results.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &&str| header.iter().position(|header| header == *name).unwrap();
    let columns: Vec<usize> = names.iter().map(column).collect();
    let row = |row: csv::StringRecord| {
        columns.iter().map(|&column| row[column].to_owned()).collect::<Vec<_>>().join(" ")
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Reads the report on standard output.
pub(crate) fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}
