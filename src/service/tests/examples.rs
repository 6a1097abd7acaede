//! The files that are shipped are right, whatever of them is opened.

use super::{problems, read};
use crate::service::{Method, ServiceFile, StateSource};

pub(super) const GENERIC: &str = include_str!("../../../examples/services/generic-rest.toml");

/// Opens the comments that begin like this, as a reader of the template would.
pub(super) fn opened(text: &str, marks: &[&str]) -> String {
    let line = |line: &str| {
        let mark = marks.iter().find(|&&mark| line.starts_with(mark));
        mark.map_or(line, |mark| line[mark.len()..].trim_start()).to_owned() + "\n"
    };
    text.lines().map(line).collect()
}

/// Leaves out a table.
pub(super) fn without(text: &str, table: &str) -> String {
    let start = text.find(table).unwrap();
    let end = text[start..].find("\n\n").unwrap() + start;
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn every_shipped_file_is_right_without_a_warning() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let found = ServiceFile::read(&text);
        let file = found.unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
        // Nova's own statuses and Keystone's are fewer than the usual ones, and told all the same.
        assert!(file.warnings.is_empty(), "{}: {:#?}", path.display(), file.warnings);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn the_template_is_right_with_every_comment_opened() {
    read(GENERIC);
    let by_id = opened(GENERIC, &["#:"]);
    assert!(matches!(read(&by_id).state.unwrap().from, StateSource::Get(_)));
    let by_list = opened(&without(&by_id, "[state.get]"), &["#|"]);
    assert!(matches!(read(&by_list).state.unwrap().from, StateSource::List(_)));
}

#[test]
fn the_template_is_right_with_any_one_comment_opened() {
    let settings: Vec<usize> = GENERIC
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("#: ") && line.contains(" = "))
        .map(|(number, _)| number)
        .collect();
    assert!(settings.len() > 25, "{settings:?}");
    for number in settings {
        let lines = GENERIC.lines().enumerate().map(|(at, line)| {
            if at == number { line[2..].trim_start().to_owned() } else { line.to_owned() }
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let line = GENERIC.lines().nth(number).unwrap();
        // What belongs to a table that is still a comment is no setting of its own.
        let is_of_comment = ["207", "counted", "/count/", "202", "\"done\""];
        if !is_of_comment.iter().any(|part| line.contains(part)) {
            assert_eq!(problems(&text), Vec::<String>::new(), "{line}");
        }
    }
}

#[test]
fn the_file_of_vias_says_what_is_built_in() {
    let vias = read(crate::service::VIAS.1);
    for (name, leads_to, opposite) in [("start", "running", "stop"), ("stop", "stopped", "start")] {
        let action = vias.action(name).unwrap();
        assert_eq!(action.method, Method::Put);
        assert!(action.repeatable);
        assert_eq!(action.leads_to.as_deref(), Some(leads_to));
        assert_eq!(action.opposite.as_deref(), Some(opposite));
    }
    assert!(vias.id.id("0d47bbf52962414bb7ae27fb6ea24230").is_ok());
    for text in ["abc", "abCd", "a.bcd", "ab\ncd", "abcd\n"] {
        assert!(vias.id.id(text).is_err(), "{text:?}");
    }
}
