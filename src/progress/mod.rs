//! Shows a run while it is under way: as a bar, as plain lines, as a log, as events.
//!
//! Everything is derived from durable events. Nothing here can stop a run: errors of a writer are
//! ignored. Opens no standard stream; the caller passes the terminal or the writer. See
//! `docs/GLOSSARY.md`: event, hold, slot.

mod ascii_terminal;
mod bar;
mod condition;
mod estimate;
mod event_service;
mod events;
mod layout;
mod lines;
mod log;
mod render;
mod tally;
mod target_tallies;

#[cfg(test)]
mod test_events;

pub use ascii_terminal::AsciiTerminal;
pub use bar::{Above, Bar};
pub use condition::{Hold, Trouble};
pub use event_service::EventService;
pub use events::Events;
pub use lines::Lines;
pub use log::{Log, LogFormat, Verbosity};
pub use render::{render_bar, render_line};
pub use tally::Tally;
pub use target_tallies::TargetTallies;
