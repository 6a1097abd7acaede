//! The bar on a terminal, drawn from a thread of its own.
//!
//! Taking events only counts them: a terminal that stands still (Ctrl-S, a stalled connection)
//! stops the picture, not the run. The bar leaves the terminal clean when it goes, however it
//! goes. It never decides what is said; `render` does.

use super::layout::Style;
use super::render::render_bar;
use super::tally::Tally;
use crate::clock::Clock;
use crate::event::Event;
use crate::event::Watch;
use console::measure_text_width;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressState;
use indicatif::ProgressStyle;
use indicatif::TermLike;
use std::fmt;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

/// How often the bar is drawn in a second, at the most.
const DRAWINGS_PER_SECOND: u8 = 10;

/// The live display of a run on a terminal.
///
/// The caller hands over the terminal; the bar uses nothing else. While it is there, other
/// output to that terminal goes through [`Bar::above`].
///
/// ```no_run
/// use batchctl::clock::Clock;
/// use batchctl::event::Watch;
/// use batchctl::progress::{Bar, Style};
/// use std::io::Write;
///
/// let mut bar = Bar::new(console::Term::buffered_stderr(), Style::Coloured, Clock::start());
/// writeln!(bar.above(), "warning: the endpoint is not the usual one").ok();
/// bar.on_events(&[]);
/// bar.finish();
/// ```
#[derive(Debug)]
pub struct Bar {
    tally: Arc<Mutex<Tally>>,
    remark: Arc<OnceLock<&'static str>>,
    picture: ProgressBar,
}

impl Bar {
    /// Begins to draw on a terminal, as soon as there is something to show.
    ///
    /// The terminal should be buffered, so that a drawing appears at once.
    pub fn new<T: TermLike + Clone + 'static>(terminal: T, style: Style, clock: Clock) -> Self {
        let bar = Self::still(terminal, style, clock);
        bar.picture.enable_steady_tick(Duration::from_secs(1) / u32::from(DRAWINGS_PER_SECOND));
        bar
    }

    /// Returns a bar that is drawn when asked to.
    fn still<T: TermLike + Clone + 'static>(terminal: T, style: Style, clock: Clock) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let remark: Arc<OnceLock<&'static str>> = Arc::default();
        let (shown, remarked, measured) =
            (Arc::clone(&tally), Arc::clone(&remark), terminal.clone());
        let draw = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let width = measured.width();
            let mut lines = render_bar(&lock(&shown), clock.now(), width, style);
            if let Some(remark) = remarked.get() {
                add_remark(&mut lines, remark, usize::from(width));
            }
            // An error here is one of `to`, which is a string and has none.
            let _ = to.write_str(&lines.join("\n"));
        };
        let template = ProgressStyle::with_template("{run}").expect("the template is well-formed");
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWINGS_PER_SECOND);
        let picture = ProgressBar::with_draw_target(None, target);
        picture.set_style(template.with_key("run", draw));
        Self { tally, remark, picture }
    }

    /// Shows a few words with the bar, from now on and where there is room for them; the first
    /// remark stays.
    pub fn remark(&mut self, words: &'static str) {
        self.remark.get_or_init(|| words);
    }

    /// Returns a writer whose lines appear above the bar and stay there.
    pub fn above(&self) -> Above {
        Above { picture: self.picture.clone(), unfinished: Vec::new() }
    }
}

impl Watch for Bar {
    fn on_events(&mut self, events: &[Event]) {
        lock(&self.tally).take(events);
    }

    fn finish(&mut self) {
        self.picture.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.picture.finish_and_clear();
    }
}

/// Puts words behind the counts, or where those will be.
fn add_remark(lines: &mut Vec<String>, words: &str, width: usize) {
    match lines.as_mut_slice() {
        [] => {}
        [_] => lines.push(format!("  {words}")),
        [_, counts, ..] => {
            let columns = measure_text_width(counts) + 3 + measure_text_width(words);
            if columns <= width {
                counts.push_str(&format!(" · {words}"));
            }
        }
    }
}

/// Takes the tally even after a panic elsewhere: counting leaves it whole at every step.
fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes lines above a bar, and goes on to work when the bar has gone.
///
/// A line appears once it is complete, or when it is flushed. Writing never fails; it waits
/// while the terminal stands still.
#[derive(Debug)]
pub struct Above {
    picture: ProgressBar,
    unfinished: Vec<u8>,
}

impl Above {
    /// Prints so many of the bytes that wait; all at once, for each time draws the bar anew.
    fn print(&mut self, bytes: usize) {
        let ready: Vec<u8> = self.unfinished.drain(..bytes).collect();
        if !ready.is_empty() {
            self.picture.println(String::from_utf8_lossy(&ready));
        }
    }
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unfinished.extend_from_slice(bytes);
        let complete = self.unfinished.iter().rposition(|&byte| byte == b'\n');
        self.print(complete.map_or(0, |last| last + 1));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.print(self.unfinished.len());
        Ok(())
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        self.print(self.unfinished.len());
    }
}

#[cfg(test)]
#[path = "bar_tests.rs"]
mod tests;
