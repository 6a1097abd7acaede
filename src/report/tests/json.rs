//! report.json: its fields, and that it is the same whenever it is asked for.

use super::*;
use crate::report::write_json;

fn document(report: &Report) -> String {
    let mut text = Vec::new();
    write_json(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_report_has_every_field_in_the_order_of_the_documentation() {
    insta::assert_snapshot!("report_json", document(&every_outcome().report()));
}

#[test]
fn unknown_values_are_null() {
    let report = Report::read(&TestRun::with_tasks(1).reader(), StillRunning::Yes).unwrap();
    let json: serde_json::Value = serde_json::from_str(&document(&report)).unwrap();
    for path in ["/run/started_at", "/latency_ms/p99", "/pace/rate_average", "/stopped", "/exit"] {
        assert_eq!(json.pointer(path), Some(&serde_json::Value::Null), "{path}");
    }
}
