//! Arranges the other columns of all inputs beside ours: none is lost, none is mistaken.
//!
//! A column is the same in two inputs if its name is. A name that could be taken for one of
//! ours when the results are read as an input gets a prefix.

use crate::store::SourceRecord;
use crate::text::guarded;
use csv::ByteRecord;

/// What a name gets that clashes with another.
const PREFIX: &str = "in_";

/// The other columns of all inputs, in the order in which they first appear.
#[derive(Debug)]
pub(crate) struct OtherColumns {
    names: Vec<String>,
    /// For each source, where each of its columns goes.
    places: Vec<Vec<usize>>,
    /// The cells of the row at hand.
    cells: Vec<String>,
}

impl OtherColumns {
    /// Arranges the columns of `sources` beside those called `ours`.
    pub(crate) fn of(sources: &[SourceRecord], ours: &[&str]) -> Self {
        let mut given: Vec<&str> = Vec::new();
        let mut places = Vec::with_capacity(sources.len());
        for source in sources {
            let places_of_source = source.columns.iter().map(|name| place(&mut given, name));
            places.push(places_of_source.collect());
        }
        let mut names: Vec<String> = Vec::with_capacity(given.len());
        for name in given {
            let name = distinct(name, &names, ours);
            names.push(name);
        }
        let cells = vec![String::new(); names.len()];
        Self { names, places, cells }
    }

    /// Returns the names, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds the other cells of a row, which are stored as a JSON array, guarded; empty ones
    /// for the columns that its source has not.
    pub(crate) fn fill(&mut self, source: u32, others: Option<&str>, row: &mut ByteRecord) {
        self.cells.iter_mut().for_each(String::clear);
        // The store holds what was written as JSON; a damaged row loses its cells, not its outcome.
        let cells: Vec<String> =
            others.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let number = usize::try_from(source).expect("a u32 fits a usize");
        let places = self.places.get(number).map_or(&[][..], Vec::as_slice);
        for (&place, cell) in places.iter().zip(cells) {
            self.cells[place] = cell;
        }
        for cell in &self.cells {
            row.push_field(guarded(cell).as_bytes());
        }
    }
}

/// Returns where the column of that name is, after adding it if it is new.
fn place<'a>(given: &mut Vec<&'a str>, name: &'a str) -> usize {
    given.iter().position(|&known| known == name).unwrap_or_else(|| {
        given.push(name);
        given.len() - 1
    })
}

/// Returns the name with as many prefixes as make it unlike ours and those before it.
fn distinct(name: &str, before: &[String], ours: &[&str]) -> String {
    let mut chosen = name.to_owned();
    while before.contains(&chosen) || ours.iter().any(|our| is_read_as(&chosen, our)) {
        chosen.insert_str(0, PREFIX);
    }
    chosen
}

/// Tells whether whoever reads the results may take one name for the other: neither case nor
/// blanks, joints and quotes matter to it.
fn is_read_as(name: &str, our: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    plain(name) == plain(our)
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
        let others = OtherColumns::of(&sources(columns), &["id", "http_status"]);
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
        check(&[&["id", "in_id"]], &["in_id", "in_in_id"]);
        check(&[&["id"], &["in_id", "id"]], &["in_id", "in_in_id"]);
    }

    #[test]
    fn cells_go_where_their_column_is() {
        let sources = sources(&[&["site", "node"], &["node"]]);
        let mut others = OtherColumns::of(&sources, &[]);
        let mut row = ByteRecord::new();
        others.fill(0, Some(r#"["north","=1"]"#), &mut row);
        others.fill(1, Some(r#"["7"]"#), &mut row);
        others.fill(1, None, &mut row);
        assert_eq!(row, vec!["north", "'=1", "", "7", "", ""]);
    }
}
