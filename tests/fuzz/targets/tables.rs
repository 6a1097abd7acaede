//! Tables and lists: what is read is written and read again the same, however slowly it comes.

#![no_main]

mod common;

use batchctl::input::{CommandSource, Format, Header, InputOptions};
use batchctl::task::Command;
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 4] = [Format::Auto, Format::Csv, Format::Tsv, Format::List];
const DELIMITERS: [Option<u8>; 4] = [None, Some(b','), Some(b';'), Some(b'|')];

fn options(choice: usize) -> InputOptions {
    let by_row = || CommandSource::Column("command".into());
    let fixed = || CommandSource::Fixed(Command::STOP);
    let mut options = InputOptions::new(if choice & 1 == 0 { fixed() } else { by_row() });
    options.header = if choice & 2 == 0 { Header::Present } else { Header::Absent };
    if choice & 3 == 3 {
        options.command = CommandSource::Column("2".into());
    }
    options.format = FORMATS[choice >> 2 & 3];
    options.delimiter = DELIMITERS[choice >> 4 & 3];
    options
}

fuzz_target!(|data: &[u8]| {
    let (choice, bytes) = common::choice(data);
    let options = options(choice);
    let whole = common::read(bytes, &options, usize::MAX);
    let slow = common::read(bytes, &options, 1 + (choice >> 6));
    common::assert_same(&whole, &slow, "a few bytes at a time");
    let Ok(seen) = whole else { return };
    if seen.rows.is_empty() {
        return;
    }
    let written = common::written(&seen);
    let mut again = InputOptions::new(CommandSource::Column("command".into()));
    (again.format, again.delimiter) = (Format::Csv, Some(b','));
    let again = common::read(written.as_bytes(), &again, usize::MAX).expect("a table was written");
    assert!(again.errors.is_empty(), "{:?}\n{written}", again.errors);
    assert_eq!(again.rows.len(), seen.rows.len(), "{written}");
    for (one, other) in again.rows.iter().zip(&seen.rows) {
        assert_eq!((&one.id, one.command), (&other.id, other.command));
        let others = other.others.as_deref().filter(|_| !seen.columns.is_empty());
        assert_eq!(one.others.as_deref(), others);
    }
});
