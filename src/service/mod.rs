//! Services that a file describes: how to call them, and what their answers mean.
//!
//! A file becomes values ([`ServiceFile::read`]), and an answer becomes a judgement ([`judge`]).
//! Opens nothing and sends nothing: `api` makes requests of these values. VIAS is built in and needs
//! no file. See `docs/GLOSSARY.md`: service, action, rule.

mod action_file;
mod answer;
mod body;
mod call;
mod check;
mod definition;
mod file;
mod import;
mod judge;
mod pointer;
mod problem;
mod request_file;
mod row_values;
mod rule;
mod rule_file;
mod section;
mod state;
mod state_file;
mod state_reader;
mod template;
#[cfg(test)]
mod tests;
mod unread;

/// What an answer means, in the word of a rule.
pub use crate::policy::AnswerMeaning;
pub use answer::{JsonBody, MOST_BODY_BYTES, MOST_PAGE_BYTES, SeenAnswer, SeenBody};
pub use body::{BodyTemplate, is_of_kind};
pub use call::{CallValues, ServiceCall, ValueFault, ValuePlace, ValueProblem, call, state_call};
pub use definition::{Action, Auth, GONE, IdError, IdRule, Method, Service};
pub use file::{MOST_BYTES, ServiceFile};
pub use import::{Draft, ImportError, from_curl, from_openapi, read_document};
pub use judge::{first_match, judge};
pub use pointer::{Pointer, PointerError};
pub use problem::ServiceProblem;
pub use row_values::{CallScope, RowValues, column_of};
pub use rule::{
    BodyKind, CodePattern, CountsAt, ErrorAt, Example, JsonTest, Rule, TextSource, WaitSource,
    Within,
};
pub use state::{
    CursorFrom, EntryState, PageBy, Paging, StateGet, StateList, StateReading, StateRequest,
    StateSource, StateWords, is_same_state,
};
pub use state_reader::{NextPage, ReadEntry, ReadPage, ReadState, read_page, read_state};
pub use template::{Part, Placeholder, Template, ValueKind, ValueSource};

/// The built-in service as a file, by its name.
pub const VIAS: (&str, &str) = ("vias", include_str!("../../examples/services/vias.toml"));
