//! Tests of the whole module, from bytes to rows, as its callers use it.

mod any_bytes;

use super::*;
use crate::task::Position;
use std::io::{Cursor, Read};

/// A source whose every read gives one byte, as the slowest pipe would.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn stop() -> InputOptions {
    InputOptions::new(CommandSource::Fixed(Command::STOP))
}

fn by_row() -> InputOptions {
    InputOptions::new(CommandSource::Column("command".into()))
}

fn open_bytes(name: &str, bytes: &[u8], options: &InputOptions) -> Result<Rows, InputError> {
    let reader = Box::new(Trickle(Cursor::new(bytes.to_vec())));
    let name = name.into();
    open(Source::Stream { name, reader }, options)
}

/// Shows rows as `line:column id [others]`, errors as messages and hints.
fn read_all(name: &str, bytes: &[u8], options: &InputOptions) -> Vec<String> {
    match open_bytes(name, bytes, options) {
        Ok(rows) => rows
            .map(|row| match row {
                Ok(row) => shown_row(&row),
                Err(error) => error.to_string(),
            })
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn shown_row(row: &Row) -> String {
    let Position { line, column } = row.position;
    let others = row.others.as_deref().unwrap_or("");
    format!("{line}:{column} {} {others}", row.id).trim_end().into()
}

fn check(name: &str, text: &str, expected: &[&str]) {
    check_bytes(name, text.as_bytes(), expected);
}

fn check_bytes(name: &str, bytes: &[u8], expected: &[&str]) {
    assert_eq!(read_all(name, bytes, &stop()), expected, "{name}");
}

fn check_with(options: &InputOptions, text: &str, expected: &[&str]) {
    assert_eq!(read_all("-", text.as_bytes(), options), expected, "{text:?}");
}

fn check_hint(text: &str, expected: &str) {
    let error = open_bytes("-", text.as_bytes(), &stop())
        .and_then(|mut rows| rows.find_map(Result::err).map_or(Ok(()), Err))
        .unwrap_err();
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains(expected), "{error}: {hint}");
}

#[test]
fn the_format_is_told_by_ending_then_by_content() {
    check("t.csv", "id;x\nabcd;1\n", &["2:1 abcd [\"1\"]"]);
    check("t.CSV", "id\nabcd\n", &["2:1 abcd"]);
    check("t.tsv", "x,y\tid\n1,2\tabcd\n", &["2:5 abcd [\"1,2\"]"]);
    check("t.tab", "id\nabcd\n", &["2:1 abcd"]);
    check("t.txt", "abcd\nefgh\n", &["1:1 abcd", "2:1 efgh"]);
    check("t.txt", "x|Task ID\n1|abcd\n", &["2:3 abcd [\"1\"]"]);
    check("-", "x|task_id\n1|abcd\n", &["2:3 abcd [\"1\"]"]);
    check("-", "id\nabcd\n", &["2:1 abcd"]);
    check("-", "abcd\nefgh # a, b\n", &["1:1 abcd", "2:1 efgh"]);
    check("-", "abcd # a, b\nefgh\n", &["1:1 abcd", "2:1 efgh"]);
}

#[test]
fn the_delimiter_is_the_one_that_sets_the_id_column_apart() {
    check("-", "a,b;c,d;id\n1;2;abcd\n", &["2:5 abcd [\"1\",\"2\"]"]);
    check("-", "\"a;b;c\",id\n1,abcd\n", &["2:3 abcd [\"1\"]"]);
    check("-", "sep=;\r\nid;x,y\r\nabcd;1\r\n", &["3:1 abcd [\"1\"]"]);
    check("-", "sep=\t\nid\tx\nabcd\t1\n", &["3:1 abcd [\"1\"]"]);
    let options = InputOptions { delimiter: Some(b'~'), ..stop() };
    check_with(&options, "id~x,y\nabcd~1,2\n", &["2:1 abcd [\"1,2\"]"]);
}

#[test]
fn a_delimiter_that_is_part_of_the_syntax_is_refused() {
    for delimiter in [b'"', b'\n', b'\r', 0, 0xe4] {
        let options = InputOptions { delimiter: Some(delimiter), ..stop() };
        let error = open_bytes("-", b"id\nabcd", &options).unwrap_err();
        assert!(matches!(error, InputError::Delimiter { .. }), "{error}");
    }
}

#[test]
fn lists_have_comments_blank_lines_and_headings() {
    check("t.txt", "# night shift\n\n  abcd # gate\r\n\t\nefgh", &["3:3 abcd", "5:1 efgh"]);
    check("t.txt", "batch_task_id\nabcd\n", &["2:1 abcd"]);
    let options = InputOptions { format: Format::List, ..stop() };
    check_with(&options, "task_id\nabcd\n", &["2:1 abcd"]);
}

#[test]
fn comments_before_a_header_are_skipped_and_a_column_called_hash_is_none() {
    check("t.csv", "# by x, y\n\nid,x\nabcd,1\n", &["4:1 abcd [\"1\"]"]);
    check("t.csv", "#,id\n1,abcd\n", &["2:3 abcd [\"1\"]"]);
    check("t.tsv", "#id\tx\nabcd\t1\n", &["2:1 abcd [\"1\"]"]);
}

#[test]
fn every_encoding_with_a_mark_is_read() {
    let text = "id,näme\r\nabcd,x\r\n";
    let expected = &["2:1 abcd [\"x\"]"];
    let marked = |bytes: Vec<u8>, mark: &[u8]| [mark, &bytes[..]].concat();
    let little = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    check_bytes("-", &marked(text.into(), b"\xef\xbb\xbf"), expected);
    check_bytes("-", &marked(little, b"\xff\xfe"), expected);
    check_bytes("-", &marked(big, b"\xfe\xff"), expected);
    check("-", "\u{feff}\u{feff}\"id\",x\nabcd,x\n", expected);
}

#[test]
fn line_ends_of_every_kind_are_read() {
    check("-", "id\r\nabcd\r\nefgh", &["2:1 abcd", "3:1 efgh"]);
    check("-", "id\n\n\nabcd\n\n", &["4:1 abcd"]);
}

#[test]
fn lines_that_end_with_cr_alone_are_read() {
    check("-", "id,x\rabcd,1\r\refgh,2", &["2:1 abcd [\"1\"]", "4:1 efgh [\"2\"]"]);
    check("t.csv", "# by\r# me\rx,id\r\"a\nb\",abcd\r", &[r#"5:4 abcd ["a\nb"]"#]);
    check("t.csv", "id,\"a\nb\"\rabcd,1\refgh,2\r", &["3:1 abcd [\"1\"]", "4:1 efgh [\"2\"]"]);
    check("t.txt", "# by night\r\rabcd # gate\r  efgh\r", &["3:1 abcd", "4:3 efgh"]);
    check("-", "task_id\rabcd\refgh\r", &["2:1 abcd", "3:1 efgh"]);
    // Several kinds of line ends in one file.
    check("t.txt", "# by night\nabcd\refgh\r\nijkl", &["2:1 abcd", "3:1 efgh", "4:1 ijkl"]);
    check("t.csv", "id,x\r\nabcd,1\refgh,2\r\n", &["2:1 abcd [\"1\"]", "2:8 efgh [\"2\"]"]);
    let utf16: Vec<u8> = "\u{feff}id\rabcd\r".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_bytes("-", &utf16, &["2:1 abcd"]);
}

#[test]
fn very_many_rows_that_end_with_cr_alone_have_their_positions() {
    let text = format!("id,x\r{}", "abcd,\"y\rz\"\r".repeat(30_000));
    let reader = Box::new(Cursor::new(text));
    let rows = open(Source::Stream { name: "-".into(), reader }, &stop()).unwrap();
    for (index, row) in rows.enumerate() {
        let line = 2 + 2 * index as u64;
        assert_eq!(row.unwrap().position, Position { line, column: 1 });
    }
}

#[test]
fn end_marks_of_dos_are_passed_over_at_the_end_alone() {
    for end in ["\u{1a}", "\u{1a}\u{1a}\u{1a}", "\n\u{1a}", "\r\n\u{1a}\r\n", "\r\u{1a}"] {
        check("-", &format!("id,x\nabcd,1{end}"), &["2:1 abcd [\"1\"]"]);
        check("t.txt", &format!("abcd{end}"), &["1:1 abcd"]);
    }
    check("-", "\u{1a}", &[]);
    check(
        "t.txt",
        "abcd\n\u{1a}efgh\n",
        &[
            "1:1 abcd",
            "t.txt:2:1: `\\u{1a}efgh` is not an id: the id contains '\\u{1a}'; only a-z, 0-9, `_` and `-` occur in ids",
        ],
    );
    check_hint("id,x\nabcd,1\n\u{1a}\nefgh,2\n", "Ctrl-Z");
}

fn read_text(text: String) -> Vec<String> {
    let reader = Box::new(Cursor::new(text));
    let rows = open(Source::Stream { name: "-".into(), reader }, &stop()).unwrap();
    rows.map(|row| row.map_or_else(|error| error.to_string(), |row| shown_row(&row))).collect()
}

#[test]
fn lines_that_mean_nothing_are_no_part_of_a_row_however_many_there_are() {
    for line in ["\n", "\r\n", "\r", " \n", ",,\n"] {
        // More than the longest row may have.
        let count = (1 << 20) / line.len() + 9;
        let lines = line.repeat(count);
        let rows = read_text(format!("id,x\nabcd,1\n{lines}efgh,2\n"));
        // In a file with other line ends, a lone CR is no line end of its own.
        let position = match line {
            "\r" => format!("3:{}", count + 1),
            _ => format!("{}:1", count + 3),
        };
        assert_eq!(rows, ["2:1 abcd [\"1\"]", &format!("{position} efgh [\"2\"]")]);
        let rows = read_text(format!("{lines}id,x\nabcd,1\n"));
        assert_eq!(rows, [format!("{}:1 abcd [\"1\"]", count + 2)]);
        assert_eq!(read_text(format!("id,x\n{lines}")), [""; 0]);
        assert_eq!(read_text(lines), [""; 0]);
    }
    for line in ["\n", "\r\n", "# by night\n", "\r"] {
        let lines = line.repeat(200_000);
        assert_eq!(read_text(format!("{lines}abcd\n")), ["200001:1 abcd"], "{line:?}");
        assert_eq!(read_text(format!("{lines}id;x\nabcd;1\n")), ["200002:1 abcd [\"1\"]"]);
    }
    let rows = read_text(format!("sep=;\n{}id;x\nabcd;1\n", ";;\n".repeat(100_000)));
    assert_eq!(rows, ["100003:1 abcd [\"1\"]"]);
}

#[test]
fn a_header_is_found_wherever_the_head_ends() {
    for blank in 65_500..65_560 {
        let rows = read_text(format!("{}x,task_id\n1,abcd\n", "\n".repeat(blank)));
        assert_eq!(rows, [format!("{}:3 abcd [\"1\"]", blank + 2)]);
    }
}

#[test]
fn json_is_one_error_with_the_filter_that_fits() {
    for (text, filter) in [
        ("{\"id\":\"abcd\"}\n{\"id\":\"efgh\"}\n", "'.id'"),
        ("[{\"id\":\"abcd\"}]", "'.[].id'"),
        ("\u{feff}\r\n  [\"abcd\"]", "'.[]'"),
        ("{\"tasks\":[{\"id\":\"abcd\"}]}", "'.tasks[].id'"),
    ] {
        for name in ["-", "t.csv", "t.txt", "t.json"] {
            let expected = format!("cannot read `{name}`: it is JSON, not a table or a list");
            check(name, text, &[&expected]);
        }
        check_hint(text, &format!("`… | jq -r {filter} | batchctl … -`"));
    }
    let error = open_bytes("my tasks.json", b"[\"abcd\"]", &stop()).unwrap_err();
    assert!(error.hint().unwrap().contains("`jq -r '.[]' 'my tasks.json' | batchctl … -`"));
    let rows = b"[{\"id\":\"abcd\",\"command\":\"stop\"}]";
    let error = open_bytes("t.json", rows, &by_row()).unwrap_err();
    let expected = "`jq -r '.[] | [.id, .command] | @csv' t.json | batchctl … - --no-header`";
    assert!(error.hint().unwrap().contains(expected));
}

fn check_width_hint(row: &str, expected: &str) {
    let text = format!("id,site,floor\ngate-1,north,1\n{row}");
    let mut rows = open_bytes("-", text.as_bytes(), &stop()).unwrap();
    let hint = rows.find_map(Result::err).unwrap().hint().unwrap();
    assert!(hint.contains(expected), "{row:?}: {hint:?}");
}

#[test]
fn a_row_of_the_wrong_width_gets_a_hint_for_what_it_is() {
    check_width_hint("gate-2,south\n", "last cells are missing");
    check_width_hint("gate-2,south\ngate-3,south\n", "last cells are missing");
    check_width_hint("gate-2\ngate-3,south,3\n", "last cells are missing");
    check_width_hint("gate-2,the\nsouth gate,2\n", "line break");
    check_width_hint("gate-2,the\nsouth,2\n", "as many cells as the first");
    check_width_hint("Gate 2\n", "as many cells as the first");
    check_width_hint("gate-2;south;3\n", "another delimiter");
    check_width_hint("gate-2,a,b,c\n", "delimiter must stand in quotes");
    check_width_hint("# by night\n", "comment");
    check_width_hint("# by night, by day, by me, too\n", "comment");
    check_width_hint("(1 row)\n", "row count of a database client");
    check_width_hint("(12 rows)", "row count of a database client");
    check_width_hint("2 rows in set (0.00 sec)\n", "row count of a database client");
    check_width_hint("Total,7\n", "line of totals");
    check_width_hint("------+------+----\n", "only separates");
}

#[test]
fn the_rest_of_a_row_that_a_line_break_cut_in_two_gets_the_same_hint() {
    let text = b"id,site,floor\ngate-2,the\nsouth gate,2\n";
    let rows = open_bytes("-", text, &stop()).unwrap();
    let hints: Vec<String> = rows.filter_map(Result::err).filter_map(|it| it.hint()).collect();
    assert_eq!(hints.len(), 2);
    assert!(hints.iter().all(|hint| hint.contains("line break")), "{hints:?}");
}

#[test]
fn results_are_read_without_the_columns_that_batchctl_wrote() {
    let ours = crate::task::RESULTS_COLUMNS.join(",");
    let values = ",x".repeat(crate::task::RESULTS_COLUMNS.len() - 1);
    let text = format!("{ours},site,in_source\nabcd{values},north,a.csv:2\n");
    let rows = open_bytes("-", text.as_bytes(), &stop()).unwrap();
    assert_eq!(rows.columns(), ["site", "in_source"]);
    check("-", &text, &[r#"2:1 abcd ["north","a.csv:2"]"#]);
}

#[test]
fn quoted_cells_hold_delimiters_quotes_and_line_ends() {
    check(
        "-",
        "id,x\nabcd,\"a,\"\"b\"\"\nc\"\nefgh,\"\" \n",
        &[r#"2:1 abcd ["a,\"b\"\nc"]"#, r#"4:1 efgh [" "]"#],
    );
}

#[test]
fn positions_are_right_after_quotes_line_ends_and_wide_characters() {
    check(
        "-",
        "x,id\n\"ä\n\"\"漢\",abCd\r\n漢字,\"\"\"Efgh\"\"\"\r\n1,ijkl\r\n",
        &[
            "-:3:8: `abCd` is not an id: the id contains 'C'; only a-z, 0-9, `_` and `-` occur in ids",
            "-:4:7: `Efgh` is not an id: the id contains 'E'; only a-z, 0-9, `_` and `-` occur in ids",
            "5:3 ijkl [\"1\"]",
        ],
    );
    check(
        "-",
        "id,x\n,1\n  ,1\nabc,1\n",
        &[
            "-:2:1: the id is empty",
            "-:3:1: the id is empty",
            "-:4:1: `abc` is not an id: the id has 3 of at least 4 characters",
        ],
    );
}

#[test]
fn positions_in_lists_count_characters() {
    check(
        "t.txt",
        "ä\n  ab cd\nok_1\n",
        &[
            "t.txt:1:1: `ä` is not an id: the id contains 'ä'; only a-z, 0-9, `_` and `-` occur in ids",
            "t.txt:2:5: `ab cd` is not an id: the id contains ' '; only a-z, 0-9, `_` and `-` occur in ids",
            "3:1 ok_1",
        ],
    );
}

#[test]
fn rows_without_text_are_no_rows() {
    check("-", "id,x,y\n,,\nabcd,,\n , ,\t\n\"\",,\n", &["3:1 abcd [\"\",\"\"]"]);
    check("-", ",,\nid,x,y\nabcd,,\n", &["3:1 abcd [\"\",\"\"]"]);
}

#[test]
fn an_input_without_rows_is_valid() {
    for text in ["", "\n\n", "# nothing\n", "id\n", "id|command", "\u{feff}", ",,\n,,\n"] {
        for name in ["-", "t.csv", "t.txt"] {
            check(name, text, &[]);
        }
    }
    check("t.tsv", "id\tx\n", &[]);
    assert!(open_bytes("-", b"", &by_row()).unwrap().next().is_none());
}

#[test]
fn ragged_rows_say_both_numbers() {
    check(
        "-",
        "id,x,y\nabcd,1\nabcd,1,2,,\nabcd,1,2,,3\nabcd,1,2\n",
        &[
            "-:2:7: the row has 2 cells, the first row has 3",
            "3:1 abcd [\"1\",\"2\"]",
            "-:4:11: the row has 5 cells, the first row has 3",
            "5:1 abcd [\"1\",\"2\"]",
        ],
    );
}

#[test]
fn a_quote_that_is_never_closed_is_told_by_its_opening() {
    check(
        "-",
        "id,x\nabcd,1\nefgh,\"2\nijkl,3\n",
        &["2:1 abcd [\"1\"]", "-:3:6: the quote that opens here is never closed"],
    );
}

#[test]
fn a_stray_quote_swallows_no_rows_in_silence() {
    check(
        "-",
        "id,x\nabcd,\"1\nefgh,\"2\"\nijkl,3\n",
        &[
            "-:3:7: text after the closing quote of the cell that was opened at 2:6",
            "4:1 ijkl [\"3\"]",
        ],
    );
}

#[test]
fn a_record_beyond_all_bounds_ends_the_reading() {
    let rest = "x\n".repeat(1 << 20);
    let read = |text: String| -> Vec<String> {
        let reader = Box::new(Cursor::new(text));
        let name = "-".into();
        let rows = open(Source::Stream { name, reader }, &stop()).unwrap();
        rows.map(|row| row.map_or_else(|error| error.to_string(), |row| shown_row(&row))).collect()
    };
    let unclosed = read(format!("id,x\nabcd,1\nefgh,\"{rest}"));
    let expected =
        ["2:1 abcd [\"1\"]", "-:3:6: the quote that opens here is not closed within 1 MiB"];
    assert_eq!(unclosed, expected);
    // Whether it is closed later is not said.
    let closed = read(format!("id,x\nabcd,1\nefgh,\"{rest}\"\n"));
    assert_eq!(closed, expected);
    let endless = read(format!("id,x\nabcd,{}", rest.replace('\n', "y")));
    assert_eq!(endless, ["-:2:1: the row is longer than 1 MiB"]);
    let list = read(format!("abcd\n{}", rest.replace('\n', "y")));
    assert_eq!(list, ["1:1 abcd", "-:2:1: the row is longer than 1 MiB"]);
}

#[test]
fn bytes_that_are_no_utf_8_are_told_by_their_place() {
    check_bytes(
        "-",
        b"id,x\nabcd,K\xe4se\nefgh,ok\n",
        &["-:2:7: the byte 0xE4 is not valid UTF-8", "3:1 efgh [\"ok\"]"],
    );
    check_bytes("t.txt", b"ab\xe4d\n", &["t.txt:1:3: the byte 0xE4 is not valid UTF-8"]);
    check_bytes("-", b"id,K\xe4se\nabcd,1\n", &["-:1:5: the byte 0xE4 is not valid UTF-8"]);
}

#[test]
fn files_that_are_no_text_are_told_by_their_kind() {
    let kinds: [(&[u8], &str); 6] = [
        (b"PK\x03\x04..[Content_Types].xml", "a spreadsheet's workbook, not text"),
        (b"PK\x03\x04..tasks.csv", "a ZIP archive, not text"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"%PDF-1.7", "a PDF document, not text"),
        (b"i\0d\0\n\0", "UTF-16 text without a byte order mark"),
        (b"ab\0\0cd", "a binary file, not text"),
    ];
    for (bytes, kind) in kinds {
        check_bytes("t.csv", bytes, &[&format!("cannot read `t.csv`: it is {kind}")]);
    }
    let late = format!("id,x\n{}abcd,\0\n", "abcd,1\n".repeat(2_000));
    let rows = read_all("-", late.as_bytes(), &stop());
    assert_eq!(rows.last().unwrap(), "-:2002:6: a NUL byte, which no text contains");
}

#[test]
fn the_other_columns_are_kept_with_their_names() {
    let rows = open_bytes("-", b"x,Task ID,x,\nabcd,efgh,3,4\n", &stop()).unwrap();
    assert_eq!(rows.columns(), ["x", "x_2", ""]);
    check("-", "x,Task ID,x,\n1,abcd,3,\"\\\"\n", &[r#"2:3 abcd ["1","3","\\"]"#]);
}

#[test]
fn a_missing_id_column_is_told_with_those_that_are_there() {
    check(
        "t.csv",
        "name,Camera ID\nx,abcd\n",
        &["t.csv:1:1: no column is named `id`, `batch_task_id` or `task_id`; \
           there are `name`, `Camera ID`"],
    );
    check_hint("name,Camera ID\nx,abcd\n", "--id-column 'Camera ID'");
    check_hint("0d47bbf5,x\n", "--no-header");
    check("-", "x,id,ID\n1,2,3\n", &["-:1:6: columns 2 and 3 are both named `id`"]);
}

#[test]
fn a_row_may_say_its_command() {
    let commands = |text: &str| -> Vec<Command> {
        let rows = open_bytes("-", text.as_bytes(), &by_row()).unwrap();
        rows.map(|row| row.unwrap().command).collect()
    };
    let both = [Command::START, Command::STOP];
    assert_eq!(commands("id,command\nabcd,start\nabcd, STOP\n"), both);
    check_with(
        &by_row(),
        "x,command,id\n1,restart,abcd\n1,,abcd\n1,stop,abcd\n",
        &[
            "-:2:3: `restart` is not a command; a command is `start`, `stop` or `delete`",
            "-:3:3: the command is empty; a command is `start`, `stop` or `delete`",
            "4:8 abcd [\"1\"]",
        ],
    );
}

#[test]
fn a_list_has_no_commands_to_run() {
    check_with(&by_row(), "abcd\n", &["`-` names ids alone and no commands"]);
    let error = open(Source::Ids(vec!["abcd".into()]), &by_row()).unwrap_err();
    assert!(error.hint().unwrap().contains("batchctl stop"), "{error}");
}

#[test]
fn without_a_header_the_first_row_is_a_task() {
    let options = |id_column: Option<&str>, options: InputOptions| InputOptions {
        id_column: id_column.map(Into::into),
        header: Header::Absent,
        ..options
    };
    let first = options(None, stop());
    check_with(&first, "abcd,1\nefgh,2\n", &["1:1 abcd [\"1\"]", "2:1 efgh [\"2\"]"]);
    check_with(&first, "abcd;a, b, c\n", &["1:1 abcd [\"a, b, c\"]"]);
    check_with(
        &first,
        "ABCD,1\n",
        &[
            "-:1:1: `ABCD` is not an id: the id contains 'A'; only a-z, 0-9, `_` and `-` occur in ids",
        ],
    );
    check_with(&options(Some("2"), stop()), "1,abcd\n", &["1:3 abcd [\"1\"]"]);
    check_with(&options(Some("2"), stop()), "1\tabcd\n", &["1:3 abcd [\"1\"]"]);
    check_with(&options(None, by_row()), "abcd,stop,x\n", &["1:1 abcd [\"x\"]"]);
    let rows = open_bytes("-", b"a,abcd,b\n", &options(Some("2"), stop())).unwrap();
    assert_eq!(rows.columns(), ["column_1", "column_3"]);
    check_with(
        &options(Some("4"), stop()),
        "abcd,1\n",
        &["-:1:1: there is no column 4; the first row has 2 cells"],
    );
}

#[test]
fn ids_given_by_hand_are_rows_too() {
    let ids = ["abcd", " 'efgh", "ijKl"].map(Into::into).to_vec();
    let rows = open(Source::Ids(ids), &stop()).unwrap();
    assert_eq!(rows.name(), "--id");
    let shown: Vec<String> =
        rows.map(|row| row.map_or_else(|error| error.to_string(), |row| shown_row(&row))).collect();
    assert_eq!(
        shown,
        [
            "1:1 abcd",
            "2:1 efgh",
            "--id:3:3: `ijKl` is not an id: the id contains 'K'; only a-z, 0-9, `_` and `-` occur in ids",
        ]
    );
}

#[test]
fn what_is_foreign_is_shown_safely() {
    check(
        "t\u{1b}[2J.txt",
        "ab\u{1b}[31m\n",
        &[
            r"t\u{1b}[2J.txt:1:3: `ab\u{1b}[31m` is not an id: the id contains '\u{1b}'; only a-z, 0-9, `_` and `-` occur in ids",
        ],
    );
}

#[test]
fn a_file_that_is_not_there_is_looked_for_nearby() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tasks.csv"), "id\nabcd\n").unwrap();
    let open_file = |name: &str| open(Source::File(folder.path().join(name)), &stop());
    assert_eq!(open_file("tasks.csv").unwrap().count(), 1);
    let error = open_file("taks.csv").unwrap_err();
    assert!(error.hint().unwrap().contains("tasks.csv`?"), "{error}");
    assert!(error.to_string().starts_with("cannot read `"), "{error}");
    let error = open_file("quite different").unwrap_err();
    let shows = format!("`ls {}` shows what is there", folder.path().display());
    assert_eq!(error.hint(), Some(shows));
    let error = open_file("").unwrap_err();
    assert!(matches!(error, InputError::Directory { .. }), "{error}");
}

#[test]
fn a_stream_that_breaks_ends_the_rows() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    for row in ["abcd,1\n", "abcd\n"] {
        let text = format!("id\n{}", row.repeat(20_000)).replace("id\nabcd,", "id,x\nabcd,");
        let reader = Box::new(Cursor::new(text).chain(Broken));
        let name = "-".into();
        let mut rows = open(Source::Stream { name, reader }, &stop()).unwrap();
        let error = rows.find_map(Result::err).unwrap();
        assert!(matches!(error, InputError::Read { .. }), "{error}");
        assert!(error.is_fatal() && rows.next().is_none());
    }
}

#[test]
fn positions_stay_right_over_many_chunks() {
    let rows = 50_000;
    let text = format!("x,id\n{}", "\"a\nb\",abcd\r\n".repeat(rows));
    let reader = Box::new(Cursor::new(text));
    let name = "-".into();
    let read = open(Source::Stream { name, reader }, &stop()).unwrap();
    for (index, row) in read.enumerate() {
        let line = 3 + 2 * index as u64;
        assert_eq!(row.unwrap().position, Position { line, column: 4 });
    }
}
