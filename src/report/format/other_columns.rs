//! Arranges the other columns of all inputs after our own, so that none is lost or misread.
//!
//! Columns with the same name in two inputs are one column. A name gets a prefix if it could be
//! mistaken for one of ours when the results are read as an input; every other name stays as it is.
//! So results that are used as an input again and again keep their width.

use crate::store::SourceRecord;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The prefix of a name that clashes with another.
const PREFIX: &str = "in_";

/// The other columns of all inputs, in the order in which they first appear.
#[derive(Debug)]
pub(crate) struct OtherColumns {
    names: Vec<String>,
    /// For each source, the index in `names` of each of its columns.
    indices: Vec<Vec<usize>>,
    /// The cells of the current row; kept, so that their memory is used again.
    cells: Vec<String>,
}

impl OtherColumns {
    /// Arranges the columns of `sources` after those named `ours`.
    pub(crate) fn new(sources: &[SourceRecord], ours: &[&str]) -> Self {
        let given = GivenNames::new(sources);
        let written = given.written(ours);
        let mut names: Vec<String> = Vec::new();
        let mut index_by_name: HashMap<&str, usize> = HashMap::with_capacity(written.len());
        // Two given names may be written as one, so the numbers of given names are not the indices.
        let mut index_by_number: Vec<usize> = Vec::with_capacity(written.len());
        for name in &written {
            let index = *index_by_name.entry(name).or_insert_with(|| {
                names.push(name.clone());
                names.len() - 1
            });
            index_by_number.push(index);
        }
        let indices = given.of_sources.iter();
        let indices =
            indices.map(|numbers| numbers.iter().map(|&it| index_by_number[it]).collect());
        let cells = vec![String::new(); names.len()];
        Self { names, indices: indices.collect(), cells }
    }

    /// Returns the names, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the other cells of a row, from their stored JSON array. Columns that its source lacks
    /// are empty.
    pub(crate) fn cells(&mut self, source: u32, others: Option<&str>) -> &[String] {
        self.cells.iter_mut().for_each(String::clear);
        let number = usize::try_from(source).expect("a u32 fits a usize");
        if let (Some(json), Some(indices)) = (others, self.indices.get(number)) {
            let cells = CellsOfRow { cells: &mut self.cells, indices };
            let mut reader = serde_json::Deserializer::from_str(json);
            if cells.deserialize(&mut reader).and_then(|()| reader.end()).is_err() {
                // A damaged cell loses the other columns of its row, but not the outcome of the task.
                self.cells.iter_mut().for_each(String::clear);
            }
        }
        &self.cells
    }
}

/// The cells of a row on their way to their columns. Their memory is used again for each row.
struct CellsOfRow<'a> {
    cells: &'a mut [String],
    indices: &'a [usize],
}

impl<'de> DeserializeSeed<'de> for CellsOfRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for CellsOfRow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        for &index in self.indices {
            if cells.next_element_seed(Cell(&mut self.cells[index]))?.is_none() {
                return Ok(());
            }
        }
        while cells.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// One cell.
struct Cell<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Cell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.clear();
        self.0.push_str(text);
        Ok(())
    }
}

/// The different names of the columns of all sources, numbered in the order of their appearance.
struct GivenNames<'a> {
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
    /// For each source, the numbers of its columns' names.
    of_sources: Vec<Vec<usize>>,
    /// For each name, the sources that have it, in ascending order.
    sources_of: Vec<Vec<usize>>,
}

impl<'a> GivenNames<'a> {
    fn new(sources: &'a [SourceRecord]) -> Self {
        let mut given = Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            of_sources: Vec::with_capacity(sources.len()),
            sources_of: Vec::new(),
        };
        for (source, record) in sources.iter().enumerate() {
            let numbers = record.columns.iter().map(|name| given.add(name, source)).collect();
            given.of_sources.push(numbers);
        }
        given
    }

    fn add(&mut self, name: &'a str, source: usize) -> usize {
        let number = *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            self.sources_of.push(Vec::new());
            self.names.len() - 1
        });
        self.sources_of[number].push(source);
        number
    }

    /// Returns the name that is written for each given name.
    fn written(&self, ours: &[&str]) -> Vec<String> {
        let ours: HashSet<String> = ours.iter().map(|name| plain(name)).collect();
        // The names that are written already, each with the numbers of its given names.
        let mut users: HashMap<String, Vec<usize>> = HashMap::new();
        let mut written: Vec<String> = self.names.iter().map(|&name| name.into()).collect();
        let (clashing, free): (Vec<usize>, Vec<usize>) =
            (0..self.names.len()).partition(|&number| ours.contains(&plain(self.names[number])));
        // Free names first, because they keep their name even if a clashing name is before them.
        for number in free {
            users.insert(self.names[number].into(), vec![number]);
        }
        for number in clashing {
            let mut chosen = format!("{PREFIX}{}", self.names[number]);
            while ours.contains(&plain(&chosen)) || self.is_taken(&chosen, number, &users) {
                chosen.insert_str(0, PREFIX);
            }
            users.entry(chosen.clone()).or_default().push(number);
            written[number] = chosen;
        }
        written
    }

    /// Returns whether a source with the name has another one that is written as `chosen`.
    ///
    /// If no source has both, they are one column: `source` of a list, and `in_source` of the
    /// results of a run of this list.
    fn is_taken(&self, chosen: &str, number: usize, users: &HashMap<String, Vec<usize>>) -> bool {
        let others = users.get(chosen).map_or(&[][..], Vec::as_slice);
        let own = &self.sources_of[number];
        let shares = |other: &usize| {
            own.iter().any(|source| self.sources_of[*other].binary_search(source).is_ok())
        };
        others.iter().any(shares)
    }
}

/// Returns a name as `input` compares it: without case, blanks, joints and quotes.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(columns: &[&[&str]]) -> Vec<SourceRecord> {
        let source = |columns: &&[&str]| SourceRecord {
            name: "a.csv".into(),
            columns: columns.iter().map(|&name| name.into()).collect(),
        };
        columns.iter().map(source).collect()
    }

    fn check(columns: &[&[&str]], expected: &[&str]) {
        let others = OtherColumns::new(&sources(columns), &["id", "http_status"]);
        assert_eq!(others.names(), expected, "{columns:?}");
    }

    #[test]
    fn columns_of_one_name_are_one_and_come_in_the_order_of_their_first_appearance() {
        check(&[], &[]);
        check(&[&["site", "node"], &["floor", "site"]], &["site", "node", "floor"]);
        check(&[&["site", "Site"]], &["site", "Site"]);
    }

    #[test]
    fn a_name_that_clashes_gets_a_prefix() {
        check(&[&["ID", "HTTP Status", "#id"]], &["in_ID", "in_HTTP Status", "in_#id"]);
        check(&[&["id", "in_id"]], &["in_in_id", "in_id"]);
        check(&[&["id"], &["in_id", "id"]], &["in_in_id", "in_id"]);
        check(&[&["id", "in_id", "in_in_id"]], &["in_in_in_id", "in_id", "in_in_id"]);
    }

    #[test]
    fn a_column_and_the_one_made_of_it_before_are_one() {
        check(&[&["in_id", "site"], &["id", "site"]], &["in_id", "site"]);
        check(&[&["id"], &["in_id"]], &["in_id"]);
    }

    #[test]
    fn very_many_columns_are_arranged_in_linear_time() {
        // A search in a list for each name would take minutes here.
        let columns: Vec<String> = (0..400_000).map(|number| format!("c{number}")).collect();
        let source = SourceRecord { name: "a.csv".into(), columns: columns.clone() };
        assert_eq!(OtherColumns::new(&[source], &["id"]).names(), columns);
    }

    #[test]
    fn cells_go_where_their_column_is() {
        let sources = sources(&[&["site", "node"], &["node"]]);
        let mut others = OtherColumns::new(&sources, &[]);
        let mut check = |source, json, expected: [&str; 2]| {
            assert_eq!(others.cells(source, json), expected, "{json:?}");
        };
        check(0, Some(r#"["north","=1"]"#), ["north", "=1"]);
        check(1, Some(r#"["7\n"]"#), ["", "7\n"]);
        check(1, None, ["", ""]);
        check(0, Some(r#"["north"]"#), ["north", ""]);
        check(0, Some(r#"["north","1","more"]"#), ["north", "1"]);
        check(0, Some(r#"["north",1]"#), ["", ""]);
        check(0, Some(r#"["north","1"] "#), ["north", "1"]);
        check(0, Some(r#"["north","1"]]"#), ["", ""]);
        check(2, Some(r#"["north"]"#), ["", ""]);
    }
}
