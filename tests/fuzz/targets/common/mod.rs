//! What several targets share: a choice from the first byte, and readers of rows and drafts.

#![allow(dead_code, reason = "each target uses a part")]

use batchctl::input::{self, InputError, InputOptions, Row, Source};
use batchctl::service::{Draft, ServiceFile};
use std::io::{self, Read};

/// Takes the first byte, by which a target chooses.
pub fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Gives so many bytes at a time, as a slow pipe does.
struct Trickle(Vec<u8>, usize, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(bytes, at, most) = self;
        let length = (*most).min(bytes.len() - *at).min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[*at..*at + length]);
        *at += length;
        Ok(length)
    }
}

/// What was read of an input.
#[derive(Debug)]
pub struct Seen {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    pub errors: Vec<InputError>,
}

/// Checks that two readings say the same.
#[track_caller]
pub fn assert_same(one: &Result<Seen, InputError>, other: &Result<Seen, InputError>, way: &str) {
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (one, other) => {
            let reason = |read: &Result<Seen, InputError>| Some(read.as_ref().err()?.to_string());
            return assert_eq!(reason(one), reason(other), "{way}");
        }
    };
    assert_eq!((&one.columns, &one.rows), (&other.columns, &other.rows), "{way}");
    // Errors hold those of the system, which cannot be compared.
    assert_eq!(format!("{:?}", one.errors), format!("{:?}", other.errors), "{way}");
}

/// Reads an input, and checks that each refusal is safe to show and names its line.
pub fn read(bytes: &[u8], options: &InputOptions, at_a_time: usize) -> Result<Seen, InputError> {
    let reader = Box::new(Trickle(bytes.to_vec(), 0, at_a_time));
    let opened = input::open(Source::Stream { name: "-".into(), reader }, options);
    let opened = opened.inspect_err(check_safe)?;
    let columns = opened.columns().to_vec();
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for row in opened {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => {
                check_safe(&error);
                let position = error.position().expect("a row has a position");
                assert!((1..=lines as u64).contains(&position.line), "{error}");
                assert!(position.column > 0, "{error}");
                errors.push(error);
            }
        }
    }
    Ok(Seen { columns, rows, errors })
}

fn check_safe(error: &InputError) {
    let text = format!("{error} {}", error.hint().unwrap_or_default());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Writes rows as a table, all cells in quotes.
pub fn written(seen: &Seen) -> String {
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut text = String::from("id,command");
    (0..seen.columns.len()).for_each(|n| text.push_str(&format!(",x{n}")));
    text.push('\n');
    for row in &seen.rows {
        let mut cells = vec![quoted(row.id.as_str()), quoted(&row.command.to_string())];
        let others = row.others.as_deref().unwrap_or("[]");
        let others: Vec<String> = serde_json::from_str(others).expect("others are a list of texts");
        assert_eq!(others.len(), seen.columns.len(), "{row:?}");
        cells.extend(others.iter().map(|cell| quoted(&batchctl::text::guarded(cell))));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// Checks that a draft is a service file once its meanings are filled in, or says what else is to
/// be mended.
pub fn check_draft(draft: &Draft) {
    let filled = draft.text.replace("means = \"?\"", "means = \"refused\"");
    for problem in ServiceFile::read(&filled).err().into_iter().flatten() {
        let note = format!("line {} of the draft: {}", problem.place.line, problem.message);
        assert!(draft.notes.contains(&note), "{problem:?}\n{:?}\n{filled}", draft.notes);
        let is_toml = problem.hint.is_none_or(|hint| !hint.starts_with("the file is TOML"));
        assert!(is_toml, "{filled}");
    }
}
