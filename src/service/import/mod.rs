//! Drafts of service files, made of what others have written: a curl command, an OpenAPI document.
//!
//! A draft has the method, the path, fields, bodies and statuses. It never says what an answer
//! means, and never holds a secret: those are named and left out.

mod curl;
mod document;
mod draft;
mod openapi;
mod schema;

pub use curl::from_curl;
pub use document::read_document;
pub use draft::{Draft, ImportError};
pub use openapi::from_openapi;
