//! Finds the columns of the ids and of the commands, and names the others.
//!
//! Pure. Names are compared without case, blanks and underscores. If two columns match, that
//! is an error: the wrong column would stop the wrong tasks.

use super::condition::Condition;
use super::error::{ColumnProblem, Role};
use super::{CommandSource, Header, InputOptions, TargetChoice, level_check, results_header};
use crate::task::{Command, TARGET_COLUMN};
use crate::text::{is_same_name, unguarded};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The default names of the ids' column, in this order.
pub(super) const ID_NAMES: [&str; 3] = ["id", "batch_task_id", "task_id"];
/// The default name of the commands' column.
const COMMAND_NAME: &str = "command";
/// The default index of the commands' column if there is no header.
const NAMELESS_COMMAND: usize = 1;

/// The purpose of each cell of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The index of the id.
    pub(super) id: usize,
    /// The source of the command.
    pub(super) command: CommandCell,
    /// The index of the target, if a column names it.
    pub(super) target: Option<usize>,
    /// The number of cells in a row.
    pub(super) width: usize,
    /// The indices of the other columns, without those that batchctl wrote in an earlier run.
    pub(super) others: Vec<usize>,
    /// The names of the other columns.
    pub(super) columns: Vec<String>,
    /// The conditions, each with the index of its cell.
    pub(super) conditions: Vec<(usize, Condition)>,
}

/// The source of a row's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandCell {
    /// Every row has this command.
    Fixed(Command),
    /// The command is in the cell of this index.
    At(usize),
}

impl Layout {
    /// Returns the layout that the first row defines.
    pub(super) fn from_header(
        first: &[String],
        options: &InputOptions,
    ) -> Result<Self, ColumnProblem> {
        let (id, command) = match options.header {
            Header::Present => {
                let (id, command) = named(first, options)?;
                level_check::check(first, id, options)?;
                (id, command)
            }
            Header::Absent => numbered(first.len(), options)?,
        };
        if command == CommandCell::At(id) {
            return Err(ColumnProblem::Shared { index: id });
        }
        let target = target(first, options)?;
        let is_read = |index: usize| index == id || command == CommandCell::At(index);
        let (others, columns) = match options.header {
            Header::Present => {
                let mut ours = results_header::written_by_us(first);
                if options.targets.is_some() {
                    // Results have it anew; of another table it is a column like all others.
                    let of_results = ours.contains(&true);
                    for (index, name) in first.iter().enumerate() {
                        let is_target = name == TARGET_COLUMN;
                        ours[index] |= is_target && (of_results || target == Some(index));
                    }
                }
                let others = (0..first.len()).filter(|&index| !is_read(index) && !ours[index]);
                let others: Vec<usize> = others.collect();
                let names: Vec<Cow<'_, str>> =
                    others.iter().map(|&index| unguarded(&first[index])).collect();
                let columns = unique(&names.iter().map(|name| &**name).collect::<Vec<_>>());
                (others, columns)
            }
            Header::Absent => {
                let others: Vec<usize> =
                    (0..first.len()).filter(|&index| !is_read(index)).collect();
                let columns = others.iter().copied().map(numbered_name).collect();
                (others, columns)
            }
        };
        let conditions = conditions(first, id, command, options)?;
        Ok(Self { id, command, target, width: first.len(), others, columns, conditions })
    }
}

/// Finds the columns of the conditions: also those that batchctl wrote in an earlier run.
fn conditions(
    first: &[String],
    id: usize,
    command: CommandCell,
    options: &InputOptions,
) -> Result<Vec<(usize, Condition)>, ColumnProblem> {
    let mut names: Vec<String> = match options.header {
        Header::Present => first.iter().map(|name| unguarded(name).into_owned()).collect(),
        Header::Absent => (0..first.len()).map(numbered_name).collect(),
    };
    if options.header == Header::Absent {
        names[id] = ID_NAMES[0].into();
        if let CommandCell::At(index) = command {
            names[index] = COMMAND_NAME.into();
        }
    }
    let index_of = |condition: &Condition| {
        let mut same =
            (0..names.len()).filter(|&index| is_same_name(condition.column(), &names[index]));
        match (same.next(), same.next()) {
            (Some(index), None) => Ok((index, condition.clone())),
            (Some(first), Some(second)) => {
                let column = condition.column().into();
                Err(ColumnProblem::Repeated { column, first, second })
            }
            (None, _) => Err(ColumnProblem::Unconditional {
                column: condition.column().into(),
                columns: names.clone(),
            }),
        }
    };
    options.conditions.iter().map(index_of).collect()
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

/// Finds the column that names the targets.
fn target(first: &[String], options: &InputOptions) -> Result<Option<usize>, ColumnProblem> {
    let Some(TargetChoice::Column { column, .. }) = &options.targets else { return Ok(None) };
    match options.header {
        Header::Present => find(first, Role::Target, &[column.as_str()]).map(Some),
        Header::Absent => index(Role::Target, column, first.len()).map(Some),
    }
}

/// Finds the columns by their numbers.
fn numbered(width: usize, options: &InputOptions) -> Result<(usize, CommandCell), ColumnProblem> {
    let id = match &options.id_column {
        Some(column) => index(Role::Id, column, width)?,
        None => 0,
    };
    let command = match &options.command {
        CommandSource::Fixed(command) => CommandCell::Fixed(*command),
        // The default name is set even if nobody gave it, so here it stands for the default column.
        CommandSource::Column(name) if is_same_name(name, COMMAND_NAME) => {
            let number = (NAMELESS_COMMAND + 1).to_string();
            CommandCell::At(index(Role::Command, &number, width)?)
        }
        CommandSource::Column(number) => CommandCell::At(index(Role::Command, number, width)?),
    };
    Ok((id, command))
}

/// Returns the possible names of the ids' column.
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

/// Finds the only column with the first of these names that occurs.
fn find(header: &[String], role: Role, wanted: &[&str]) -> Result<usize, ColumnProblem> {
    // Name by name, not column by column: `id` wins over `task_id` wherever the two are.
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

/// Returns the index for a column number, which counts from 1.
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

fn numbered_name(index: usize) -> String {
    format!("column_{}", index + 1)
}

/// Returns the names with a number behind each repeated one.
fn unique(names: &[&str]) -> Vec<String> {
    // The last number is kept by name: counting up from 1 each time would be quadratic.
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

/// Returns the name with the next number, so that no name of the header is repeated.
fn renamed(name: &str, last: &mut u64, given: &HashSet<&str>) -> String {
    // It ends: the header has finitely many names.
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
    use crate::input::Lists;

    fn options(id_column: Option<&str>, header: Header) -> InputOptions {
        InputOptions {
            lists: Lists::Accepted,
            id_column: id_column.map(Into::into),
            header,
            ..InputOptions::new(CommandSource::Column("command".into()))
        }
    }

    fn layout(first: &[&str], options: &InputOptions) -> Result<Layout, ColumnProblem> {
        let first: Vec<String> = first.iter().map(|&name| name.into()).collect();
        Layout::from_header(&first, options)
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
