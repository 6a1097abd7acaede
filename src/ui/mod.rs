//! The runs that are kept, in a browser: a list, and for each the page of its report, which follows
//! the run while a process works on it.
//!
//! Reads runs as a report does and writes nothing; what a page orders is carried out by an `Operator`
//! outside. `gate` decides who may ask; what passes it is
//! routed and answered. All that a page shows is made by `report`.

mod answer;
mod follow;
mod gate;
mod order;
mod route;
mod run_list;
mod run_page;
mod server;
mod stream;

pub use order::{Operator, UiOrder};
pub use server::{Ui, UiSettings};
