//! Measures how fast rows are read: a million of them, from memory.

use batchctl::input;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::task::Command;
use divan::Bencher;
use divan::counter::BytesCount;
use divan::counter::ItemsCount;
use std::fmt::Write;
use std::io::Cursor;

/// How many rows each input has.
const ROWS: u64 = 1_000_000;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn csv_with_three_other_columns(bencher: Bencher<'_, '_>) {
    let row = |text: &mut String, number| {
        writeln!(text, "{number:032x},camera {number},north gate,edge-{number}")
    };
    measure(bencher, &table("id,name,place,node\n", row));
}

#[divan::bench(sample_count = 10)]
fn csv_with_quoted_cells_before_the_id(bencher: Bencher<'_, '_>) {
    let row = |text: &mut String, number| {
        writeln!(text, "\"camera, {number}\",\"north \"\"gate\"\"\",\"{number:032x}\"")
    };
    measure(bencher, &table("name,place,id\n", row));
}

#[divan::bench(sample_count = 10)]
fn list(bencher: Bencher<'_, '_>) {
    let row = |text: &mut String, number| writeln!(text, "{number:032x}");
    measure(bencher, &table("", row));
}

/// Writes a table with a header and a row for each number.
fn table(header: &str, row: impl Fn(&mut String, u64) -> std::fmt::Result) -> String {
    let mut text = String::from(header);
    for number in 0..ROWS {
        row(&mut text, number).expect("a String takes all text");
    }
    text
}

fn measure(bencher: Bencher<'_, '_>, text: &str) {
    bencher
        .counter(ItemsCount::new(ROWS))
        .counter(BytesCount::of_str(text))
        .with_inputs(|| Cursor::new(text.to_owned()))
        .bench_values(|text| assert_eq!(count(text), ROWS));
}

/// Reads every row and counts them.
fn count(text: Cursor<String>) -> u64 {
    let source = Source::Stream { name: "-".into(), reader: Box::new(text) };
    let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
    let rows = input::open(source, &options).expect("the table has a column of ids");
    rows.map(|row| row.expect("every row is right")).fold(0, |count, _| count + 1)
}
