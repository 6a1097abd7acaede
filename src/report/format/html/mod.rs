//! The HTML page: its head, its charts, and the data of its table.
//!
//! See `docs/design/html.md`.

mod axis;
mod chart;
mod charts;
mod facts;
mod head;
mod in_script;
mod live;
mod live_rows;
mod page;
mod place;
mod policy;
mod row;
mod rows;
mod series;
mod texts;

pub use live::{LiveMessage, LivePage, LiveRun, write_followed_page};
pub use page::{PageWriter, write_html};
pub use place::{Following, followed_page_policy, followed_page_style};
pub use policy::{PageRequests, content_policy};

#[cfg(test)]
pub(crate) use page::write_part;
