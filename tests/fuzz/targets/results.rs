//! Results of an earlier run as an input, with a condition: our columns go, the others stay.

#![no_main]

mod common;

use batchctl::input::{CommandSource, Condition, Format, InputOptions};
use batchctl::task::RESULTS_COLUMNS;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let line = data.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (condition, rows) = data.split_at(line);
    let mut options = InputOptions::new(CommandSource::Column("command".into()));
    (options.format, options.delimiter) = (Format::Csv, Some(b','));
    let condition = std::str::from_utf8(condition).ok().and_then(|text| text.parse().ok());
    options.conditions.extend(condition.into_iter().collect::<Vec<Condition>>());
    let mut table = format!("{},site", RESULTS_COLUMNS.join(",")).into_bytes();
    table.extend_from_slice(if rows.starts_with(b"\n") { b"" } else { b"\n" });
    table.extend_from_slice(rows);
    let Ok(seen) = common::read(&table, &options, usize::MAX) else { return };
    assert_eq!(seen.columns, ["site"]);
    let written = common::written(&seen);
    options.conditions.clear();
    let again = common::read(written.as_bytes(), &options, 7).expect("a table was written");
    assert!(again.errors.is_empty(), "{:?}\n{written}", again.errors);
    let cells = |rows: &[batchctl::input::Row]| {
        rows.iter().map(|row| (row.id.clone(), row.command, row.others.clone())).collect::<Vec<_>>()
    };
    assert_eq!(cells(&again.rows), cells(&seen.rows));
    assert!(again.rows.iter().all(|row| row.is_wanted));
});
