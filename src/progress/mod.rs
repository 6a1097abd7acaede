//! Shows a run while it is under way: as a bar, as plain lines, as a log.
//!
//! Everything shown follows from events, which are shown only once they are durable. Nothing
//! here can stop a run: what cannot be written is not written. Opens no standard stream; the
//! caller hands over the terminal or the writer.

mod bar;
mod estimate;
mod events;
mod layout;
mod lines;
mod log;
mod render;
mod tally;

#[cfg(test)]
mod test_events;

pub use bar::Above;
pub use bar::Bar;
pub use events::Events;
pub use layout::Style;
pub use lines::Lines;
pub use log::Log;
pub use log::LogFormat;
pub use log::Verbosity;
pub use render::render_bar;
pub use render::render_line;
pub use tally::Hold;
pub use tally::Tally;
pub use tally::Trouble;
