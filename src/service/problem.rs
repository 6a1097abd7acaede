//! What is wrong with a service file: each with its place, and what to write instead.

use crate::task::Position;
use memchr::memchr_iter;
use std::fmt;
use std::iter;

/// What is wrong with a service file, or would be better otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProblem {
    /// Where it stands.
    pub place: Position,
    /// What is wrong there.
    pub message: String,
    /// What to write instead, if there is more to say.
    pub hint: Option<String>,
}

impl fmt::Display for ServiceProblem {
    /// Writes `17:9: what is wrong`, as it follows the name of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.message)
    }
}

/// The problems of a file so far.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    text: &'a str,
    /// Where each line begins: every rule and every problem has a place, so lines are counted once.
    lines: Vec<usize>,
    found: Vec<ServiceProblem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let ends = memchr_iter(b'\n', text.as_bytes());
        let lines = iter::once(0).chain(ends.map(|end| end + 1)).collect();
        Self { text, lines, found: Vec::new() }
    }

    /// Adds what is wrong at a byte of the file.
    pub(super) fn add(&mut self, at: usize, message: impl Into<String>) {
        let place = self.place(at);
        self.found.push(ServiceProblem { place, message: message.into(), hint: None });
    }

    /// Adds what is wrong at a byte of the file, and what to write instead.
    pub(super) fn add_with_hint(
        &mut self,
        at: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(at, message);
        if let Some(last) = self.found.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    /// Returns the place of a byte of the file.
    pub(super) fn place(&self, at: usize) -> Position {
        let mut end = at.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.lines.partition_point(|&start| start <= end);
        let start = self.lines[line - 1];
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Position { line: number(line), column: number(self.text[start..end].chars().count() + 1) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns all of them, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<ServiceProblem> {
        self.found.sort_by_key(|problem| problem.place);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_the_characters_of_its_own() {
        let text = "é = 1\n\nä\r\nlast";
        let problems = Problems::new(text);
        // Every byte, and some behind the end, which counts as the end.
        for at in 0..text.len() + 3 {
            let before: String = text
                .char_indices()
                .filter(|(n, c)| n + c.len_utf8() <= at)
                .map(|(_, c)| c)
                .collect();
            let place = problems.place(at);
            let line = before.matches('\n').count() as u64 + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
            assert_eq!((place.line, place.column), (line, column), "byte {at}");
        }
        assert_eq!(Problems::new("").place(0), Position { line: 1, column: 1 });
    }
}
