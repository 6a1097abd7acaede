//! The calls on the wire: each is polled once when it leaves, and then whenever it is woken.
//!
//! `FuturesUnordered` polls every future a second time, because it cannot know that it was polled
//! before, and allocates memory for each. Here a call that has ended leaves its place, with its memory
//! and its waker, to the next one. A waker of the earlier call may still wake it then: that costs a
//! poll and nothing else.

use futures::task::AtomicWaker;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The number of calls in a row that have more to do at once, after which sockets, timers and signals
/// get their turn. An answer without end takes a poll's whole time, and twenty of them would keep
/// every other call from its answer for as long. `FuturesUnordered` has the same limit.
const MOST_RESTLESS: usize = 2;

/// A set of calls that are under way.
pub(super) struct OnWire<F> {
    places: Vec<Place<F>>,
    free: Vec<usize>,
    /// The places to be polled in this round.
    round: Vec<usize>,
    woken: Arc<Woken>,
}

/// A place for one call after the other.
struct Place<F> {
    call: Pin<Box<Option<F>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What wakes a place.
struct Bell {
    place: usize,
    /// Whether the place waits to be polled.
    has_rung: AtomicBool,
    woken: Arc<Woken>,
}

/// The places that were woken since the last round, the first one first, and who waits for them.
#[derive(Default)]
struct Woken {
    places: Mutex<Vec<usize>>,
    waiting: AtomicWaker,
}

impl<F: Future> OnWire<F> {
    /// Returns an empty set.
    pub(super) fn new() -> Self {
        let (places, free, round) = (Vec::new(), Vec::new(), Vec::new());
        Self { places, free, round, woken: Arc::default() }
    }

    /// Returns the number of calls.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Returns whether there is no call.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Polls a call for the first time, and keeps it unless it ends at once.
    pub(super) fn begin(&mut self, call: F) -> Poll<F::Output> {
        let index = self.free.pop().unwrap_or_else(|| self.add_place());
        self.places[index].call.set(Some(call));
        self.poll_place(index)
    }

    /// Polls the calls that were woken until one has ended; `None` if there is no call at all.
    ///
    /// Those that are woken meanwhile wait for the next time, so that one which always wakes itself
    /// leaves the others their turn.
    pub(super) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<F::Output>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        // Before the look at what was woken: a waker that comes later is not missed.
        self.woken.waiting.register(cx.waker());
        if self.round.is_empty() {
            std::mem::swap(&mut *self.woken.places(), &mut self.round);
            // The first one that was woken is taken from the end.
            self.round.reverse();
        }
        let mut restless = 0;
        while restless < MOST_RESTLESS
            && let Some(index) = self.round.pop()
        {
            if let Poll::Ready(output) = self.poll_place(index) {
                return Poll::Ready(Some(output));
            }
            restless += usize::from(self.places[index].bell.has_rung.load(Ordering::SeqCst));
        }
        if !self.round.is_empty() || !self.woken.places().is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Drops all calls.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.free.clear();
        self.round.clear();
        // Wakers of the dropped calls ring in vain.
        self.woken = Arc::default();
    }

    fn add_place(&mut self) -> usize {
        let place = self.places.len();
        let woken = Arc::clone(&self.woken);
        let bell = Arc::new(Bell { place, has_rung: AtomicBool::new(false), woken });
        let waker = Waker::from(Arc::clone(&bell));
        self.places.push(Place { call: Box::pin(None), bell, waker });
        place
    }

    /// Polls the call at a place; pending as well if a late waker has rung for none.
    fn poll_place(&mut self, index: usize) -> Poll<F::Output> {
        let place = &mut self.places[index];
        // Before the poll: what happens during it must be looked at again.
        place.bell.has_rung.store(false, Ordering::SeqCst);
        let Some(call) = place.call.as_mut().as_pin_mut() else { return Poll::Pending };
        let polled = call.poll(&mut Context::from_waker(&place.waker));
        if polled.is_ready() {
            place.call.set(None);
            self.free.push(index);
        }
        polled
    }
}

impl Woken {
    fn places(&self) -> MutexGuard<'_, Vec<usize>> {
        // Its holders leave it whole at every step.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.has_rung.swap(true, Ordering::SeqCst) {
            self.woken.places().push(self.place);
            self.woken.waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::{BoxFuture, poll_fn};
    use proptest::prelude::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    type Calls = OnWire<BoxFuture<'static, u32>>;

    fn next(calls: &mut Calls) -> Option<Option<u32>> {
        poll_fn(|cx| calls.poll_next(cx)).now_or_never()
    }

    /// Begins a call that ends when it is told what to return.
    fn begin(calls: &mut Calls) -> oneshot::Sender<u32> {
        let (end, ended) = oneshot::channel();
        let call = async { ended.await.expect("it is told") };
        assert!(calls.begin(call.boxed()).is_pending());
        end
    }

    /// Begins a call that always has more to do at once, and counts its polls.
    fn begin_restless(calls: &mut Calls, polls: &Arc<AtomicUsize>) {
        let counted = Arc::clone(polls);
        let restless = poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::<u32>::Pending
        });
        assert!(calls.begin(restless.boxed()).is_pending());
    }

    #[test]
    fn a_call_that_ends_in_its_first_poll_is_not_kept() {
        let mut calls = Calls::new();
        assert_eq!(calls.begin(async { 7 }.boxed()), Poll::Ready(7));
        assert_eq!((calls.len(), next(&mut calls)), (0, Some(None)));
    }

    #[test]
    fn calls_end_in_the_order_in_which_they_are_woken() {
        let mut calls = Calls::new();
        let [one, two, three] = [(); 3].map(|()| begin(&mut calls));
        assert_eq!(next(&mut calls), None);
        three.send(3).unwrap();
        one.send(1).unwrap();
        assert_eq!(next(&mut calls), Some(Some(3)));
        two.send(2).unwrap();
        assert_eq!([next(&mut calls), next(&mut calls)], [Some(Some(1)), Some(Some(2))]);
        assert_eq!(next(&mut calls), Some(None));
    }

    #[test]
    fn a_call_that_always_wakes_itself_leaves_the_others_their_turn() {
        let mut calls = Calls::new();
        let polls = Arc::new(AtomicUsize::new(0));
        begin_restless(&mut calls, &polls);
        let other = begin(&mut calls);
        assert_eq!([next(&mut calls), next(&mut calls)], [None, None]);
        assert_eq!(polls.load(Ordering::Relaxed), 3, "it is polled once each time");
        other.send(5).unwrap();
        assert_eq!(next(&mut calls), Some(Some(5)));
    }

    #[test]
    fn many_calls_that_wake_themselves_leave_sockets_and_timers_their_turn() {
        let mut calls = Calls::new();
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            begin_restless(&mut calls, &polls);
        }
        let end = begin(&mut calls);
        end.send(5).unwrap();
        let woken = Arc::new(Bell { place: 0, has_rung: false.into(), woken: Arc::default() });
        let waker = Waker::from(Arc::clone(&woken));
        for turn in 1..=10 {
            assert!(calls.poll_next(&Context::from_waker(&waker)).is_pending());
            assert_eq!(polls.load(Ordering::Relaxed), 20 + turn * MOST_RESTLESS);
            assert!(woken.has_rung.swap(false, Ordering::SeqCst), "whoever waits comes back");
        }
        // All have had their turn, and so has the one that has ended.
        assert_eq!(next(&mut calls), Some(Some(5)));
    }

    #[test]
    fn whoever_waits_is_woken_by_a_call_that_can_go_on() {
        let woken = Arc::new(Bell { place: 0, has_rung: false.into(), woken: Arc::default() });
        let (waker, mut calls) = (Waker::from(Arc::clone(&woken)), Calls::new());
        let end = begin(&mut calls);
        assert!(calls.poll_next(&Context::from_waker(&waker)).is_pending());
        assert!(!woken.has_rung.load(Ordering::SeqCst));
        end.send(1).unwrap();
        assert!(woken.has_rung.load(Ordering::SeqCst));
    }

    #[test]
    fn a_late_waker_neither_ends_nor_disturbs_the_next_call_of_its_place() {
        let mut calls = Calls::new();
        let (kept, wakers) = (Arc::new(AtomicWaker::new()), oneshot::channel::<u32>());
        let (end, mut ended) = wakers;
        let seen = Arc::clone(&kept);
        let call = poll_fn(move |cx| {
            seen.register(cx.waker());
            ended.poll_unpin(cx).map(|told| told.expect("it is told"))
        });
        assert!(calls.begin(call.boxed()).is_pending());
        end.send(1).unwrap();
        assert_eq!(next(&mut calls), Some(Some(1)));
        // The place is empty, and then that of another call.
        let late = kept.take().expect("the first call has left it");
        late.wake_by_ref();
        let end = begin(&mut calls);
        late.wake_by_ref();
        assert_eq!(next(&mut calls), None);
        end.send(2).unwrap();
        assert_eq!(next(&mut calls), Some(Some(2)));
    }

    #[test]
    fn dropped_calls_are_gone_and_their_wakers_ring_in_vain() {
        let mut calls = Calls::new();
        let [one, two] = [(); 2].map(|()| begin(&mut calls));
        one.send(1).unwrap();
        calls.clear();
        assert!(calls.is_empty() && two.is_closed());
        let end = begin(&mut calls);
        assert_eq!(next(&mut calls), None);
        end.send(3).unwrap();
        assert_eq!(next(&mut calls), Some(Some(3)));
    }

    proptest! {
        /// Some calls begin, some end, and somebody looks: in any order each ends exactly once.
        #[test]
        fn every_call_ends_once(steps in proptest::collection::vec(0_u8..3, 0..200)) {
            let (mut calls, mut open, mut begun) = (Calls::new(), Vec::new(), 0);
            let mut ended = Vec::new();
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        open.push((begun, begin(&mut calls)));
                        begun += 1;
                    }
                    1 if !open.is_empty() => {
                        let (number, end) = open.swap_remove(at % open.len());
                        end.send(number).unwrap();
                    }
                    _ => ended.extend(next(&mut calls).flatten()),
                }
            }
            for (number, end) in open {
                end.send(number).unwrap();
            }
            while let Some(Some(number)) = next(&mut calls) {
                ended.push(number);
            }
            ended.sort_unstable();
            prop_assert_eq!(ended, (0..begun).collect::<Vec<_>>());
            prop_assert!(calls.is_empty());
        }
    }
}
