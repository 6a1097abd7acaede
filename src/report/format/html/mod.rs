//! The HTML page: its head, its charts, and the data of its table.
//!
//! See `docs/design/html.md`.

mod axis;
mod chart;
mod charts;
mod facts;
mod head;
mod in_script;
mod page;
mod rows;
mod series;
mod texts;

pub use page::{PageWriter, write_html};

#[cfg(test)]
pub(crate) use page::write_part;
