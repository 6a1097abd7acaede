//! Reads the text of a document: YAML, of which JSON is a part.

use crate::service::import::draft::ImportError;
use serde_json::Value;

/// Reads a document of YAML or JSON.
///
/// # Errors
///
/// It is neither, or larger in memory than a document may be.
pub fn read_document(text: &str) -> Result<Value, ImportError> {
    // A JSON document is read as such, because a YAML reader is slower and stricter with tabs.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    // A bare `no` is a word and not a boolean, as YAML 1.2 has it.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let whole = error.to_string();
        let first = whole.lines().map(str::trim).find(|line| !line.is_empty());
        let message =
            format!("the document is neither YAML nor JSON: {}", first.unwrap_or_default());
        ImportError::new(message)
    })
}
