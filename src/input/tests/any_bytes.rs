//! Properties: every table reads back as it was written, and no bytes do harm.

use super::*;
use crate::task::Position;
use crate::text::unguarded;
use proptest::prelude::*;

/// A way to write a table.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    terminator: csv::Terminator,
    quoting: csv::QuoteStyle,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let delimiter = prop::sample::select(&b",;\t|"[..]);
    let terminator = prop::sample::select(vec![csv::Terminator::CRLF, csv::Terminator::Any(b'\n')]);
    let quoting = prop::sample::select(vec![
        csv::QuoteStyle::Always,
        csv::QuoteStyle::Necessary,
        csv::QuoteStyle::NonNumeric,
    ]);
    (delimiter, terminator, quoting).prop_map(|(delimiter, terminator, quoting)| Dialect {
        delimiter,
        terminator,
        quoting,
    })
}

impl Dialect {
    fn write(&self, rows: &[Vec<String>]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(self.terminator)
            .quote_style(self.quoting)
            .from_writer(Vec::new());
        for row in rows {
            writer.write_record(row).unwrap();
        }
        writer.into_inner().unwrap()
    }
}

/// Tables of ids, other cells and the place of the ids' column.
fn tables() -> impl Strategy<Value = (Vec<Vec<String>>, usize)> {
    (0..4_usize).prop_flat_map(|others| {
        let cell = prop_oneof![
            "[a-zA-Z0-9 äß,;|\"'\t\r\n#=-]{0,12}",
            any::<String>().prop_map(|text| text.replace('\0', "")),
        ];
        // Dashes alone are no id.
        let row = ("[a-z0-9_-]{3,35}[a-z0-9]", prop::collection::vec(cell, others..=others));
        let rows = prop::collection::vec(row, 0..8);
        (rows, 0..=others).prop_map(move |(rows, at)| {
            let mut table: Vec<Vec<String>> = vec![(0..others).map(|n| format!("x{n}")).collect()];
            table[0].insert(at, "id".into());
            table.extend(rows.into_iter().map(|(id, mut cells)| {
                cells.insert(at, id);
                cells
            }));
            (table, at)
        })
    })
}

proptest! {
    #[test]
    fn a_table_reads_back_as_it_was_written(
        (table, at) in tables(),
        dialect in dialects(),
        final_line_end: bool,
    ) {
        let mut bytes = dialect.write(&table);
        if !final_line_end {
            bytes.truncate(locate::without_line_end(&bytes).len());
        }
        let rows = open_bytes("t.csv", &bytes, &stop()).unwrap();
        let columns = rows.columns().to_vec();
        prop_assert_eq!(columns, without(&table[0], at));
        let read: Vec<Row> = rows.map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), table.len() - 1);
        for (row, written) in read.iter().zip(&table[1..]) {
            prop_assert_eq!(row.id.as_str(), &written[at]);
            let others = row.others.as_deref().unwrap_or("[]");
            let others: Vec<String> = serde_json::from_str(others).unwrap();
            let kept = without(written, at);
            prop_assert_eq!(others, kept.iter().map(|cell| unguarded(cell)).collect::<Vec<_>>());
            prop_assert!(text_at(&bytes, row.position).contains(&written[at]));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(id|task_id|[,;|\t\"\r\n #'=]|[a-z]{4}|\u{feff}|ä){0,60}".prop_map(String::into_bytes),
        ],
        format in prop::sample::select(vec![Format::Auto, Format::Csv, Format::Tsv, Format::List]),
        header in prop::sample::select(vec![Header::Present, Header::Absent]),
        delimiter in prop::option::of(any::<u8>()),
        command in prop::sample::select(vec![stop().command, by_row().command]),
        mark in prop::sample::select(vec![&b""[..], b"id,x\n", b"\xef\xbb\xbf", b"\xff\xfe"]),
    ) {
        let options = InputOptions { id_column: None, lists: Lists::Accepted, level: None, command, format, delimiter, header, conditions: Vec::new(), targets: None, rules: None };
        let bytes = [mark, &bytes[..]].concat();
        match open_bytes("-", &bytes, &options) {
            Ok(rows) => for error in rows.filter_map(Result::err) {
                prop_assert!(is_safe(&error), "{error}");
                prop_assert!(error.position().is_some());
            },
            Err(error) => prop_assert!(is_safe(&error), "{error}"),
        }
    }
}

/// Returns a row without the cell of its id.
fn without(row: &[String], at: usize) -> Vec<String> {
    let mut others = row.to_vec();
    others.remove(at);
    others
}

/// Returns the line of a position from its column on, as an editor shows it.
fn text_at(bytes: &[u8], position: Position) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let line = text.split('\n').nth(usize::try_from(position.line).unwrap() - 1);
    let column = usize::try_from(position.column).unwrap();
    line.unwrap().chars().skip(column - 1).take(38).collect()
}

fn is_safe(error: &InputError) -> bool {
    let text = format!("{error} {}", error.hint().unwrap_or_default());
    !text.chars().any(char::is_control)
}
