//! The words of errors that show what was read.

use crate::task::Command;
use crate::text::{grouped, plural, printable};

/// How much of a foreign text a message shows, in columns.
const SHOWN_COLUMNS: usize = 60;
/// How many columns a message lists by name.
const LISTED_COLUMNS: usize = 12;

/// Returns a foreign text as messages show it.
pub(super) fn shown(text: &str) -> String {
    printable(text, SHOWN_COLUMNS)
}

pub(super) fn quoted(text: &str) -> String {
    // `TaskIdError` says already that the id is empty; empty quotes would add nothing.
    if text.is_empty() {
        return String::new();
    }
    format!("`{}` is not an id: ", shown(text))
}

pub(super) fn quoted_command(text: &str) -> String {
    if text.trim().is_empty() {
        return "the command is empty; ".into();
    }
    format!("`{}` is not a command; ", shown(text.trim()))
}

pub(super) fn actions(known: &[Command]) -> String {
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    alternatives(&names)
}

pub(super) fn cells(count: usize) -> String {
    plural(count as u64, "cell", "cells")
}

/// Writes "`a`, `b` or `c`".
pub(super) fn alternatives(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Writes "are `a`, `b` and 3 more".
pub(super) fn listed(columns: &[String]) -> String {
    let verb = if columns.len() == 1 { "is" } else { "are" };
    let names: Vec<String> =
        columns.iter().take(LISTED_COLUMNS).map(|name| format!("`{}`", shown(name))).collect();
    let names = names.join(", ");
    // A spreadsheet may have thousands of columns; the message has to stay readable.
    match columns.len().saturating_sub(LISTED_COLUMNS) {
        0 => format!("{verb} {names}"),
        more => format!("{verb} {names} and {} more", grouped(more as u64)),
    }
}

/// Returns a name quoted for a shell, so that a hint can be copied.
pub(super) fn word(name: &str) -> String {
    let name = shown(name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name;
    }
    // POSIX: nothing is special between single quotes, except the quote itself.
    format!("'{}'", name.replace('\'', r"'\''"))
}
