//! Hints: what helps against an error of an input, as far as it is known.
//!
//! A hint is a guess about what was meant, and nothing else may depend on one. Pure. Hints are
//! computed only for errors that are shown, so they may be slow.

use super::error::{ColumnProblem, InputError, JqFilter, Role, RowProblem, WidthReason};
use super::error_words::{shown, word};
use super::file_kind::FileKind;
use super::likely_id::likely_id;
use super::stray_line;
use super::stray_line::StrayLine;
use crate::task::{TaskId, TaskIdError};
use crate::text::plain_name;
use std::io;
use std::path::Path;

/// The name of standard input, which `jq` would take for a file.
const STANDARD_INPUT: &str = "-";

/// The length of the longest text that is compared. A longer one is not a misspelt name, and the
/// comparison takes memory for the product of both lengths.
const LONGEST_NAME: usize = 256;
/// The least likeness, from 0 to 1, at which one name is offered for another.
const ALIKE: f64 = 0.7;
/// A shorter text may also be an ordinary word.
const SHORTEST_CERTAIN_ID: usize = 8;
/// The advice for a column that a spreadsheet converted to numbers.
const FORMAT_AS_TEXT: &str = "format the column as text and export it again";

impl InputError {
    /// Returns what can be done about the error, if anything is known to help.
    pub fn hint(&self) -> Option<String> {
        about(self)
    }
}

fn about(error: &InputError) -> Option<String> {
    match error {
        InputError::Open { name, nearest, source } => {
            about_opening(name, nearest.as_deref(), source)
        }
        InputError::Directory { name } => {
            Some(format!("name its files, such as `{}/*.csv`", shown(name)))
        }
        InputError::NotText { name, kind } => Some(about_kind(name, *kind)),
        InputError::Json { name, filter } => Some(about_json(name, filter.as_ref())),
        InputError::Read { .. } => None,
        InputError::NoCommands { column, .. } => Some(format!(
            "give a CSV with a column `{}`, or use `batchctl start` or `batchctl stop`",
            shown(column)
        )),
        InputError::NoColumns { .. } => {
            Some("name the format with `--format csv`, or leave `--id-column` out".into())
        }
        InputError::NoCondition { .. } => Some("give a table with that column".into()),
        InputError::Delimiter { .. } => Some(
            "`--delimiter` takes one ASCII character that ids do not contain, such as `;`".into(),
        ),
        InputError::Columns { problem, .. } => about_columns(problem),
        InputError::Row { name, problem, .. } => about_row(name, problem),
    }
}

fn about_opening(name: &str, nearest: Option<&str>, error: &io::Error) -> Option<String> {
    if let Some(nearest) = nearest {
        return Some(format!("did you mean `{}`?", shown(nearest)));
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Some("the file must be readable for the user who runs batchctl".into());
    }
    if error.kind() != io::ErrorKind::NotFound {
        return None;
    }
    let path = Path::new(name);
    let folder = path.parent().filter(|_| path.is_absolute());
    Some(match folder {
        Some(folder) => format!("`ls {}` shows what is there", word(&folder.to_string_lossy())),
        None => "a relative name is looked for where batchctl runs; cron runs it in the home \
                 directory"
            .into(),
    })
}

fn about_kind(name: &str, kind: FileKind) -> String {
    match kind {
        FileKind::Workbook => "save the sheet as `CSV UTF-8` and give that file".into(),
        FileKind::Zip => format!("unpack it: `unzip -p {} | batchctl … -`", word(name)),
        FileKind::Gzip => format!("unpack it: `gunzip -c {} | batchctl … -`", word(name)),
        FileKind::UnmarkedUtf16 => "save it as UTF-8".into(),
        FileKind::Pdf | FileKind::Unknown => "give a CSV file or a list with one id a line".into(),
    }
}

fn about_columns(problem: &ColumnProblem) -> Option<String> {
    match problem {
        ColumnProblem::Missing { role, wanted, columns } => {
            Some(about_missing(*role, wanted, columns))
        }
        ColumnProblem::Unconditional { column, columns } => {
            Some(match nearest_column(std::slice::from_ref(column), columns) {
                Some(column) => format!("did you mean `--where {}=…`?", word(column)),
                None => "`--where` takes a condition on a column of the input".into(),
            })
        }
        ColumnProblem::Repeated { .. } => Some("rename one of them".into()),
        ColumnProblem::Nameless { role, .. } | ColumnProblem::NoSuchNumber { role, .. } => {
            Some(format!("`{} 2` is the second column", role.flag()))
        }
        ColumnProblem::Shared { .. } => {
            Some(format!("`{}` and `{}` say which is which", Role::Id.flag(), Role::Command.flag()))
        }
        ColumnProblem::SubTasks => Some(
            "`start` and `stop` act on them with `--level task`, or on their batch tasks with \
             `--id-column batch_id`"
                .into(),
        ),
        ColumnProblem::BatchTasks => {
            Some("leave out `--level task`, or name their sub-tasks with `batchctl tasks`".into())
        }
        ColumnProblem::Unreadable(problem) => about_row("FILE", problem),
    }
}

fn about_missing(role: Role, wanted: &[String], columns: &[String]) -> String {
    // From the surest sign to the vaguest: a wrong kind of file explains every missing column.
    let first = columns.first().map_or("", |name| name.trim_start());
    if first.starts_with('<') {
        return "this looks like a web page; give a CSV file".into();
    }
    // An id in the header can only be a task: the file has no header.
    if columns.iter().any(|name| is_certainly_id(name)) {
        return "the first row looks like a task, not like a header; `--no-header` takes it so"
            .into();
    }
    let flag = role.flag();
    match nearest_column(wanted, columns) {
        Some(column) => format!("did you mean `{flag} {}`?", word(column)),
        None => format!("`{flag} NAME` says which column it is"),
    }
}

/// Returns the command that makes an input of JSON.
fn about_json(name: &str, filter: Option<&JqFilter>) -> String {
    let Some(JqFilter { filter, has_commands }) = filter else {
        return "give a CSV file or a list with one id a line; `jq` takes ids out of JSON".into();
    };
    let flags = if *has_commands { " --no-header" } else { "" };
    if name == STANDARD_INPUT {
        return format!("take the ids out of it: `… | jq -r '{filter}' | batchctl … -{flags}`");
    }
    let name = word(name);
    format!("take the ids out of it: `jq -r '{filter}' {name} | batchctl … -{flags}`")
}

/// Returns whether a text is an id, and not a plausible name of a column.
fn is_certainly_id(text: &str) -> bool {
    text.len() >= SHORTEST_CERTAIN_ID
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && TaskId::check(text).is_ok()
}

fn nearest_column<'a>(wanted: &[String], columns: &'a [String]) -> Option<&'a str> {
    let plain = |name: &str| plain_name(name).collect::<String>();
    let alike = |column: &&str| {
        let column = plain(column);
        let likeness = wanted.iter().map(|name| likeness(&plain(name), &column));
        likeness.fold(0.0, f64::max)
    };
    let columns = columns.iter().map(String::as_str);
    let (column, likeness) = columns
        .map(|column| (column, alike(&column)))
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    (likeness >= ALIKE).then_some(column)
}

/// Returns the name that is most like `wanted`, if one is similar enough.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (name, likeness) = names
        .map(|name| (name, likeness(wanted, name)))
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    (likeness >= ALIKE).then_some(name)
}

/// Returns the likeness of two names from 0 to 1; a name that ends with the wanted one counts 1.
fn likeness(wanted: &str, name: &str) -> f64 {
    if wanted.len().max(name.len()) > LONGEST_NAME {
        return 0.0;
    }
    // The edit distance between `id` and `camera_id` is large, yet it is the obvious candidate.
    if wanted.len() > 1 && name.ends_with(wanted) {
        return 1.0;
    }
    strsim::normalized_damerau_levenshtein(wanted, name)
}

fn about_row(name: &str, problem: &RowProblem) -> Option<String> {
    match problem {
        RowProblem::Id { text, error } => about_id(text, *error),
        RowProblem::Command { text } => about_command(text, &["start", "stop"]),
        RowProblem::Action { text, known } => {
            let known: Vec<&str> = known.iter().map(|command| command.as_str()).collect();
            about_command(text, &known)
        }
        RowProblem::IdPattern { .. } => {
            Some("see `[id]` of the service's file, which says what ids look like".into())
        }
        RowProblem::Cells { reason, .. } => Some(match reason {
            Some(reason) => about_width(*reason).into(),
            None => "every row needs as many cells as the first".into(),
        }),
        RowProblem::Rule { .. } => Some(about_stray_line(StrayLine::Rule).into()),
        RowProblem::TextAfterQuote { .. } => {
            Some("a quote inside a quoted cell is written twice: `\"\"`".into())
        }
        RowProblem::UnclosedQuote | RowProblem::LongQuote => {
            Some("close it, or write it twice if it belongs to a quoted text".into())
        }
        RowProblem::TooLong => Some("end every row with a line break; leave long cells out".into()),
        RowProblem::Heading { .. } => {
            Some("a heading can be the first line only; remove this one".into())
        }
        RowProblem::NotUtf8 { .. } => Some(format!(
            "export it as UTF-8, or convert it: `iconv -f latin1 -t utf-8 {}`",
            word(name)
        )),
        RowProblem::Nul => Some("the file may be damaged; export it again".into()),
    }
}

fn about_width(reason: WidthReason) -> &'static str {
    match reason {
        WidthReason::StrayLine(line) => about_stray_line(line),
        WidthReason::Delimiter => "a cell that contains the delimiter must stand in quotes",
        WidthReason::LineBreak => "a cell that contains a line break must stand in quotes",
        WidthReason::LastCells => {
            "its last cells are missing; an empty cell needs its delimiter, too"
        }
        WidthReason::OtherDelimiter => "another delimiter separates its cells than those above",
    }
}

fn about_stray_line(line: StrayLine) -> &'static str {
    match line {
        StrayLine::Comment => {
            "this looks like a comment; delete the line, because only lists have comments"
        }
        StrayLine::RowCount => {
            "this looks like the row count of a database client; delete the line"
        }
        StrayLine::Total => "this looks like a line of totals; delete it",
        StrayLine::Rule => "this line only separates others; delete it",
        StrayLine::EndMark => "this is Ctrl-Z, the end mark of DOS; delete the character",
    }
}

fn about_command(text: &str, known: &[&str]) -> Option<String> {
    let wanted = text.trim().to_ascii_lowercase();
    Some(match nearest(&wanted, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "every row needs one of them; delete the row if it is not meant".into(),
    })
}

/// Returns the hint for a text that is not an id.
fn about_id(text: &str, error: TaskIdError) -> Option<String> {
    // The order matters: the surest guess comes first, and later checks accept more texts.
    if text.is_empty() {
        return Some("every row needs an id; delete the row if it is not meant".into());
    }
    if stray_line::is_error_value(text) {
        return Some("a formula of the spreadsheet came to nothing; repair it".into());
    }
    if is_no_value(text) {
        return Some("the export had no value here; delete the row or give its id".into());
    }
    if is_date(text) {
        return Some(format!("a spreadsheet turned the id into a date; {FORMAT_AS_TEXT}"));
    }
    if is_number(text) {
        return Some(format!("a spreadsheet turned the id into a number; {FORMAT_AS_TEXT}"));
    }
    // Real ids are long; a short number has probably lost zeros at its front.
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < SHORTEST_CERTAIN_ID {
        return Some(format!("a spreadsheet may have taken its leading zeros; {FORMAT_AS_TEXT}"));
    }
    if let Some(line) = stray_line::recognise(text) {
        return Some(about_stray_line(line).into());
    }
    about_markup(text)
        .or_else(|| about_path(text))
        .or_else(|| about_several(text))
        .or_else(|| likely_id(text).map(|id| format!("did you mean `{id}`?")))
        .or_else(|| about_character(error))
        .or_else(|| Some("`batchctl list` shows the ids of the project".into()))
}

/// Returns whether a text is a program's word for a missing value.
fn is_no_value(text: &str) -> bool {
    const WORDS: [&str; 7] = ["null", "none", "nil", "nan", "n/a", "undefined", "-"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Returns whether a text is a number as spreadsheets write them, such as `1.2E+15`.
fn is_number(text: &str) -> bool {
    // Digits alone are excluded: an id may consist of them.
    let belongs = |c: char| c.is_ascii_digit() || ".,'+-eE".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(belongs)
        && text.contains(['.', ',', '+', 'E'])
}

/// Returns whether a text is a date as spreadsheets write them, such as `5/7/2024` or `5-Jul-24`.
fn is_date(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let is_number = |part: &str| part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    let is_month = |part: &str| MONTHS.iter().any(|month| part.eq_ignore_ascii_case(month));
    let parts: Vec<&str> = text.split(['/', '.', '-', ' ']).filter(|p| !p.is_empty()).collect();
    let numbers = parts.iter().filter(|part| is_number(part)).count();
    let months = parts.iter().filter(|part| is_month(part)).count();
    numbers + months == parts.len() && matches!((numbers, months), (3, 0) | (1 | 2, 1))
}

/// Returns the hint for a text of a language that is not that of lists.
fn about_markup(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if ["<!doctype", "<html", "<?xml"].iter().any(|start| lower.starts_with(start)) {
        return Some("this looks like a web page; give a CSV file or a list".into());
    }
    if text.starts_with('=') {
        return Some("this is a formula of a spreadsheet; export its values".into());
    }
    if text.contains('%') {
        return Some("this may be percent-encoded; write the id itself".into());
    }
    let is_around = |start, end| text.starts_with(start) && text.ends_with(end);
    let is_placeholder = text.starts_with('$') || is_around('{', '}') || is_around('<', '>');
    (is_placeholder && likely_id(text).is_none())
        .then(|| "this is a placeholder, and nothing was put in its place".into())
}

/// Returns the hint for a path or an address, whose last part may be the id.
fn about_path(text: &str) -> Option<String> {
    if let Some((before, _)) = text.split_once('?')
        && TaskId::check(before).is_ok()
    {
        return Some(format!("did you mean `{before}`?"));
    }
    if !text.contains(['/', '\\']) {
        return None;
    }
    // From the end, because the id follows the names of its collections; `?` cuts off a query.
    let mut parts = text.rsplit(['/', '\\', '?']);
    match parts.find(|part| is_certainly_id(part)) {
        Some(id) => Some(format!("did you mean `{id}`?")),
        None => Some("this is a path or an address; files are given without `--id`".into()),
    }
}

/// Returns the hint for a cell or a line with several ids.
fn about_several(text: &str) -> Option<String> {
    let is_gap = |c: char| c.is_whitespace() || ",;|".contains(c);
    let mut parts = text.split(is_gap).filter(|part| !part.is_empty());
    let first = parts.next()?;
    let mut parts = parts.peekable();
    parts.peek()?;
    // Words of a sentence are separated like ids; between blanks only parts that cannot be words
    // count. Ids of one list are alike, and the halves of a broken one are not.
    let is_row_of_ids = |part: &str| part.contains(['-', '_']) && likeness(first, part) >= ALIKE;
    let is_id = |part: &str| match text.contains(char::is_whitespace) {
        true => is_certainly_id(part) || (TaskId::check(part).is_ok() && is_row_of_ids(part)),
        false => TaskId::check(part).is_ok(),
    };
    (is_id(first) && parts.all(is_id)).then(|| "these are several ids; write one a row".into())
}

fn about_character(error: TaskIdError) -> Option<String> {
    match error {
        TaskIdError::Character { character, .. } if !character.is_ascii() => {
            Some(format!("the character is U+{:04X}; ids are ASCII", u32::from(character)))
        }
        TaskIdError::Character { character, .. } | TaskIdError::NeverInIds { character, .. }
            if character.is_control() =>
        {
            Some("this comes from a terminal or a damaged file; export the ids again".into())
        }
        TaskIdError::Character { .. }
        | TaskIdError::Empty
        | TaskIdError::TooShort { .. }
        | TaskIdError::TooLong { .. }
        | TaskIdError::TooManyBytes { .. }
        | TaskIdError::DotSegment
        | TaskIdError::NeverInIds { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let error = TaskId::check(text).unwrap_err();
        let hint = about_id(text, error);
        match expected {
            Some(part) => assert!(hint.clone().unwrap().contains(part), "{text:?}: {hint:?}"),
            None => assert_eq!(hint, None, "{text:?}"),
        }
    }

    #[test]
    fn what_spreadsheets_do_to_ids_is_told() {
        check("1.2E+15", Some("turned the id into a number"));
        check("1,234,567", Some("turned the id into a number"));
        check("123456.0", Some("turned the id into a number"));
        check("5/7/2024", Some("turned the id into a date"));
        check("05-Jul-24", Some("turned the id into a date"));
        check("5. Jul", Some("turned the id into a date"));
        check("=A1", Some("formula"));
        check("42", Some("leading zeros"));
        check("#N/A", Some("formula"));
        check("#DIV/0!", Some("formula"));
        check("NULL", Some("no value here"));
        check("nan", Some("no value here"));
        check("", Some("every row needs an id"));
    }

    #[test]
    fn the_likely_id_is_offered() {
        check("0D47BBF5", Some("did you mean `0d47bbf5`?"));
        check("0d47 bbf5", Some("did you mean `0d47bbf5`?"));
        check("{0d47bbf5}", Some("did you mean `0d47bbf5`?"));
        check("0d47bbf5,", Some("did you mean `0d47bbf5`?"));
        check("саmera-1", Some("did you mean `camera-1`?"));
        check("cam−１", Some("did you mean `cam-1`?"));
        check("“0d47bbf5”", Some("did you mean `0d47bbf5`?"));
        check("0d47\u{ad}bbf5", Some("did you mean `0d47bbf5`?"));
        check("- gate-1", Some("did you mean `gate-1`?"));
        check("2. gate-1", Some("did you mean `gate-1`?"));
        check("https://vias/v1/p/batch-tasks/0d47bbf5?x=1", Some("did you mean `0d47bbf5`?"));
    }

    #[test]
    fn what_is_no_single_id_is_told() {
        check("./tasks.csv", Some("a path or an address"));
        check("0d47bbf5, 0d47bbf6", Some("several ids"));
        check("gate-1 gate-2 gate-3", Some("several ids"));
        check("gate-1, gate-2", Some("several ids"));
        check("gate-1\tgate-2", Some("several ids"));
        check("gate - 1", Some("did you mean `gate-1`?"));
        check("north door", Some("did you mean `northdoor`?"));
        check("(2 rows)", Some("row count"));
        check("Total", Some("line of totals"));
        check("# gate-1", Some("comment"));
        check("äbcd", Some("U+00E4"));
        check("gate-1;gate-2", Some("several ids"));
        check("gate-1?x=1", Some("did you mean `gate-1`?"));
        check("{id}", Some("placeholder"));
        check("$ID", Some("placeholder"));
        check("<html><body>", Some("web page"));
        check("%67ate-1", Some("percent-encoded"));
        check("ab\u{1b}[0m", Some("terminal"));
        check("ab$cd", Some("`batchctl list`"));
        check("xyz", Some("`batchctl list`"));
    }

    #[test]
    fn a_like_column_is_offered() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&n| n.into()).collect() };
        let hint = |columns: &[&str]| about_missing(Role::Id, &names(&["id"]), &names(columns));
        assert_eq!(hint(&["name", "Camera ID"]), "did you mean `--id-column 'Camera ID'`?");
        assert_eq!(hint(&["a", "b"]), "`--id-column NAME` says which column it is");
        assert!(hint(&["0d47bbf5", "x"]).contains("--no-header"));
        assert!(hint(&["<!DOCTYPE html>"]).contains("web page"));
    }

    #[test]
    fn a_like_command_is_offered() {
        assert_eq!(
            about_command(" Strat ", &["start", "stop"]),
            Some("did you mean `start`?".into())
        );
        assert_eq!(about_command("STOPP", &["start", "stop"]), Some("did you mean `stop`?".into()));
        assert_eq!(
            about_command("restart", &["start", "stop"]),
            Some("did you mean `start`?".into())
        );
        assert!(
            about_command("delete", &["start", "stop"]).unwrap().contains("every row needs one")
        );
    }
}
