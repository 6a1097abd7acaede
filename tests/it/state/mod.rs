//! Knowing the states that tasks are in, through the real binary.

mod deletions;
mod doubts;
mod drills;
mod list;
mod reverting;
mod services;
mod sub_tasks;
mod unchanged;
mod waiting;

use crate::support::program::Ended;
use crate::support::program::Scene;
use serde_json::Value;

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
