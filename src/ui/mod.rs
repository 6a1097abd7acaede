//! The runs that are kept, in a browser: a list, and for each the page of its report, which follows
//! the run while a process works on it.
//!
//! Reads runs as a report does and writes nothing; what a page orders is carried out by an `Operator`
//! outside. They are in a directory, or a `RunSource` copies them there. `gate` decides who may ask;
//! what passes it is routed and answered. All that a page shows is made by `report`.

mod answer;
mod follow;
mod followed_runs;
mod gate;
mod order;
mod reading;
mod route;
mod run_list;
mod run_page;
mod server;
mod share;
mod source;
mod stream;

pub use order::{Operator, UiAction, UiOrder};
pub use server::{Ui, UiSettings};
pub use source::RunSource;
