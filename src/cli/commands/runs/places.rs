//! Where the calls of a run go, in words.

use batchctl::reading::RunReader;
use batchctl::settings::TargetPart;
use batchctl::store::{RunDirectory, RunRecord, StoreError};
use batchctl::text::printable;

/// Returns a line with the endpoint and the project of a run, or one for each of its targets.
pub(super) fn of_run(record: &RunRecord, runs: &RunDirectory) -> String {
    let place =
        |record: &RunRecord| format!("{}, project {}", record.run.endpoint, record.run.project_id);
    let named = |run: &RunReader| {
        let record = run.record()?;
        let name = record.run.settings.target.as_ref().map_or("", TargetPart::name);
        Ok::<_, StoreError>(format!("{name}: {}", place(&record)))
    };
    let read = RunReader::open(runs, &record.run.id).and_then(|reader| reader.of_targets(named));
    let places = match read.unwrap_or_default() {
        targets if targets.is_empty() => vec![place(record)],
        targets => targets,
    };
    let line = |place: &String| format!("target    {}\n", printable(place, 300));
    places.iter().map(line).collect()
}
