//! Shows committed events to who watches, on a thread where nothing can hold the run up.
//!
//! A terminal may block for hours (Ctrl-S) and a watcher may panic; the run goes on. Who panics
//! is shown nothing more, who falls too far behind misses events; both are counted.

use crate::clock::Clock;
use crate::event::{Event, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How many batches may wait to be shown.
const MOST_BATCHES: usize = 4_096;
/// How often watchers are told the time.
const TICK: Duration = Duration::from_secs(1);

/// The way to the watchers.
#[derive(Clone)]
pub(crate) struct WatcherChannel {
    batches: mpsc::SyncSender<Vec<Event>>,
    missed: Arc<AtomicU64>,
}

/// The thread on which the watchers are.
pub(crate) struct GalleryThread {
    thread: thread::JoinHandle<u64>,
    missed: Arc<AtomicU64>,
}

/// What went wrong with watching. None of it touched the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchTrouble {
    /// How many events were not shown because a watcher was too slow.
    pub missed_events: u64,
    /// How many watchers panicked.
    pub panicked: u64,
}

/// Opens the gallery. It closes when the last way to it is dropped.
pub(crate) fn open(
    watchers: Vec<Box<dyn Watch>>,
    clock: Clock,
) -> std::io::Result<(WatcherChannel, GalleryThread)> {
    let (batches, queue) = mpsc::sync_channel(MOST_BATCHES);
    let missed = Arc::new(AtomicU64::new(0));
    let name = thread::Builder::new().name("watch".into());
    let thread = {
        let missed = Arc::clone(&missed);
        name.spawn(move || show_all(&queue, &missed, watchers, clock))?
    };
    let watcher_channel = WatcherChannel { batches, missed: Arc::clone(&missed) };
    Ok((watcher_channel, GalleryThread { thread, missed }))
}

impl WatcherChannel {
    /// Has events shown, or counts them as missed.
    pub(crate) fn show(&self, events: Vec<Event>) {
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        if self.batches.try_send(events).is_err() {
            self.missed.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl GalleryThread {
    /// Waits until everything has been shown.
    pub(crate) fn close(self) -> WatchTrouble {
        let panicked = self.thread.join().unwrap_or(1);
        WatchTrouble { missed_events: self.missed.load(Ordering::Relaxed), panicked }
    }
}

/// Shows batch after batch, and tells the time; returns how many watchers panicked.
fn show_all(
    queue: &mpsc::Receiver<Vec<Event>>,
    missed: &AtomicU64,
    mut watchers: Vec<Box<dyn Watch>>,
    clock: Clock,
) -> u64 {
    let before = watchers.len();
    let mut told_missed = 0;
    let mut next_tick = clock.instant() + TICK;
    loop {
        let wait = next_tick.saturating_duration_since(clock.instant());
        match queue.recv_timeout(wait) {
            Ok(events) => {
                each(&mut watchers, |watcher| watcher.on_events(&events));
                tell_missed(&mut watchers, missed, &mut told_missed);
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = clock.now();
                each(&mut watchers, |watcher| watcher.tick(now));
                next_tick = clock.instant() + TICK;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    tell_missed(&mut watchers, missed, &mut told_missed);
    each(&mut watchers, |watcher| watcher.finish());
    u64::try_from(before - watchers.len()).unwrap_or(u64::MAX)
}

/// Tells watchers what they were not shown since they were last told.
fn tell_missed(watchers: &mut Vec<Box<dyn Watch>>, missed: &AtomicU64, told: &mut u64) {
    let all = missed.load(Ordering::Relaxed);
    let more = all - std::mem::replace(told, all);
    if more > 0 {
        each(watchers, |watcher| watcher.missed(more));
    }
}

/// Asks every watcher; one that panics is not asked again.
fn each(watchers: &mut Vec<Box<dyn Watch>>, mut ask: impl FnMut(&mut dyn Watch)) {
    watchers.retain_mut(|watcher| catch_unwind(AssertUnwindSafe(|| ask(watcher.as_mut()))).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::EventKind;

    fn continued() -> Vec<Event> {
        vec![Event { at: Timestamp::from_micros(0), kind: EventKind::RunContinued }]
    }

    #[test]
    fn a_watcher_that_panics_does_not_blind_the_others() {
        let (seen, all_seen) = mpsc::channel();
        let good = move |events: &[Event]| seen.send(events.len()).unwrap();
        let bad = |_: &[Event]| panic!("a broken display");
        let (watcher_channel, thread) =
            open(vec![Box::new(bad), Box::new(good)], Clock::start()).unwrap();
        watcher_channel.show(continued());
        watcher_channel.show(continued());
        drop(watcher_channel);
        assert_eq!(thread.close(), WatchTrouble { missed_events: 0, panicked: 1 });
        assert_eq!(all_seen.iter().collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn what_was_missed_is_told_before_the_end() {
        struct Counting(mpsc::Sender<u64>);
        impl Watch for Counting {
            fn on_events(&mut self, _: &[Event]) {}
            fn missed(&mut self, events: u64) {
                self.0.send(events).unwrap();
            }
        }
        let (told, counts) = mpsc::channel();
        let mut watchers: Vec<Box<dyn Watch>> = vec![Box::new(Counting(told))];
        let (missed, mut told_missed) = (AtomicU64::new(3), 0);
        tell_missed(&mut watchers, &missed, &mut told_missed);
        tell_missed(&mut watchers, &missed, &mut told_missed);
        missed.store(5, Ordering::Relaxed);
        tell_missed(&mut watchers, &missed, &mut told_missed);
        drop(watchers);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_watcher_that_blocks_misses_events_and_holds_nobody_up() {
        let (entered, is_blocked) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let blocked = move |_: &[Event]| {
            let _ = entered.send(());
            let _ = gate.recv();
        };
        let (watcher_channel, thread) = open(vec![Box::new(blocked)], Clock::start()).unwrap();
        watcher_channel.show(continued());
        is_blocked.recv().unwrap();
        for _ in 0..MOST_BATCHES + 10 {
            watcher_channel.show(continued());
        }
        drop(release);
        drop(watcher_channel);
        assert_eq!(thread.close(), WatchTrouble { missed_events: 10, panicked: 0 });
    }
}
