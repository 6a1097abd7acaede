//! Shows committed events to the watchers, on a thread where nothing can hold the run up.
//!
//! A terminal may block for hours (Ctrl-S) and a watcher may panic; the run goes on. A watcher that
//! panics is dropped, and one that is too slow misses events. Both are counted.

use crate::clock::{Clock, Timestamp};
use crate::event::{Event, StoreWait, WaitSign, Watch};
use std::convert::Infallible;
use std::iter;
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
/// How long what comes gathers after something was shown. To wake the thread for each commit of a run
/// without a rate takes the engine's thread 2 % of its time.
const GATHERED: Duration = Duration::from_millis(5);

/// The channel to the watchers.
#[derive(Clone, Debug)]
pub(crate) struct WatcherChannel {
    /// The target whose events it is for, in a run of several.
    target: Option<Arc<str>>,
    shown: mpsc::SyncSender<Shown>,
    missed: Arc<AtomicU64>,
    /// Tells the thread, by its end, that nothing more will come.
    _open: mpsc::Sender<Infallible>,
}

/// What watchers are shown.
enum Shown {
    /// Events, with the target that they are of.
    Events(Option<Arc<str>>, Vec<Event>),
    /// What tells whether the store waits, of one target or of the run.
    Sign(Option<Arc<str>>, WaitSign),
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
    let (open, closing) = mpsc::channel();
    let missed = Arc::new(AtomicU64::new(0));
    let name = thread::Builder::new().name("watch".into());
    let thread = {
        let missed = Arc::clone(&missed);
        let queue = Queue { shown: queue, closing };
        let audience = Audience { watchers, clock, reported: 0, signs: Vec::new() };
        name.spawn(move || show_all(&queue, &missed, audience))?
    };
    let missing = Arc::clone(&missed);
    let watcher_channel = WatcherChannel { target: None, shown, missed: missing, _open: open };
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

impl WatcherChannel {
    /// Shows from now on whether the store waits. Called once, before there are events.
    pub(crate) fn show_waits(&self, sign: WaitSign) {
        let _ = self.shown.try_send(Shown::Sign(self.target.clone(), sign));
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

/// What waits to be shown.
struct Queue {
    shown: mpsc::Receiver<Shown>,
    closing: mpsc::Receiver<Infallible>,
}

impl Queue {
    /// Waits for what comes next, and returns it with all that waits behind it.
    fn next(&self, wait: Duration) -> Result<impl Iterator<Item = Shown>, RecvTimeoutError> {
        let first = self.shown.recv_timeout(wait)?;
        // No more than there can be at a time, so that watchers learn the time beside any flood.
        Ok(iter::once(first).chain(self.shown.try_iter().take(MAX_BATCHES)))
    }

    /// Lets a while pass, in which nobody has to wake the thread. Ends at once with the last channel.
    fn gather(&self) {
        let Err(_) = self.closing.recv_timeout(GATHERED);
    }
}

/// Shows batch after batch and passes the time on; returns how many watchers panicked.
fn show_all(queue: &Queue, missed: &AtomicU64, mut audience: Audience) -> u64 {
    let (before, clock) = (audience.watchers.len(), audience.clock);
    let mut next_tick = clock.instant() + TICK;
    loop {
        let wait = next_tick.saturating_duration_since(clock.instant());
        match queue.next(wait) {
            Ok(shown) => {
                shown.for_each(|shown| audience.show(shown));
                audience.report_missed(missed);
                queue.gather();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // The time goes on although no event comes, and although one comes after the other: the display
        // must not look frozen.
        if clock.instant() >= next_tick {
            let now = clock.now();
            audience.look_for_waits(now);
            audience.each(|watcher| watcher.tick(now));
            next_tick = clock.instant() + TICK;
        }
    }
    audience.report_missed(missed);
    audience.each(|watcher| watcher.finish());
    u64::try_from(before - audience.watchers.len()).unwrap_or(u64::MAX)
}

/// The watchers that have not panicked.
struct Audience {
    watchers: Vec<Box<dyn Watch>>,
    clock: Clock,
    /// How many events they have been told that they missed.
    reported: u64,
    signs: Vec<ShownSign>,
}

/// What the watchers know of the waits of a store.
struct ShownSign {
    target: Option<Arc<str>>,
    sign: WaitSign,
    wait: Option<StoreWait>,
}

impl ShownSign {
    /// Returns whether a wait has begun or ended since the last look.
    fn has_changed(&mut self, now: Timestamp) -> bool {
        let is_up = self.sign.is_up();
        if is_up == self.wait.is_some() {
            return false;
        }
        self.wait = is_up.then(|| self.sign.wait_since(now));
        true
    }
}

impl Audience {
    /// Shows what came through the channel.
    fn show(&mut self, shown: Shown) {
        match shown {
            Shown::Events(target, events) => self.each(|watcher| match &target {
                Some(target) => watcher.on_target_events(target, &events),
                None => watcher.on_events(&events),
            }),
            Shown::Sign(target, sign) => self.signs.push(ShownSign { target, sign, wait: None }),
            #[cfg(feature = "postgres")]
            Shown::SettledByAll(target, settled) => {
                let now = self.clock.now();
                self.each(|watcher| match &target {
                    Some(target) => watcher.on_target_settled_by_all(target, settled, now),
                    None => watcher.on_settled_by_all(settled, now),
                });
            }
        }
    }

    /// Passes on whether a store has begun or ceased to wait.
    fn look_for_waits(&mut self, now: Timestamp) {
        let mut signs = std::mem::take(&mut self.signs);
        for shown in signs.iter_mut().filter_map(|it| it.has_changed(now).then_some(&*it)) {
            let wait = shown.wait.as_ref();
            self.each(|watcher| match &shown.target {
                Some(target) => watcher.on_target_store_wait(target, wait, now),
                None => watcher.on_store_wait(wait, now),
            });
        }
        self.signs = signs;
    }

    /// Passes on how many events were missed since the last report.
    fn report_missed(&mut self, missed: &AtomicU64) {
        let all = missed.load(Ordering::Relaxed);
        let more = all - std::mem::replace(&mut self.reported, all);
        if more > 0 {
            self.each(|watcher| watcher.missed(more));
        }
    }

    /// Calls every watcher; one that panics is dropped.
    fn each(&mut self, mut call: impl FnMut(&mut dyn Watch)) {
        self.watchers.retain_mut(|watcher| {
            catch_unwind(AssertUnwindSafe(|| call(watcher.as_mut()))).is_ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::{EventKind, WaitCause};

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
        let watchers: Vec<Box<dyn Watch>> = vec![Box::new(Counting(sender))];
        let mut audience =
            Audience { watchers, clock: Clock::start(), reported: 0, signs: Vec::new() };
        let missed = AtomicU64::new(3);
        audience.report_missed(&missed);
        audience.report_missed(&missed);
        missed.store(5, Ordering::Relaxed);
        audience.report_missed(&missed);
        drop(audience);
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
    #[test]
    fn the_time_goes_on_beside_events_that_never_end() {
        struct Told(mpsc::Sender<Timestamp>);
        impl Watch for Told {
            fn on_events(&mut self, _: &[Event]) {}
            fn tick(&mut self, now: Timestamp) {
                let _ = self.0.send(now);
            }
        }
        let (sender, times) = mpsc::channel();
        let (watcher_channel, thread) = open(vec![Box::new(Told(sender))], Clock::start()).unwrap();
        // Events wait whenever the thread looks for some.
        let is_told = iter::repeat_with(|| {
            watcher_channel.show(continued());
            times.recv_timeout(Duration::from_millis(1)).is_ok()
        });
        assert!(is_told.take(60_000).any(|is_told| is_told));
        drop(watcher_channel);
        thread.close();
    }

    #[test]
    fn what_gathers_is_shown_together_and_at_once_at_the_end() {
        let (sender, shown) = mpsc::sync_channel(MAX_BATCHES);
        let (open, closing) = mpsc::channel();
        let queue = Queue { shown, closing };
        let fill = |batches| {
            (0..batches).for_each(|_| sender.send(Shown::Events(None, continued())).unwrap());
        };
        let next = || queue.next(Duration::ZERO).map(Iterator::count);
        fill(3);
        assert_eq!(next(), Ok(3));
        assert_eq!(next(), Err(RecvTimeoutError::Timeout));
        fill(MAX_BATCHES);
        drop((open, sender));
        queue.gather();
        assert_eq!(next(), Ok(MAX_BATCHES));
        assert_eq!(next(), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_wait_for_store_is_told_once_when_it_begins_and_once_when_it_ends() {
        struct Told(mpsc::Sender<Option<i64>>);
        impl Watch for Told {
            fn on_events(&mut self, _: &[Event]) {}
            fn on_target_store_wait(
                &mut self,
                target: &Arc<str>,
                wait: Option<&StoreWait>,
                _: Timestamp,
            ) {
                assert_eq!(&**target, "north");
                let left = wait.map(|wait| (wait.until.since(wait.since).as_secs(), &*wait.place));
                assert!(left.is_none_or(|left| left == (60, "/srv/runs")));
                self.0.send(wait.map(|wait| wait.since.as_micros())).unwrap();
            }
        }
        let (sender, told) = mpsc::channel();
        let watchers: Vec<Box<dyn Watch>> = vec![Box::new(Told(sender))];
        let (clock, signs) = (Clock::start(), Vec::new());
        let mut audience = Audience { watchers, clock, reported: 0, signs };
        let minute = Duration::from_secs(60);
        let sign = WaitSign::new(WaitCause::NoRoom, "/srv/runs".into(), minute);
        audience.show(Shown::Sign(Some("north".into()), sign.clone()));
        for (at, waits) in [false, true, true, false, false, true].into_iter().enumerate() {
            if waits {
                sign.raise();
            } else {
                sign.lower();
            }
            audience.look_for_waits(Timestamp::from_micros(at as i64));
        }
        drop(audience);
        assert_eq!(told.iter().collect::<Vec<_>>(), [Some(1), None, Some(5)]);
    }
}
