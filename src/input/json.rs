//! Recognises JSON that is given in place of a table or a list, and finds the ids in it.
//!
//! JSON is not read, because programs disagree about where ids are in it. But the user gets the
//! filter of `jq` that fits what is there. Only the beginning is looked at, so the text may end
//! anywhere.

use crate::input::error::JqFilter;
use crate::input::options::Header;
use crate::input::{CommandSource, InputOptions, header};
use crate::task::TaskId;
use crate::text::is_same_name;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Returns `None` if the text is not JSON, otherwise the filter, if the ids were found.
pub(crate) fn detect(text: &[u8], options: &InputOptions) -> Option<Option<JqFilter>> {
    let text = text.trim_ascii_start();
    if !text.starts_with(b"{") && !text.starts_with(b"[") {
        return None;
    }
    let text = String::from_utf8_lossy(text);
    let mut finder = Finder::new(options);
    let first = Node(&mut finder).deserialize(&mut serde_json::Deserializer::from_str(&text));
    match first {
        Err(error) if error.is_eof() => return Some(finder.filter(IdsOf::OneValue)),
        // `[id],[site]` is the header of a table, and `{0d47bbf5}` is an id in a list.
        Err(_) => return None,
        Ok(()) => {}
    }
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>().skip(1);
    match values.next() {
        None => Some(finder.filter(IdsOf::OneValue)),
        Some(Ok(_)) => Some(finder.filter(IdsOf::ManyValues)),
        Some(Err(error)) if error.is_eof() => Some(finder.filter(IdsOf::ManyValues)),
        // Objects with commas between them are not JSON, and `jq` cannot read them.
        Some(Err(_)) => finder.has_keys.then_some(None),
    }
}

/// Whether the text is one value or many, such as one object a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IdsOf {
    OneValue,
    ManyValues,
}

/// One step from a value to a value inside it.
#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Each,
}

/// How likely a place holds the ids; the less the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    /// A key with a name of the ids' column, in the objects of an array.
    KeyInArray,
    /// Such a key elsewhere.
    Key,
    /// Texts of an array that could be ids.
    Ids,
    /// Other texts of an array.
    Texts,
}

/// A place that may hold the ids.
struct Candidate {
    likelihood: Likelihood,
    /// The number of the name among those that the ids' column may have.
    name: usize,
    path: Vec<Step>,
}

/// Walks through a value and remembers the most likely places.
struct Finder<'a> {
    names: Vec<&'a str>,
    command: Option<&'a str>,
    path: Vec<Step>,
    /// The best candidate of each likelihood; of equals the first.
    candidates: Vec<Candidate>,
    /// The objects that have a command, by the filter that leads to them.
    with_commands: HashSet<String>,
    has_keys: bool,
}

impl<'a> Finder<'a> {
    fn new(options: &'a InputOptions) -> Self {
        let names = match options.header {
            Header::Present => header::id_names(options),
            // The column was given by its number, which no key of JSON is called.
            Header::Absent => header::ID_NAMES.to_vec(),
        };
        let command = match &options.command {
            CommandSource::Fixed(_) => None,
            CommandSource::Column(name) => Some(name.as_str()),
        };
        Self {
            names,
            command,
            path: Vec::new(),
            candidates: Vec::new(),
            with_commands: HashSet::new(),
            has_keys: false,
        }
    }

    /// Judges a text or a number at the path.
    fn consider(&mut self, text: &str) {
        let is_in_array = self.path.iter().any(|step| matches!(step, Step::Each));
        let (likelihood, name) = match self.path.last() {
            Some(Step::Key(key)) => {
                if self.command.is_some_and(|name| is_same_name(name, key)) {
                    let object = filter_of(&self.path[..self.path.len() - 1]);
                    self.with_commands.extend(object);
                }
                let same = |name: &&str| is_same_name(name, key);
                let Some(name) = self.names.iter().position(same) else { return };
                (if is_in_array { Likelihood::KeyInArray } else { Likelihood::Key }, name)
            }
            Some(Step::Each) if self.is_named_after_ids() => (Likelihood::KeyInArray, 0),
            Some(Step::Each) if TaskId::check(text).is_ok() => (Likelihood::Ids, 0),
            Some(Step::Each) => (Likelihood::Texts, 0),
            None => return,
        };
        let rank = |one: &Candidate| (one.path.len(), one.name);
        let candidate = Candidate { likelihood, name, path: self.path.clone() };
        match self.candidates.iter_mut().find(|known| known.likelihood == likelihood) {
            None => self.candidates.push(candidate),
            Some(known) if rank(&candidate) < rank(known) => *known = candidate,
            Some(_) => {}
        }
    }

    /// Returns whether the array at the path is called `ids`, `task_ids` or the like.
    fn is_named_after_ids(&self) -> bool {
        let [.., Step::Key(key), Step::Each] = self.path.as_slice() else { return false };
        let name = key.strip_suffix(['s', 'S']);
        name.is_some_and(|name| self.names.iter().any(|it| is_same_name(it, name)))
    }

    /// Returns the filter of the most likely place.
    fn filter(mut self, ids_of: IdsOf) -> Option<JqFilter> {
        // One object a line is one task a line, whatever arrays are in it.
        let is_task = |it: &Candidate| it.likelihood == Likelihood::Key;
        let rank = |it: &Candidate| (ids_of == IdsOf::OneValue || !is_task(it), it.likelihood);
        self.candidates.sort_by_key(rank);
        let best = self.candidates.first()?;
        let filter = filter_of(&best.path)?;
        let (last, object) = best.path.split_last()?;
        let object = filter_of(object)?;
        let commands = self.command.filter(|_| self.with_commands.contains(&object));
        let (Step::Key(_), Some(command)) = (last, commands) else {
            return Some(JqFilter { filter, has_commands: false });
        };
        let id = filter_of(std::slice::from_ref(last))?;
        let command = filter_of(&[Step::Key(command.into())])?;
        let row = format!("[{id}, {command}] | @csv");
        let filter = if object.is_empty() { row } else { format!("{object} | {row}") };
        Some(JqFilter { filter, has_commands: true })
    }
}

/// Writes a path as `jq` does, if that is plain enough to be typed.
fn filter_of(path: &[Step]) -> Option<String> {
    let mut filter = String::new();
    for step in path {
        match step {
            Step::Each if filter.is_empty() => filter.push_str(".[]"),
            Step::Each => filter.push_str("[]"),
            Step::Key(key) if is_identifier(key) => filter.extend([".", key]),
            Step::Key(key) if is_plain(key) => filter.extend([".\"", key, "\""]),
            Step::Key(_) => return None,
        }
    }
    Some(filter)
}

fn is_identifier(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns whether neither a shell nor `jq` sees anything else in a quoted key.
fn is_plain(key: &str) -> bool {
    key.chars().all(|c| c.is_alphanumeric() || " _-.:/@#".contains(c))
}

/// One value of the text, which leaves its candidates in the finder.
struct Node<'f, 'a>(&'f mut Finder<'a>);

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            self.0.has_keys = true;
            self.0.path.push(Step::Key(key));
            map.next_value_seed(Node(self.0))?;
            self.0.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.path.push(Step::Each);
        while seq.next_element_seed(Node(self.0))?.is_some() {}
        self.0.path.pop();
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.consider(text);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.consider(&number.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Command;

    #[track_caller]
    fn check(text: &str, expected: Option<Option<&str>>) {
        let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
        let found = detect(text.as_bytes(), &options);
        let found = found.map(|filter| filter.map(|filter| filter.filter));
        assert_eq!(found, expected.map(|filter| filter.map(str::to_owned)), "{text}");
    }

    #[track_caller]
    fn check_filter(text: &str, expected: &str) {
        check(text, Some(Some(expected)));
    }

    #[test]
    fn the_filter_fits_what_is_there() {
        check_filter("{\"id\":\"abcd\"}\n{\"id\":\"efgh\"}\n", ".id");
        check_filter("{\"id\":\"abcd\"}", ".id");
        check_filter("[{\"id\":\"abcd\"},{\"id\":\"efgh\"}]", ".[].id");
        check_filter("[\"abcd\",\"efgh\"]", ".[]");
        check_filter("[\n  7001,\n  7002\n]", ".[]");
        check_filter("{\"total\":2,\"tasks\":[{\"name\":\"x\",\"id\":\"abcd\"}]}", ".tasks[].id");
        check_filter("{\"data\":{\"list\":[{\"task_id\":\"abcd\"}]}}", ".data.list[].task_id");
        check_filter("[{\"name\":\"x\",\"batch_task_id\":1}]", ".[].batch_task_id");
        check_filter("[{\"task_id\":\"efgh\",\"id\":\"abcd\"}]", ".[].id");
        check_filter("[{\"taskId\":\"efgh\"}]", ".[].taskId");
        check_filter("{\"id\":\"request-1\",\"ids\":[\"abcd\"]}", ".ids[]");
        check_filter("{\"batch-tasks\":[\"abcd\"]}", ".\"batch-tasks\"[]");
        check_filter("[[\"abcd\"],[\"efgh\"]]", ".[][]");
        check_filter("[[{\"id\":1}]]", ".[][].id");
    }

    #[test]
    fn an_array_inside_a_task_is_not_taken_for_the_tasks() {
        let line = "{\"id\":\"abcd\",\"parts\":[{\"id\":\"x\"}],\"tags\":[\"gate\"]}\n";
        check_filter(&line.repeat(2), ".id");
        check_filter(&format!("[{line}]"), ".[].id");
        check_filter("{\"id\":\"abcd\",\"tags\":[\"gate\"]}", ".id");
    }

    #[test]
    fn a_text_that_is_cut_off_is_json_all_the_same() {
        check_filter("{\"tasks\":[{\"id\":\"abcd\"},{\"id\":\"ef", ".tasks[].id");
        check_filter("{\"id\":\"abcd\"}\n{\"na", ".id");
        check("[", Some(None));
        check("{\"name\":\"x", Some(None));
    }

    #[test]
    fn json_without_ids_gets_no_filter() {
        check("[{\"name\":\"x\"}]", Some(None));
        check("[]", Some(None));
        check("[{\"a'b\":[\"abcd\"]}]", Some(None));
        check("{\"id\":\"abcd\"},\n{\"id\":\"efgh\"}", Some(None));
    }

    #[test]
    fn a_table_or_a_list_is_not_json() {
        for text in ["[id],[site]\n1,2", "{0d47bbf5}\n", "[1],abcd\n", "id\n", "{abcd", "\"abcd\""]
        {
            check(text, None);
        }
    }

    #[test]
    fn a_run_takes_the_commands_too() {
        let options = InputOptions::new(CommandSource::Column("command".into()));
        let filter = |text: &str| {
            let found = detect(text.as_bytes(), &options).unwrap().unwrap();
            (found.filter, found.has_commands)
        };
        assert_eq!(
            filter("[{\"id\":\"abcd\",\"command\":\"stop\"}]"),
            (".[] | [.id, .command] | @csv".into(), true)
        );
        assert_eq!(
            filter("{\"id\":\"abcd\",\"command\":\"stop\"}\n{\"id\":\"efgh\"}"),
            ("[.id, .command] | @csv".into(), true)
        );
        assert_eq!(filter("[{\"id\":\"abcd\"}]"), (".[].id".into(), false));
    }
}
