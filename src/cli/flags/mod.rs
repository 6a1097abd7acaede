//! Groups of flags that several verbs share, their values, and where these come from.

#![expect(clippy::doc_markdown, reason = "doc comments here are help texts for a terminal")]

pub(crate) mod config_file;
pub(crate) mod config_trust;
pub(crate) mod connection;
pub(crate) mod effect;
pub(crate) mod home_mark;
pub(crate) mod input;
pub(crate) mod known_values;
pub(crate) mod notify;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod precedence;
pub(crate) mod reading;
pub(crate) mod refusal;
pub(crate) mod run;
pub(crate) mod secret_looks;
pub(crate) mod secret_value;
pub(crate) mod shared;
pub(crate) mod sources;
pub(crate) mod targets;
pub(crate) mod unknown_variables;
pub(crate) mod values;
pub(crate) mod which_run;
