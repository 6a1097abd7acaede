//! Keys on the terminal of a run: pause, a faster or slower rate, help.
//!
//! A thread of its own reads them, because a terminal may block. They ask for the same changes as
//! `ctl`, and nothing depends on them.

pub(crate) mod terminal;

use crate::cli::process::environment::Environment;
use crate::cli::run::display::LiveStatus;
use crate::cli::run::keys::terminal::{Terminal, Typed};
use batchctl::engine::Control;
use batchctl::event::{Change, Operator};
use batchctl::system::process::Signal;
use batchctl::system::signals::{SignalKind, signal};
use batchctl::task::Rate;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{io, thread};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HELP: &str = "\
p  pause, and go on        +  a tenth faster        Ctrl-C  end, resumably
?  this help               -  a tenth slower        Ctrl-Z  stop this process";

/// What the keys work on.
pub(crate) struct KeyContext {
    pub(crate) control: mpsc::UnboundedSender<Control>,
    pub(crate) live_status: LiveStatus,
    /// Where something can be said beside the display.
    pub(crate) out: Box<dyn Write + Send>,
}

/// Keys that are listened to; dropping it ends that and puts the terminal back.
pub(crate) struct Keys {
    terminal: Arc<Terminal>,
    following: JoinHandle<()>,
}

/// Listens to the keys from now on.
///
/// Must be called within a runtime.
pub(crate) fn listen(context: KeyContext, environment: &Environment) -> io::Result<Keys> {
    let terminal = Arc::new(Terminal::default());
    let following = follow_job_control(Arc::clone(&terminal), environment)?;
    let keys = Keys { terminal: Arc::clone(&terminal), following };
    thread::Builder::new().name("keys".into()).spawn(move || context.attend(&terminal))?;
    // Last: if the thread cannot be spawned, the terminal stays as it was.
    keys.terminal.enter();
    Ok(keys)
}

impl Drop for Keys {
    fn drop(&mut self) {
        // First, so that a late signal does not set the terminal up again.
        self.following.abort();
        self.terminal.end();
        // From now on Ctrl-Z stops the process by itself again.
        let over = Arc::new(AtomicBool::new(true));
        let _ = batchctl::system::signals::flag::register_conditional_default(
            stop_key().as_raw_value(),
            over,
        );
    }
}

/// Returns the signal of Ctrl-Z.
fn stop_key() -> SignalKind {
    SignalKind::from_raw(Signal::TSTP.as_raw())
}

/// Puts the terminal back before this process is stopped, and sets it up when it goes on.
fn follow_job_control(
    terminal: Arc<Terminal>,
    environment: &Environment,
) -> io::Result<JoinHandle<()>> {
    let mut goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let ignored = environment.ignores(stop_key().as_raw_value());
    let mut stops = if ignored { None } else { Some(signal(stop_key())?) };
    Ok(tokio::spawn(async move {
        loop {
            let stop = async {
                match &mut stops {
                    Some(stops) => stops.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stop => {
                    // The shell must find the terminal as it was while this process is stopped.
                    terminal.leave();
                    let this = batchctl::system::process::getpid();
                    // Who may not stop itself goes on as it is.
                    let _ = batchctl::system::process::kill_process(this, Signal::STOP);
                    terminal.come_back();
                }
                _ = goes_on.recv() => terminal.come_back(),
            }
        }
    }))
}

impl KeyContext {
    fn attend(mut self, terminal: &Terminal) {
        loop {
            match terminal.wait() {
                Typed::Key(key) => self.press(key),
                Typed::Nothing => {}
                Typed::Over => return,
            }
        }
    }

    fn press(&mut self, key: u8) {
        match key {
            b'p' | b'P' if self.live_status.is_paused() => self.ask(Change::Resumed),
            b'p' | b'P' => self.ask(Change::Paused),
            b'+' | b'=' => self.change_rate(faster),
            b'-' | b'_' => self.change_rate(slower),
            b'?' | b'h' => self.say(HELP),
            _ => {}
        }
    }

    fn change_rate(&mut self, step: fn(Rate) -> Rate) {
        match self.live_status.rate_limit() {
            Some(limit) => self.ask(Change::Rate(Some(step(limit)))),
            None if !self.live_status.targets().is_empty() => {
                self.say("each target has a rate of its own; see `batchctl ctl RUN rate --help`");
            }
            None => self.say("there is no fixed rate; set one with `batchctl ctl RUN rate 10/s`"),
        }
    }

    fn ask(&self, change: Change) {
        // A run that is over takes no orders.
        let _ = self.control.send(Control::Change { change, by: Operator::Key, answer: None });
    }

    fn say(&mut self, text: &str) {
        // If the terminal is gone, there is no stream left to report that on.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

/// Returns a rate that is a tenth higher, or one where that is less.
fn faster(rate: Rate) -> Rate {
    let limit = rate.limit.get();
    let limit = limit.saturating_add(step(limit));
    Rate { limit: NonZeroU32::new(limit).unwrap_or(rate.limit), ..rate }
}

/// Returns a rate that is a tenth lower, or one where that is less; never nothing.
fn slower(rate: Rate) -> Rate {
    let limit = rate.limit.get();
    Rate { limit: NonZeroU32::new(limit - step(limit)).unwrap_or(rate.limit), ..rate }
}

fn step(limit: u32) -> u32 {
    (limit / 10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rate: &str, expected_faster: &str, expected_slower: &str) {
        let rate: Rate = rate.parse().unwrap();
        assert_eq!(faster(rate).to_string(), expected_faster, "{rate}");
        assert_eq!(slower(rate).to_string(), expected_slower, "{rate}");
    }

    #[test]
    fn a_step_is_a_tenth_and_at_least_one() {
        check("100/s", "110/s", "90/s");
        check("12/s", "13/s", "11/s");
        check("5/m", "6/m", "4/m");
        check("1/h", "2/h", "1/h");
        check("4294967295/s", "4294967295/s", "3865470566/s");
    }
}
