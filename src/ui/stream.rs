//! Looks at something again and again, and makes server-sent events of what has changed.
//!
//! Looks are made one after the other, whoever watches, where they give way to everything else
//! (`reading`). Each says how long to rest, or takes a fifth of the time at most.

use crate::clock::Clock;
use crate::ui::reading::Reading;
use futures::Stream;
use futures::stream::unfold;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The shortest time between two looks.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_millis(300);
/// The rest after a look that has failed, however long that waited for a database.
pub(crate) const TROUBLE_WAIT: Duration = Duration::from_secs(1);
/// The rest after a look, as a multiple of the time that it took.
const REST: u32 = 4;
/// After so much silence a comment is sent, so that a connection that is gone is noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The events, ready to be sent; nothing if nothing has changed.
    pub(crate) text: String,
    /// Whether there is nothing more to look at.
    pub(crate) is_last: bool,
    /// How long to rest, if that does not follow from the time that the look took.
    pub(crate) rest: Option<Duration>,
}

impl Found {
    /// Adds an event.
    pub(crate) fn add(&mut self, name: &str, json: &str) {
        // Piece by piece, because the first look at a large run has megabytes.
        for piece in ["event: ", name, "\ndata: ", json, "\n\n"] {
            self.text.push_str(piece);
        }
    }
}

/// Something that is looked at.
pub(crate) trait Look: Send + 'static {
    /// Looks at it; may block.
    fn look(&mut self) -> Found;
}

struct Looking<L> {
    subject: L,
    reading: Arc<Reading>,
    clock: Clock,
    wait: Duration,
    silent: Duration,
}

/// Returns the events of something that is looked at.
pub(crate) fn events(subject: impl Look, reading: Arc<Reading>) -> impl Stream<Item = String> {
    let looking = Looking {
        subject,
        reading,
        clock: Clock::start(),
        wait: Duration::ZERO,
        silent: Duration::ZERO,
    };
    unfold(Some(looking), |looking| async {
        let mut looking = looking?;
        loop {
            sleep(looking.wait).await;
            let (next, found) = look_once(looking).await?;
            looking = next;
            if found.is_last {
                return Some((found.text, None));
            }
            if !found.text.is_empty() {
                looking.silent = Duration::ZERO;
                return Some((found.text, Some(looking)));
            }
            looking.silent += looking.wait;
            if looking.silent >= SILENCE {
                looking.silent = Duration::ZERO;
                return Some((":\n\n".into(), Some(looking)));
            }
        }
    })
}

/// Looks once; `None` if the look has ended in a panic, as of a damaged file.
async fn look_once<L: Look>(looking: Looking<L>) -> Option<(Looking<L>, Found)> {
    let Looking { mut subject, reading, clock, silent, .. } = looking;
    // Without `reading`, which must not be dropped on its own thread.
    let look = move || {
        let began = clock.instant();
        let found = subject.look();
        (clock.instant().duration_since(began), subject, found)
    };
    let (took, subject, found) = reading.read(look).await?;
    let wait = found.rest.unwrap_or_else(|| SHORTEST_WAIT.max(took * REST));
    Some((Looking { subject, reading, clock, wait, silent }, found))
}
