//! The text below the flags of each command, in paragraphs.
//!
//! The texts are written in lines of our own width. A narrower terminal would break each of them once
//! more, so the lines of a paragraph become one, which clap wraps.

use clap::Command;

/// Joins the lines of each paragraph below the flags of a command, and of those below it.
pub(crate) fn in_paragraphs(command: Command) -> Command {
    let text = command.get_after_help().map(|text| joined(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(in_paragraphs)
}

/// Joins the lines of each paragraph. What is indented, such as an example, keeps its lines.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut is_open = false;
    for line in text.lines() {
        let is_prose = !line.is_empty() && !line.starts_with(' ');
        if !joined.is_empty() {
            joined.push(if is_open && is_prose { ' ' } else { '\n' });
        }
        joined.push_str(line);
        is_open = is_prose;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_paragraph_become_one_and_examples_keep_theirs() {
        let text =
            "One goes on\nhere.\n\nAnother one\nas well:\n\n  a  b\n     c\n\nExamples:\n  x\n  y";
        let expected =
            "One goes on here.\n\nAnother one as well:\n\n  a  b\n     c\n\nExamples:\n  x\n  y";
        assert_eq!(joined(text), expected);
    }
}
