//! A project, as IAM names it.

use serde::Deserialize;

/// A project of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name, which is the region's for the first of a region.
    pub name: String,
}
