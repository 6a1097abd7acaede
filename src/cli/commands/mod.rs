//! The verbs of the command line, one file or folder each: its flags, its help, its function.
//!
//! What several verbs share has a room of its own: `flags`, `run`, `connect`, `output`.

pub(crate) mod auth;
pub(crate) mod config;
pub(crate) mod ctl;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod revert;
pub(crate) mod runs;
pub(crate) mod sandbox;
pub(crate) mod service;
pub(crate) mod shell;
pub(crate) mod start_stop;
pub(crate) mod tasks;
pub(crate) mod ui;
pub(crate) mod verify;
#[cfg(feature = "postgres")]
pub(crate) mod work;
