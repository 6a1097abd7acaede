//! Shows committed events to the watchers, on a thread where nothing can hold the run up.
//!
//! A terminal may block for hours (Ctrl-S) and a watcher may panic; the run goes on. A watcher that
//! panics is dropped, and one that is too slow misses events. Both are counted.

use crate::clock::Clock;
use crate::event::{Event, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// The maximum number of batches that wait to be shown.
const MAX_BATCHES: usize = 4_096;
/// The interval at which watchers learn the time.
const TICK: Duration = Duration::from_secs(1);

/// The channel to the watchers.
#[derive(Clone, Debug)]
pub(crate) struct WatcherChannel {
    /// The target whose events it is for, in a run of several.
    target: Option<Arc<str>>,
    shown: mpsc::SyncSender<Shown>,
    missed: Arc<AtomicU64>,
}

/// What watchers are shown.
enum Shown {
    /// Events, with the target that they are of.
    Events(Option<Arc<str>>, Vec<Event>),
    /// The number of tasks that all workers have settled, of one target or of the run.
    #[cfg(feature = "postgres")]
    SettledByAll(Option<Arc<str>>, u64),
}

/// The thread of the watchers.
pub(crate) struct WatcherThread {
    thread: thread::JoinHandle<u64>,
    missed: Arc<AtomicU64>,
}

/// The trouble of the watchers. None of it touched the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchTrouble {
    /// The number of events that were not shown because a watcher was too slow.
    pub missed_events: u64,
    /// The number of watchers that panicked.
    pub panicked: u64,
}

/// Starts the thread of the watchers. It ends when the last channel to it is dropped.
pub(crate) fn open(
    watchers: Vec<Box<dyn Watch>>,
    clock: Clock,
) -> std::io::Result<(WatcherChannel, WatcherThread)> {
    let (shown, queue) = mpsc::sync_channel(MAX_BATCHES);
    let missed = Arc::new(AtomicU64::new(0));
    let name = thread::Builder::new().name("watch".into());
    let thread = {
        let missed = Arc::clone(&missed);
        name.spawn(move || show_all(&queue, &missed, watchers, clock))?
    };
    let watcher_channel = WatcherChannel { target: None, shown, missed: Arc::clone(&missed) };
    Ok((watcher_channel, WatcherThread { thread, missed }))
}

impl WatcherChannel {
    /// Returns a channel for the events of one target.
    pub(crate) fn of_target(&self, target: &str) -> Self {
        Self { target: Some(target.into()), ..self.clone() }
    }

    /// Shows events, or counts them as missed.
    pub(crate) fn show(&self, events: Vec<Event>) {
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        // Without waiting for room: a blocked watcher must not block the engine.
        if self.shown.try_send(Shown::Events(self.target.clone(), events)).is_err() {
            self.missed.fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "postgres")]
impl WatcherChannel {
    /// Shows how many tasks all workers have settled; the next number makes up for a lost one.
    pub(crate) fn show_settled_by_all(&self, settled: u64) {
        let _ = self.shown.try_send(Shown::SettledByAll(self.target.clone(), settled));
    }
}

impl WatcherThread {
    /// Waits until everything has been shown.
    pub(crate) fn close(self) -> WatchTrouble {
        // Each watcher's panic is caught; one that ends the thread itself counts as one.
        let panicked = self.thread.join().unwrap_or(1);
        WatchTrouble { missed_events: self.missed.load(Ordering::Relaxed), panicked }
    }
}

/// Shows batch after batch and passes the time on; returns how many watchers panicked.
fn show_all(
    queue: &mpsc::Receiver<Shown>,
    missed: &AtomicU64,
    mut watchers: Vec<Box<dyn Watch>>,
    clock: Clock,
) -> u64 {
    let before = watchers.len();
    let mut reported = 0;
    let mut next_tick = clock.instant() + TICK;
    loop {
        // The time goes on although no event comes: the display must not look frozen.
        let wait = next_tick.saturating_duration_since(clock.instant());
        match queue.recv_timeout(wait) {
            #[cfg(feature = "postgres")]
            Ok(Shown::SettledByAll(target, settled)) => {
                let now = clock.now();
                each(&mut watchers, |watcher| match &target {
                    Some(target) => watcher.on_target_settled_by_all(target, settled, now),
                    None => watcher.on_settled_by_all(settled, now),
                });
            }
            Ok(Shown::Events(target, events)) => {
                each(&mut watchers, |watcher| match &target {
                    Some(target) => watcher.on_target_events(target, &events),
                    None => watcher.on_events(&events),
                });
                report_missed(&mut watchers, missed, &mut reported);
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = clock.now();
                each(&mut watchers, |watcher| watcher.tick(now));
                next_tick = clock.instant() + TICK;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    report_missed(&mut watchers, missed, &mut reported);
    each(&mut watchers, |watcher| watcher.finish());
    u64::try_from(before - watchers.len()).unwrap_or(u64::MAX)
}

/// Passes on how many events were missed since the last report.
fn report_missed(watchers: &mut Vec<Box<dyn Watch>>, missed: &AtomicU64, reported: &mut u64) {
    let all = missed.load(Ordering::Relaxed);
    let more = all - std::mem::replace(reported, all);
    if more > 0 {
        each(watchers, |watcher| watcher.missed(more));
    }
}

/// Calls every watcher; one that panics is dropped.
fn each(watchers: &mut Vec<Box<dyn Watch>>, mut call: impl FnMut(&mut dyn Watch)) {
    watchers
        .retain_mut(|watcher| catch_unwind(AssertUnwindSafe(|| call(watcher.as_mut()))).is_ok());
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
    fn missed_events_are_reported_before_the_end() {
        struct Counting(mpsc::Sender<u64>);
        impl Watch for Counting {
            fn on_events(&mut self, _: &[Event]) {}
            fn missed(&mut self, events: u64) {
                self.0.send(events).unwrap();
            }
        }
        let (sender, counts) = mpsc::channel();
        let mut watchers: Vec<Box<dyn Watch>> = vec![Box::new(Counting(sender))];
        let (missed, mut reported) = (AtomicU64::new(3), 0);
        report_missed(&mut watchers, &missed, &mut reported);
        report_missed(&mut watchers, &missed, &mut reported);
        missed.store(5, Ordering::Relaxed);
        report_missed(&mut watchers, &missed, &mut reported);
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
        for _ in 0..MAX_BATCHES + 10 {
            watcher_channel.show(continued());
        }
        drop(release);
        drop(watcher_channel);
        assert_eq!(thread.close(), WatchTrouble { missed_events: 10, panicked: 0 });
    }
}
