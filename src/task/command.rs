//! What a run does to a task: a name that is kept once per process, so that a command is a number.
//!
//! The commands of VIAS are constants. Those of other services are the names of their actions, and
//! none of them is one of VIAS's, whatever its name: what `delete` leads to elsewhere is the service's
//! to say.

use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

/// What a run does to a task, in the service's own word.
///
/// ```
/// use batchctl::task::{Command, Repetition};
///
/// assert_eq!("Stop".parse(), Ok(Command::STOP));
/// let enable = Command::of_action("enable", Repetition::Harmless).unwrap();
/// assert_eq!(enable.as_str(), "enable");
/// assert!(Command::of_action("Enable it", Repetition::Harmless).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(u16);

/// Whether a second call of a command changes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Repetition {
    /// It changes nothing more, so that a call in doubt may be sent again.
    Harmless,
    /// It may, so that a call in doubt is never sent again.
    Harmful,
}

/// The actions of all services so far, by their numbers behind those of [`Command::ALL`].
///
/// None is given back: a service has at most 32, and a process knows few services.
static ACTIONS: RwLock<Vec<KnownAction>> = RwLock::new(Vec::new());

/// What is known of an action: two that differ in any of it are two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KnownAction {
    name: &'static str,
    repetition: Repetition,
    leads_out: bool,
}

/// The longest name of a command, in bytes.
const LONGEST: usize = 32;

/// The text is not the name of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has up to {LONGEST} of a-z, 0-9, `_` and `-`, and begins with a letter")]
pub struct InvalidCommandName;

/// The text is no command of VIAS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a command is `start`, `stop` or `delete`")]
pub struct UnknownCommand;

impl Command {
    /// Starts every sub-task of the batch task.
    pub const START: Self = Self(0);
    /// Stops every sub-task of the batch task.
    pub const STOP: Self = Self(1);
    /// Deletes the batch task with its sub-tasks.
    pub const DELETE: Self = Self(2);
    /// The commands of VIAS, by their numbers.
    pub const ALL: [Self; 3] = [Self::START, Self::STOP, Self::DELETE];

    /// Returns the command of an action of another service.
    ///
    /// # Errors
    ///
    /// [`InvalidCommandName`] if it does not match `^[a-z][a-z0-9_-]{0,31}$`, and for the 65,534th
    /// name of a process.
    pub fn of_action(name: &str, repetition: Repetition) -> Result<Self, InvalidCommandName> {
        Self::known(name, repetition, false)
    }

    /// Returns the command of an action of another service, after which an id is not there any more.
    ///
    /// # Errors
    ///
    /// Those of [`of_action`](Self::of_action).
    pub fn of_removal(name: &str, repetition: Repetition) -> Result<Self, InvalidCommandName> {
        Self::known(name, repetition, true)
    }

    fn known(
        name: &str,
        repetition: Repetition,
        leads_out: bool,
    ) -> Result<Self, InvalidCommandName> {
        if !Self::is_name(name) {
            return Err(InvalidCommandName);
        }
        let mut actions = ACTIONS.write().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &KnownAction| {
            (known.name, known.repetition, known.leads_out) == (name, repetition, leads_out)
        };
        let known = actions.iter().position(is_it);
        let index = Self::ALL.len() + known.unwrap_or(actions.len());
        // A damaged file of a run may name any number of actions.
        let number = u16::try_from(index).map_err(|_| InvalidCommandName)?;
        if known.is_none() {
            actions.push(KnownAction { name: String::from(name).leak(), repetition, leads_out });
        }
        Ok(Self(number))
    }

    /// Returns whether a text can be the name of a command.
    pub fn is_name(text: &str) -> bool {
        let rest = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        text.len() <= LONGEST
            && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && text.bytes().all(rest)
    }

    /// Returns the word the service and all files use, such as `start`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::START => "start",
            Self::STOP => "stop",
            Self::DELETE => "delete",
            Self(number) => action(number).name,
        }
    }

    /// Returns whether a second call changes nothing more. A deletion may be another task's by then.
    pub fn repetition(self) -> Repetition {
        match self {
            Self::START | Self::STOP => Repetition::Harmless,
            Self::DELETE => Repetition::Harmful,
            Self(number) => action(number).repetition,
        }
    }

    /// Returns whether it leads out of the list, to an id that is not there any more.
    pub fn leads_out(self) -> bool {
        match self {
            Self::START | Self::STOP => false,
            Self::DELETE => true,
            Self(number) => action(number).leads_out,
        }
    }

    /// Returns whether it is an action of another service than VIAS.
    pub const fn is_action(self) -> bool {
        self.0 as usize >= Self::ALL.len()
    }

    /// Returns the number of the command in this process. Files that outlive it may hold those of
    /// [`Command::ALL`] alone.
    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    /// Returns the command with a number of this process.
    pub(crate) fn numbered(number: u16) -> Self {
        let command = Self(number);
        // Panics here, where the number comes from, and not where its name is shown.
        let _ = command.as_str();
        command
    }

    /// Returns the command of VIAS that reverses this one, if it is one of VIAS that has any.
    pub const fn opposite(self) -> Option<Self> {
        match self {
            Self::START => Some(Self::STOP),
            Self::STOP => Some(Self::START),
            Self(_) => None,
        }
    }
}

impl Command {
    /// Returns whether what it has done can be done again or undone: a deletion can not.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::DELETE)
    }
}

/// Returns what is known of an action.
fn action(number: u16) -> KnownAction {
    let actions = ACTIONS.read().unwrap_or_else(PoisonError::into_inner);
    actions[usize::from(number) - Command::ALL.len()]
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({})", self.as_str())
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;

    /// Reads a command of VIAS, ignoring case and blanks around it.
    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        let word = text.trim();
        let is_meant = |command: &Self| word.eq_ignore_ascii_case(command.as_str());
        Self::ALL.into_iter().find(is_meant).ok_or(UnknownCommand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_whatever_its_case_and_blanks() {
        assert_eq!(" Start ".parse(), Ok(Command::START));
        assert_eq!("STOP".parse(), Ok(Command::STOP));
        assert_eq!("restart".parse::<Command>(), Err(UnknownCommand));
        assert_eq!("".parse::<Command>(), Err(UnknownCommand));
    }

    fn harmless(name: &str) -> Result<Command, InvalidCommandName> {
        Command::of_action(name, Repetition::Harmless)
    }

    #[test]
    fn an_action_is_one_command_however_often_it_is_named() {
        let [enable, disable] = ["enable", "disable"].map(|name| harmless(name).unwrap());
        assert_ne!(enable, disable);
        assert_eq!(harmless("enable"), Ok(enable));
        assert_eq!(Command::numbered(enable.number()), enable);
        assert_eq!([enable.as_str(), disable.as_str()], ["enable", "disable"]);
        assert_eq!(enable.opposite(), None);
        let once = Command::of_action("enable", Repetition::Harmful).unwrap();
        assert_ne!(once, enable);
        let out = Command::of_removal("enable", Repetition::Harmless).unwrap();
        assert!(out != enable && out.leads_out() && !enable.leads_out());
        assert_eq!(
            [once, enable].map(Command::repetition),
            [Repetition::Harmful, Repetition::Harmless]
        );
    }

    #[test]
    fn an_action_is_no_command_of_vias_whatever_its_name() {
        for own in Command::ALL {
            let action = harmless(own.as_str()).unwrap();
            assert_ne!(action, own);
            assert!(action.is_action() && !own.is_action() && !action.is_final());
        }
    }

    #[test]
    fn texts_that_are_no_names_are_refused() {
        let longest = format!("a{}", "-".repeat(31));
        for name in ["a", "os-start", "v2_on", &longest] {
            assert_eq!(harmless(name).map(Command::as_str), Ok(name));
        }
        let too_long = format!("{longest}-");
        for text in ["", "Start", "2nd", "-a", "_a", "a b", "ä", "a\n", &too_long] {
            assert_eq!(harmless(text), Err(InvalidCommandName), "{text:?}");
        }
    }
}
