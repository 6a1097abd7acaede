//! Finds the columns of the ids and of the commands, and names the others.
//!
//! Pure. A name is the same whatever its case, blanks and underscores; but where two columns
//! could be meant, it is an error, never a choice.

use super::CommandSource;
use super::Header;
use super::InputOptions;
use super::error::ColumnProblem;
use super::error::Role;
use super::id_cell;
use crate::task::Command;
use crate::text::unguarded;
use std::collections::HashMap;
use std::collections::HashSet;

/// What the column of the ids is called if nobody says otherwise, in this order.
const ID_NAMES: [&str; 3] = ["id", "batch_task_id", "task_id"];
/// What the column of the commands is called if nobody says otherwise.
const COMMAND_NAME: &str = "command";
/// The index of the commands' column where there is no header.
const NAMELESS_COMMAND: usize = 1;

/// Which cell of a row is what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The index of the id.
    pub(super) id: usize,
    /// Where the command is.
    pub(super) command: CommandCell,
    /// How many cells a row has.
    pub(super) width: usize,
    /// The names of the other columns.
    pub(super) columns: Vec<String>,
}

/// Where a row's command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandCell {
    /// Every row has this one.
    Fixed(Command),
    /// In the cell of this index.
    At(usize),
}

impl Layout {
    /// Returns the layout that the first row stands for.
    pub(super) fn of(first: &[String], options: &InputOptions) -> Result<Self, ColumnProblem> {
        let (id, command) = match options.header {
            Header::Present => named(first, options)?,
            Header::Absent => numbered(first.len(), options)?,
        };
        if command == CommandCell::At(id) {
            return Err(ColumnProblem::Shared { index: id });
        }
        let mut layout = Self { id, command, width: first.len(), columns: Vec::new() };
        layout.columns = match options.header {
            Header::Present => {
                unique(&layout.others().map(|index| unguarded(&first[index])).collect::<Vec<_>>())
            }
            Header::Absent => layout.others().map(numbered_name).collect(),
        };
        Ok(layout)
    }

    /// Returns the indices of the other columns.
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let (id, command) = (self.id, self.command);
        (0..self.width).filter(move |&index| index != id && command != CommandCell::At(index))
    }
}

/// Finds the columns in a header.
fn named(header: &[String], options: &InputOptions) -> Result<(usize, CommandCell), ColumnProblem> {
    let id = find(header, Role::Id, &id_names(options))?;
    let command = match &options.command {
        CommandSource::Fixed(command) => CommandCell::Fixed(*command),
        CommandSource::Column(name) => {
            CommandCell::At(find(header, Role::Command, &[name.as_str()])?)
        }
    };
    Ok((id, command))
}

/// Finds the columns by their numbers.
fn numbered(width: usize, options: &InputOptions) -> Result<(usize, CommandCell), ColumnProblem> {
    let id = match &options.id_column {
        Some(column) => index(Role::Id, column, width)?,
        None => 0,
    };
    let command = match &options.command {
        CommandSource::Fixed(command) => CommandCell::Fixed(*command),
        CommandSource::Column(name) if is_same_name(name, COMMAND_NAME) => {
            let number = (NAMELESS_COMMAND + 1).to_string();
            CommandCell::At(index(Role::Command, &number, width)?)
        }
        CommandSource::Column(number) => CommandCell::At(index(Role::Command, number, width)?),
    };
    Ok((id, command))
}

/// Returns the names the column of the ids may have.
pub(super) fn id_names(options: &InputOptions) -> Vec<&str> {
    match &options.id_column {
        Some(name) => vec![name],
        None => ID_NAMES.to_vec(),
    }
}

/// Returns the index of the ids' column if it was given by number.
pub(super) fn numbered_id(options: &InputOptions) -> Option<usize> {
    let number: usize = options.id_column.as_ref()?.trim().parse().ok()?;
    number.checked_sub(1)
}

/// Finds the one column that has the first of these names that any column has.
fn find(header: &[String], role: Role, wanted: &[&str]) -> Result<usize, ColumnProblem> {
    for name in wanted {
        let mut same = (0..header.len()).filter(|&index| is_same_name(&header[index], name));
        match (same.next(), same.next()) {
            (None, _) => {}
            (Some(index), None) => return Ok(index),
            (Some(first), Some(second)) => {
                return Err(ColumnProblem::Repeated { column: (*name).into(), first, second });
            }
        }
    }
    Err(ColumnProblem::Missing {
        role,
        wanted: wanted.iter().map(|&name| name.into()).collect(),
        columns: header.to_vec(),
    })
}

/// Returns the index that a number stands for.
fn index(role: Role, number: &str, width: usize) -> Result<usize, ColumnProblem> {
    let column = || number.to_owned();
    let Ok(parsed) = number.trim().parse::<usize>() else {
        return Err(ColumnProblem::Nameless { role, column: column() });
    };
    match parsed.checked_sub(1) {
        Some(index) if index < width => Ok(index),
        _ => Err(ColumnProblem::NoSuchNumber { role, column: column(), width }),
    }
}

/// Tells whether two names differ in nothing that matters.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    if plain(one).next().is_none() {
        return one.trim() == other.trim();
    }
    plain(one).eq(plain(other))
}

/// Returns what matters of a name: neither case nor blanks, joints, quotes or a leading `#`.
pub(super) fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars()
        .filter(|&c| !id_cell::is_blank(c) && !matches!(c, '_' | '-' | '#' | '"'))
        .flat_map(char::to_lowercase)
}

fn numbered_name(index: usize) -> String {
    format!("column_{}", index + 1)
}

/// Returns the names, with a number after those that were there before.
fn unique(names: &[&str]) -> Vec<String> {
    let given: HashSet<&str> = names.iter().copied().collect();
    let mut last_numbers: HashMap<&str, u64> = HashMap::new();
    names
        .iter()
        .map(|&name| match last_numbers.get_mut(name) {
            Some(last) => renamed(name, last, &given),
            None => {
                last_numbers.insert(name, 1);
                name.to_owned()
            }
        })
        .collect()
}

/// Returns the name with the next number that makes no name that was given.
fn renamed(name: &str, last: &mut u64, given: &HashSet<&str>) -> String {
    loop {
        *last += 1;
        let chosen = format!("{name}_{last}");
        if !given.contains(chosen.as_str()) {
            return chosen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(id_column: Option<&str>, header: Header) -> InputOptions {
        InputOptions {
            id_column: id_column.map(Into::into),
            header,
            ..InputOptions::new(CommandSource::Column("command".into()))
        }
    }

    fn layout(first: &[&str], options: &InputOptions) -> Result<Layout, ColumnProblem> {
        let first: Vec<String> = first.iter().map(|&name| name.into()).collect();
        Layout::of(&first, options)
    }

    fn check(first: &[&str], options: &InputOptions, expected: (usize, usize, &[&str])) {
        let found = layout(first, options).unwrap();
        assert_eq!(found.id, expected.0, "{first:?}");
        assert_eq!(found.command, CommandCell::At(expected.1), "{first:?}");
        assert_eq!(found.columns, expected.2, "{first:?}");
    }

    #[test]
    fn columns_are_found_whatever_the_case_and_joints_of_their_names() {
        let by_default = options(None, Header::Present);
        check(&["id", "command"], &by_default, (0, 1, &[]));
        check(&["Command", " Task ID\u{feff}"], &by_default, (1, 0, &[]));
        check(
            &["task_id", "Batch-Task Id", "command", "x"],
            &by_default,
            (1, 2, &["task_id", "x"]),
        );
        let by_name = options(Some("Camera Group"), Header::Present);
        check(&["id", "camera_group", "COMMAND"], &by_name, (1, 2, &["id"]));
        let by_symbol = options(Some("№"), Header::Present);
        check(&["#", "№", "command"], &by_symbol, (1, 2, &["#"]));
    }

    #[test]
    fn without_a_header_columns_are_found_by_number() {
        check(&["a", "b", "c"], &options(None, Header::Absent), (0, 1, &["column_3"]));
        check(&["a", "b", "c"], &options(Some("3"), Header::Absent), (2, 1, &["column_1"]));
    }

    #[test]
    fn other_columns_of_one_name_are_numbered() {
        check(
            &["id", "command", "x", "x", "x_2", "x", "", ""],
            &options(None, Header::Present),
            (0, 1, &["x", "x_3", "x_2", "x_4", "", "_2"]),
        );
    }

    #[test]
    fn a_column_that_could_be_another_is_an_error() {
        let by_default = options(None, Header::Present);
        let repeated = |column: &str, first, second| ColumnProblem::Repeated {
            column: column.into(),
            first,
            second,
        };
        assert_eq!(layout(&["id", "command", "ID"], &by_default), Err(repeated("id", 0, 2)));
        assert_eq!(
            layout(&["id", "command", "command"], &by_default),
            Err(repeated("command", 1, 2))
        );
        assert_eq!(
            layout(&["command", "x"], &options(Some("command"), Header::Present)),
            Err(ColumnProblem::Shared { index: 0 })
        );
        assert_eq!(
            layout(&["a", "b"], &options(Some("2"), Header::Absent)),
            Err(ColumnProblem::Shared { index: 1 })
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_an_error() {
        let column = String::from("4");
        assert_eq!(
            layout(&["a", "b"], &options(Some("4"), Header::Absent)),
            Err(ColumnProblem::NoSuchNumber { role: Role::Id, column, width: 2 })
        );
        let column = String::from("id");
        assert_eq!(
            layout(&["a", "b"], &options(Some("id"), Header::Absent)),
            Err(ColumnProblem::Nameless { role: Role::Id, column })
        );
        assert_eq!(
            layout(&["a", "b"], &options(None, Header::Present)),
            Err(ColumnProblem::Missing {
                role: Role::Id,
                wanted: ID_NAMES.map(Into::into).to_vec(),
                columns: vec!["a".into(), "b".into()],
            })
        );
    }
}
