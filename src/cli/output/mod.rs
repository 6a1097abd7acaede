//! Everything that is written: streams, prompts, documents, errors.

pub(crate) mod atomic_file;
pub(crate) mod command_hint;
pub(crate) mod documents;
pub(crate) mod dump;
mod early_sync;
pub(crate) mod error;
pub(crate) mod event_documents;
pub(crate) mod in_place;
pub(crate) mod lone_files;
pub(crate) mod lost_ids;
pub(crate) mod present;
pub(crate) mod prompt;
pub(crate) mod replacement;
pub(crate) mod row_documents;
pub(crate) mod row_table;
pub(crate) mod run_end;
pub(crate) mod stream;
pub(crate) mod taken_files;
pub(crate) mod terminal_guard;
