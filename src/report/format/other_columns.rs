//! Arranges the other columns of all inputs after our own, so that none is lost or misread.
//!
//! Columns with the same name in two inputs are one column. A name gets a prefix if it could be
//! mistaken for one of ours when the results are read as an input.

use crate::store::SourceRecord;
use crate::text::guarded;
use csv::ByteRecord;

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
        let mut given: Vec<&str> = Vec::new();
        let mut indices = Vec::with_capacity(sources.len());
        for source in sources {
            indices.push(source.columns.iter().map(|name| index_of(&mut given, name)).collect());
        }
        // Only now, because a prefix must not clash with a name of a later source either.
        let mut names: Vec<String> = Vec::with_capacity(given.len());
        for name in given {
            let name = distinct(name, &names, ours);
            names.push(name);
        }
        let cells = vec![String::new(); names.len()];
        Self { names, indices, cells }
    }

    /// Returns the names, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds the other cells of a row, guarded, from their stored JSON array. Columns that its
    /// source lacks are empty.
    pub(crate) fn fill(&mut self, source: u32, others: Option<&str>, row: &mut ByteRecord) {
        self.cells.iter_mut().for_each(String::clear);
        // A damaged cell loses the other columns of its row, but not the outcome of the task.
        let cells: Vec<String> =
            others.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let number = usize::try_from(source).expect("a u32 fits a usize");
        let indices = self.indices.get(number).map_or(&[][..], Vec::as_slice);
        for (&index, cell) in indices.iter().zip(cells) {
            self.cells[index] = cell;
        }
        for cell in &self.cells {
            row.push_field(guarded(cell).as_bytes());
        }
    }
}

/// Returns the index of the column with this name; adds it if it is new.
fn index_of<'a>(given: &mut Vec<&'a str>, name: &'a str) -> usize {
    given.iter().position(|&known| known == name).unwrap_or_else(|| {
        given.push(name);
        given.len() - 1
    })
}

/// Returns the name with as many prefixes as it takes to differ from ours and those before it.
fn distinct(name: &str, before: &[String], ours: &[&str]) -> String {
    // Ends, because each round makes the name longer and there are finitely many others.
    let mut chosen = name.to_owned();
    while before.contains(&chosen) || ours.iter().any(|our| is_read_as(&chosen, our)) {
        chosen.insert_str(0, PREFIX);
    }
    chosen
}

/// Returns whether `input` would read one name as the other: it ignores case, blanks, joints and
/// quotes in names of columns.
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
        check(&[&["id", "in_id"]], &["in_id", "in_in_id"]);
        check(&[&["id"], &["in_id", "id"]], &["in_id", "in_in_id"]);
    }

    #[test]
    fn cells_go_where_their_column_is() {
        let sources = sources(&[&["site", "node"], &["node"]]);
        let mut others = OtherColumns::new(&sources, &[]);
        let mut row = ByteRecord::new();
        others.fill(0, Some(r#"["north","=1"]"#), &mut row);
        others.fill(1, Some(r#"["7"]"#), &mut row);
        others.fill(1, None, &mut row);
        assert_eq!(row, vec!["north", "'=1", "", "7", "", ""]);
    }
}
