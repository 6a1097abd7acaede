//! The formats of a report: one file for each, and the words they share.
//!
//! A format renders the model; it decides nothing about a run.

mod closing_events;
mod csv;
mod csv_dialect;
mod csv_lines;
mod damage_json;
mod drill_json;
mod drill_lines;
mod failure_lines;
pub(crate) mod html;
mod json;
mod json_parts;
mod junit;
mod markdown;
mod next_commands;
mod other_columns;
mod prometheus;
mod row_filter;
mod schema;
mod spool;
mod summary;
mod target_lines;
mod terminal;
mod words;
mod worker_lines;
mod xml;

pub use self::csv::{ResultsError, ResultsOptions, ResultsSummary, ResultsWriter, write_results};
pub use closing_events::write_closing_events;
pub use csv_dialect::CsvDialect;
pub use html::{
    Following, LiveMessage, LivePage, LiveRun, PageRequests, PageWriter, content_policy,
    followed_page_policy, followed_page_style, write_followed_page, write_html,
};
pub use json::write_json;
pub use junit::{JUnitWriter, write_junit};
pub use markdown::markdown;
pub use next_commands::{NextCommand, next_commands};
pub use prometheus::prometheus;
pub use row_filter::RowFilter;
pub use schema::Schema;
pub use spool::Spool;
pub use summary::summary;

pub(crate) use self::csv::{not_written, service_cell};
pub(crate) use words::{code_and_message, latency_words};
