//! The reader of service files as a whole: every key with its type and default, every shipped file,
//! and texts of any kind.

mod any_text;
mod examples;
mod keys;
mod lines;

use crate::service::{Service, ServiceFile};

/// The smallest file there is.
const SMALLEST: &str = "format = 1
endpoint = 'https://shop.example.com'
auth = 'none'
answer = [{ status = '200..299', means = 'done' }]
[action.on]
method = 'POST'
path = '/things/{id}/on'
";

/// Reads a file that is right.
#[track_caller]
fn read(text: &str) -> Service {
    match ServiceFile::read(text) {
        Ok(file) => file.service,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// Returns the problems of a file, as they are shown.
fn problems(text: &str) -> Vec<String> {
    match ServiceFile::read(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}
