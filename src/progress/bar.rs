//! The bar on a terminal, drawn from a thread of its own.
//!
//! Taking events only counts them: a blocked terminal (Ctrl-S, a stalled connection) stops the
//! picture, not the run. The bar always leaves the terminal clean, also after a panic. `render`
//! decides the text; nothing here does.

use super::render::{render_bar, render_line};
use super::tally::Tally;
use super::target_tallies::TargetTallies;
use crate::clock::{Clock, Timestamp};
use crate::event::{Event, StoreWait, Watch};
use crate::text::Style;
use console::{measure_text_width, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, io};

/// The most drawings of the bar per second.
const DRAWINGS_PER_SECOND: u8 = 10;

/// The live display of a run on a terminal.
///
/// The caller passes the terminal; the bar uses nothing else. While the bar exists, other output
/// to that terminal goes through [`Bar::above`].
///
/// ```no_run
/// use batchctl::clock::Clock;
/// use batchctl::event::Watch;
/// use batchctl::progress::Bar;
/// use batchctl::text::Style;
/// use std::io::Write;
///
/// let mut bar = Bar::new(console::Term::buffered_stderr(), Style::Coloured, Clock::start());
/// writeln!(bar.above(), "warning: the endpoint is not the usual one").ok();
/// bar.on_events(&[]);
/// bar.finish();
/// ```
#[derive(Debug)]
pub struct Bar {
    tallies: Arc<Mutex<TargetTallies>>,
    remark: Arc<OnceLock<&'static str>>,
    picture: ProgressBar,
}

impl Bar {
    /// Returns a bar that draws itself once there is something to show.
    ///
    /// The terminal should be buffered, so that each drawing appears whole.
    pub fn new<T: TermLike + Clone + 'static>(terminal: T, style: Style, clock: Clock) -> Self {
        let bar = Self::still(terminal, style, clock);
        // indicatif draws from a thread of its own, so a blocked terminal blocks that thread alone.
        bar.picture.enable_steady_tick(Duration::from_secs(1) / u32::from(DRAWINGS_PER_SECOND));
        bar
    }

    /// Returns a bar that is drawn only on request.
    fn still<T: TermLike + Clone + 'static>(terminal: T, style: Style, clock: Clock) -> Self {
        let tallies = Arc::new(Mutex::new(TargetTallies::default()));
        let remark: Arc<OnceLock<&'static str>> = Arc::default();
        let (shown, remarked, measured) =
            (Arc::clone(&tallies), Arc::clone(&remark), terminal.clone());
        let draw = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let width = measured.width();
            let tallies = lock(&shown);
            let mut lines = render(&tallies, clock.now(), width, style);
            match remarked.get() {
                // Behind the counts of one target it would look like a part of them.
                Some(remark) if !tallies.targets().is_empty() => lines.push(format!("  {remark}")),
                Some(remark) => add_remark(&mut lines, remark, usize::from(width)),
                None => {}
            }
            // `to` is a string, and writing to it cannot fail.
            let _ = to.write_str(&lines.join("\n"));
        };
        let template = ProgressStyle::with_template("{run}").expect("the template is well-formed");
        // indicatif would put its own bar on standard error; the terminal is the caller's.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWINGS_PER_SECOND);
        let picture = ProgressBar::with_draw_target(None, target);
        picture.set_style(template.with_key("run", draw));
        Self { tallies, remark, picture }
    }

    /// Shows a few words with the bar from now on, if there is room; only the first remark counts.
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
        lock(&self.tallies).take(None, events);
    }

    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        lock(&self.tallies).take(Some(target), events);
    }

    fn on_settled_by_all(&mut self, settled: u64, now: Timestamp) {
        lock(&self.tallies).settled_by_all(None, settled, now);
    }

    fn on_target_settled_by_all(&mut self, target: &Arc<str>, settled: u64, now: Timestamp) {
        lock(&self.tallies).settled_by_all(Some(target), settled, now);
    }

    fn on_store_wait(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        lock(&self.tallies).wait_for_store(None, wait, now);
    }

    fn on_target_store_wait(
        &mut self,
        target: &Arc<str>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        lock(&self.tallies).wait_for_store(Some(target), wait, now);
    }

    fn finish(&mut self) {
        self.picture.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // A panic skips `finish`, and clearing twice does no harm.
        self.picture.finish_and_clear();
    }
}

/// Draws the bar of a run, or a line for each of its targets.
fn render(tallies: &TargetTallies, now: Timestamp, width: u16, style: Style) -> Vec<String> {
    let line = |(name, tally): &(Arc<str>, Tally)| {
        let line = format!("{name}: {}", render_line(tally, now));
        // A wrapped line would make the picture jump.
        truncate_str(&line, usize::from(width), "…").into_owned()
    };
    match tallies.targets() {
        [] => render_bar(tallies.whole(), now, width, style),
        targets => targets.iter().map(line).collect(),
    }
}

/// Adds words behind the counts, or on the counts' line if there are none yet.
fn add_remark(lines: &mut Vec<String>, words: &str, width: usize) {
    match lines.as_mut_slice() {
        [] => {}
        [_] => lines.push(format!("  {words}")),
        // Dropped if too long: a wrapped line would make the bar jump.
        [_, counts, ..] => {
            let columns = measure_text_width(counts) + 3 + measure_text_width(words);
            if columns <= width {
                counts.push_str(&format!(" · {words}"));
            }
        }
    }
}

/// Locks the tally even after a panic of another thread, because counting never leaves it invalid.
fn lock(tallies: &Mutex<TargetTallies>) -> MutexGuard<'_, TargetTallies> {
    tallies.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes lines above a bar, and continues to work after the bar has ended.
///
/// A line appears once it is complete, or when it is flushed. Writing never fails; it blocks
/// while the terminal does.
#[derive(Debug)]
pub struct Above {
    picture: ProgressBar,
    unfinished: Vec<u8>,
}

impl Above {
    /// Prints that many of the waiting bytes in one call, because each call redraws the bar.
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
        // Only whole lines are printed, because the next drawing would overwrite a partial one.
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
