//! How much reading may take: a fifth of a processor, or a hundredth if none of this machine is free.
//!
//! A run that could use a processor must not become slower because somebody watches it. Where
//! processors are free, a page that comes sooner costs nobody anything.

use crate::clock::{Clock, Instant};
use crate::system::machine::{ProcessorTimes, processor_times};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

/// The rest after a reading, as a multiple of what it cost.
const REST: u32 = 4;
/// The same while no processor is free.
const REST_WHEN_BUSY: u32 = 99;
/// Fewer free processors than this are none: a run gets by with one half.
const FREE: f64 = 0.5;

/// The readers that share what reading may take.
#[derive(Debug, Default)]
pub(crate) struct Readers(AtomicU32);

/// When one reader may read again.
#[derive(Debug)]
pub(crate) struct Share {
    readers: Arc<Readers>,
    clock: Clock,
    processors: NonZeroUsize,
    last: Option<Last>,
}

/// The last reading.
#[derive(Debug, Clone, Copy)]
struct Last {
    ended: Instant,
    cost: Cost,
    times: Option<ProcessorTimes>,
}

/// What a reading took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The time of this machine's processors.
    pub(crate) own: Duration,
    /// The time in which another machine was busy with it, too.
    pub(crate) others: Duration,
}

impl Share {
    /// Begins with a reader that has not read yet.
    pub(crate) fn new(readers: &Arc<Readers>) -> Self {
        readers.0.fetch_add(1, Ordering::Relaxed);
        let processors = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { readers: Arc::clone(readers), clock: Clock::start(), processors, last: None }
    }

    /// Notes a reading that has just ended, and what it cost.
    pub(crate) fn spend(&mut self, cost: Cost) {
        self.spend_at(self.clock.instant(), cost, processor_times());
    }

    /// Returns whether it is time to read again.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(self.clock.instant(), processor_times)
    }

    fn spend_at(&mut self, ended: Instant, cost: Cost, times: Option<ProcessorTimes>) {
        self.last = Some(Last { ended, cost, times });
    }

    fn is_due_at(&self, now: Instant, times: impl FnOnce() -> Option<ProcessorTimes>) -> bool {
        let Some(last) = self.last else { return true };
        let rested = now.duration_since(last.ended);
        // All readers together take no more than one would alone.
        let readers = self.readers.0.load(Ordering::Relaxed);
        let rest = |cost: Duration, times: u32| cost.saturating_mul(readers).saturating_mul(times);
        if rested < rest(last.cost.own.max(last.cost.others), REST) {
            return false;
        }
        rested >= rest(last.cost.own, REST_WHEN_BUSY) || !self.is_busy(last.times, times())
    }

    /// Returns whether no processor was free between two times; false where the system does not tell.
    fn is_busy(&self, before: Option<ProcessorTimes>, now: Option<ProcessorTimes>) -> bool {
        let Some((before, now)) = before.zip(now) else { return false };
        let all = now.all.saturating_sub(before.all);
        let free = now.free.saturating_sub(before.free);
        // Too short a time for the kernel's ticks says nothing, and is taken for busy.
        free as f64 * self.processors.get() as f64 <= FREE * all as f64
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.readers.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { own: Duration::from_millis(10), others: Duration::ZERO };
    const BEFORE: ProcessorTimes = ProcessorTimes { all: 1_000, free: 500 };

    /// Returns a reader of a machine with two processors that has just read.
    fn share(readers: &Arc<Readers>) -> Share {
        let mut share = Share::new(readers);
        share.processors = NonZeroUsize::new(2).unwrap();
        share.spend_at(share.clock.instant(), COST, Some(BEFORE));
        share
    }

    /// Checks whether it is due so many milliseconds later, if that much of 200 ticks was free.
    fn check(share: &Share, millis: u64, free: u64, expected: bool) {
        let now = share.clock.instant() + Duration::from_millis(millis);
        let times = ProcessorTimes { all: BEFORE.all + 200, free: BEFORE.free + free };
        let is_due = share.is_due_at(now, || Some(times));
        assert_eq!(is_due, expected, "{free} of 200 ticks were free in {millis} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn reading_takes_a_fifth_and_a_hundredth_where_no_processor_is_free() {
        let readers = Arc::default();
        assert!(Share::new(&readers).is_due(), "a page is filled at once");
        let share = share(&readers);
        for (millis, free, expected) in [
            (39, 200, false),
            (40, 200, true),
            (40, 51, true),
            (40, 50, false),
            (989, 0, false),
            (990, 0, true),
        ] {
            check(&share, millis, free, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_another_machine_is_its_own_however_busy_this_one_is() {
        let mut share = share(&Arc::default());
        let others = Duration::from_secs(1);
        share.spend_at(share.clock.instant(), Cost { others, ..COST }, Some(BEFORE));
        check(&share, 3_999, 200, false);
        check(&share, 4_000, 0, true);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_share_what_one_may_take() {
        let readers = Arc::default();
        let first = share(&readers);
        let second = share(&readers);
        check(&first, 79, 200, false);
        check(&first, 80, 200, true);
        check(&second, 1_979, 0, false);
        drop(second);
        check(&first, 40, 200, true);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_does_not_tell_how_busy_it_is_counts_as_free() {
        let share = share(&Arc::default());
        let now = share.clock.instant() + Duration::from_millis(40);
        assert!(share.is_due_at(now, || None));
    }
}
