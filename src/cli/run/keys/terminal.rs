//! The terminal while keys are read from it: no echo, no lines, and always put back.
//!
//! Signals from the keyboard stay what they are. A process in the background neither reads nor
//! changes the terminal: it would be stopped for it.

use batchctl::system::terminal::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use batchctl::system::terminal::{PollFd, PollFlags, Timespec};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a key is waited for at a time.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard input as a terminal.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    state: Mutex<KeyMode>,
}

/// Whether the terminal is set up for keys.
#[derive(Debug, Default)]
enum KeyMode {
    /// It is as it was found.
    #[default]
    AsFound,
    /// It is set up; this is how it was found.
    ForKeys(Box<Termios>),
    /// It was restored, because this process is about to be stopped.
    Stopping,
    /// Keys are no longer read.
    Over,
}

/// What came of waiting for a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Key(u8),
    Nothing,
    /// There will be none any more.
    Over,
}

impl Terminal {
    /// Sets the terminal up for keys, if this process is the one that it is for now.
    pub(crate) fn enter(&self) {
        let mut state = self.lock();
        if !matches!(*state, KeyMode::AsFound) || !is_in_foreground() {
            return;
        }
        let Ok(found) = batchctl::system::terminal::tcgetattr(io::stdin()) else { return };
        // Remembered only on success: otherwise there is nothing to restore.
        if set(&for_keys(&found)).is_ok() {
            *state = KeyMode::ForKeys(Box::new(found));
        }
    }

    /// Puts the terminal back before this process is stopped.
    pub(crate) fn leave(&self) {
        self.put_back(KeyMode::Stopping);
    }

    /// Notes that this process continues: the shell may have changed the terminal meanwhile.
    pub(crate) fn come_back(&self) {
        self.put_back(KeyMode::AsFound);
    }

    /// Puts the terminal back for good.
    pub(crate) fn end(&self) {
        self.put_back(KeyMode::Over);
    }

    fn put_back(&self, next: KeyMode) {
        let mut state = self.lock();
        if matches!(*state, KeyMode::Over) {
            return;
        }
        let before = std::mem::replace(&mut *state, next);
        // In the background the terminal belongs to another process, with its own modes.
        if let KeyMode::ForKeys(found) = before
            && is_in_foreground()
        {
            // A terminal that is gone needs nothing put back.
            let _ = set(&found);
        }
    }

    /// Waits for a key, but not long; sets the terminal up when it has become this process's.
    pub(crate) fn wait(&self) -> Typed {
        // A shell brings a process to the foreground without a word.
        self.enter();
        let stdin = io::stdin();
        let is_ours = matches!(*self.lock(), KeyMode::ForKeys(_));
        // Keys typed for another process are not read.
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        let watched = if is_ours { &mut watched[..] } else { &mut [] };
        // An error is a signal that came in between.
        let ready = batchctl::system::terminal::poll(watched, Some(&TURN)).unwrap_or(0);
        let mut state = self.lock();
        match *state {
            KeyMode::Over => Typed::Over,
            KeyMode::ForKeys(_) if !is_in_foreground() => {
                *state = KeyMode::AsFound;
                Typed::Nothing
            }
            KeyMode::ForKeys(_) if ready > 0 => read(),
            KeyMode::AsFound | KeyMode::ForKeys(_) | KeyMode::Stopping => Typed::Nothing,
        }
    }

    /// Takes the state even after a panic elsewhere: it is whole at every step.
    fn lock(&self) -> MutexGuard<'_, KeyMode> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a key that is there. It cannot block: the terminal is set up to give what it has.
fn read() -> Typed {
    let mut key = [0];
    match batchctl::system::io::read(io::stdin(), &mut key) {
        Ok(1..) => Typed::Key(key[0]),
        Err(batchctl::system::io::Errno::INTR | batchctl::system::io::Errno::AGAIN) => {
            Typed::Nothing
        }
        // Ready, and nothing there: it was hung up.
        Ok(0) | Err(_) => Typed::Over,
    }
}

fn set(termios: &Termios) -> batchctl::system::io::Result<()> {
    batchctl::system::terminal::tcsetattr(io::stdin(), OptionalActions::Now, termios)
}

fn for_keys(found: &Termios) -> Termios {
    let mut wanted = found.clone();
    wanted.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    // With 0 and 0 a read returns at once (termios(3)); `poll` does the waiting.
    wanted.special_codes[SpecialCodeIndex::VMIN] = 0;
    wanted.special_codes[SpecialCodeIndex::VTIME] = 0;
    wanted
}

/// Returns whether this process may use the terminal. One that does not control it always may.
fn is_in_foreground() -> bool {
    let group = batchctl::system::terminal::tcgetpgrp(io::stdin());
    group.map_or(true, |group| group == batchctl::system::process::getpgrp())
}
