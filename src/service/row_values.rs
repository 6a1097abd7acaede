//! The values of one row of an input, by the names of its columns.

use crate::service::call::CallValues;
use crate::text::is_same_name;

/// What is the same for all calls of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallScope {
    /// The region, if one is known.
    pub region: Option<String>,
    /// The project, if one is known.
    pub project_id: Option<String>,
}

/// The values of one row.
#[derive(Debug)]
pub struct RowValues<'a> {
    id: &'a str,
    scope: &'a CallScope,
    columns: &'a [String],
    cells: Vec<String>,
}

impl<'a> RowValues<'a> {
    /// Returns the values of a row whose cells are a JSON array of texts, in the order of the columns.
    ///
    /// # Errors
    ///
    /// The cells are no such array.
    pub fn new(
        id: &'a str,
        scope: &'a CallScope,
        columns: &'a [String],
        cells: Option<&str>,
    ) -> Result<Self, serde_json::Error> {
        let cells = cells.map_or(Ok(Vec::new()), serde_json::from_str)?;
        Ok(Self { id, scope, columns, cells })
    }
}

impl CallValues for RowValues<'_> {
    fn id(&self) -> &str {
        self.id
    }

    fn region(&self) -> Option<&str> {
        self.scope.region.as_deref()
    }

    fn project_id(&self) -> Option<&str> {
        self.scope.project_id.as_deref()
    }

    fn cell(&self, column: &str) -> Option<&str> {
        let index = column_of(self.columns, column)?;
        self.cells.get(index).map(String::as_str)
    }
}

/// Returns which column has a name; the one that is written alike comes first.
pub fn column_of(columns: &[String], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column == name);
    exact.or_else(|| columns.iter().position(|column| is_same_name(column, name)))
}
