//! Readers of lists in simulated time: surveys, `--wait` and looks at single tasks.
//!
//! The walker, its policies, the slots of a rate group and the slots of targets are the real ones.
//! `lists` keeps what is true, and checks what must hold at every request. At the end a walk that
//! calls itself whole has seen every task that was there all the time, and a gap has its reason.

use super::SOME_DAY;
use super::drive::Ran;
use super::lists::{List, ListWeather, Lists, Movement, Reader, Truth};
use super::planted::Planted;
use super::story::{millis, one_in, rate};
use crate::api::{Authority, Listed, Listing, Page, StateAccess, StateLookup, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::policy::{
    Answer, Grant, ProcessSlots, SharedSlots, SlotSource, SlotSpacing, SlotTrouble,
};
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker, WalkerSettings, read_states};
use crate::task::{Rate, Task, TaskId};
use fastrand::Rng;
use futures::future::join_all;
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A walk that takes longer than this hangs.
const TOO_LONG: Duration = Duration::from_secs(7 * 24 * 3600);

/// How several readers share slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// There is one, or each has its own limit.
    Not,
    /// A rate group: each has the same limit, and they keep it together.
    Group,
    /// Targets: each has a limit of its own, and they keep another one together.
    Targets,
}

/// How one reader reads.
#[derive(Debug)]
struct Manner {
    each_id: bool,
    commit_millis: u64,
    /// So many tasks are enough.
    enough: Option<usize>,
    throttle_timeout: Duration,
    gap: Duration,
}

/// The slots of a rate group, which cannot be used for a while.
struct Slots {
    inner: ProcessSlots,
    away: Option<(std::time::Instant, std::time::Instant)>,
}

impl SlotSource for Slots {
    fn reserve(
        &mut self,
        wanted: u32,
        spacing: SlotSpacing,
        now: std::time::Instant,
    ) -> Result<Grant, SlotTrouble> {
        if self.away.is_some_and(|(from, until)| from <= now && now < until) {
            return Err(SlotTrouble("the file is away".into()));
        }
        self.inner.reserve(wanted, spacing, now)
    }

    fn hold(&mut self, until: std::time::Instant, now: std::time::Instant) {
        self.inner.hold(until, now);
    }
}

/// The service, as one reader sees it.
struct ListService {
    lists: Lists,
    each_id: bool,
}

impl TaskApi for ListService {
    async fn call(&self, _: Arc<Task>) -> Answer {
        unreachable!("nothing is started or stopped here")
    }

    async fn list(&self, listing: &Listing, number: u32) -> Listed {
        self.lists.page(number, listing.page_size()).await
    }

    fn state_access(&self) -> StateAccess {
        let source = if self.each_id { StateLookup::EachId } else { StateLookup::List };
        StateAccess { source, ..StateAccess::default() }
    }

    async fn look(&self, id: &TaskId) -> Listed {
        self.lists.task(number_of(id.as_str())).await
    }

    fn authority(&self) -> &dyn Authority {
        &self.lists
    }
}

fn number_of(id: &str) -> u32 {
    id.trim_start_matches("task-").parse().unwrap()
}

/// Makes requests durable on a disk that is slow, and keeps what was seen.
struct Notes {
    lists: Lists,
    manner: Manner,
    wanted: Vec<TaskId>,
    answered: usize,
    /// What a planted fault holds back.
    unwritten: usize,
}

impl PageSink for Notes {
    type Error = Infallible;

    async fn request(&mut self, leaves: Timestamp) -> Result<(), Infallible> {
        let (delay, is_late) = {
            let mut truth = self.lists.lock();
            let is_late = truth.planted == Some(Planted::RequestNotDurable);
            (truth.rng.u64(..=self.manner.commit_millis), is_late)
        };
        if delay > 0 && !is_late {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let reader = &mut self.lists.lock().readers[self.lists.reader];
        // Answered at once; written with the next.
        reader.durable += if is_late { std::mem::replace(&mut self.unwritten, 1) } else { 1 };
        reader.leaves = leaves;
        Ok(())
    }

    fn wanted(&self) -> Vec<TaskId> {
        self.wanted.clone()
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        self.answered += 1;
        let reader = &mut self.lists.lock().readers[self.lists.reader];
        reader.seen.extend(page.tasks.iter().map(|task| number_of(&task.id)));
        let is_enough = self.manner.enough.is_some_and(|enough| reader.seen.len() >= enough);
        Ok(if is_enough { WalkStep::Enough } else { WalkStep::More })
    }
}

/// Carries out the walks of a seed.
pub(super) fn read_lists(seed: u64, planted: Option<Planted>) -> Ran {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        carry_out(seed, &mut rng, planted).await
    })
}

async fn carry_out(seed: u64, rng: &mut Rng, planted: Option<Planted>) -> Ran {
    let clock = Clock::starting_at(SOME_DAY);
    let mut truth = Truth::new(clock, seed, ListWeather::drawn(rng));
    truth.planted = planted;
    let sharing = [Sharing::Not, Sharing::Group, Sharing::Targets][rng.usize(..3)];
    let common = rate(rng);
    let count = if sharing == Sharing::Not { 1 } else { rng.usize(2..=4) };
    truth.total = (sharing != Sharing::Not).then_some(common);
    for _ in 0..count {
        let own = match sharing {
            Sharing::Group => Some(common),
            Sharing::Not | Sharing::Targets => (!one_in(rng, 5)).then(|| rate(rng)),
        };
        truth.readers.push(Reader::drawn(rng, clock, own));
    }
    let source = |rng: &mut Rng| {
        let now = clock.instant().into_std();
        let away = one_in(rng, 5).then(|| {
            let from = now + millis(rng, 0..5_000);
            (from, from + millis(rng, 100..30_000))
        });
        Slots { inner: ProcessSlots::new(now), away }
    };
    let shared = match sharing {
        Sharing::Not => None,
        Sharing::Group => Some(SharedSlots::new(source(rng))),
        Sharing::Targets => Some(SharedSlots::in_total(source(rng), common)),
    };
    let truth = Arc::new(Mutex::new(truth));
    let readers = (0..count).map(|reader| {
        let manner = Manner {
            each_id: one_in(rng, 3),
            commit_millis: [0, 3, 80, 1_500][rng.usize(..4)],
            enough: one_in(rng, 6).then(|| rng.usize(1..300)),
            throttle_timeout: Duration::from_secs([5, 60, 600][rng.usize(..3)]),
            gap: millis(rng, 0..500),
        };
        let slots = match planted {
            Some(Planted::GroupNotShared) => shared.as_ref().map(|_| SharedSlots::new(source(rng))),
            _ => shared.clone(),
        };
        let recalled = if shared.is_none() { rng.usize(..=60) } else { 0 };
        let lists = Lists { truth: Arc::clone(&truth), reader };
        read(lists, manner, slots, recalled)
    });
    let readers: Vec<_> = readers.collect();
    join_all(readers).await;
    let mut truth = truth.lock().unwrap();
    Ran {
        violations: std::mem::take(&mut truth.violations),
        trace: std::mem::take(&mut truth.trace),
        calls: truth.requests(),
        processes: count,
    }
}

/// Returns the requests of a process before this one, which ended in the middle of a window.
fn sent_before(rate: Option<Rate>, clock: Clock, most: usize) -> Vec<Timestamp> {
    let Some(rate) = rate else { return Vec::new() };
    let most = u32::try_from(most).unwrap().min(rate.limit.get());
    let ago = |back: u32| i64::try_from((rate.window / 2).as_micros()).unwrap() + i64::from(back);
    (1..=most).rev().map(|back| clock.now().plus_micros(-ago(back))).collect()
}

/// Lets one reader read its list, and judges the end.
async fn read(lists: Lists, manner: Manner, slots: Option<SharedSlots>, recalled: usize) {
    tokio::time::sleep(manner.gap).await;
    let no = lists.reader;
    let (clock, settings, asks_until, wanted, sent, is_forgetful) = {
        let mut truth = lists.lock();
        let clock = truth.clock;
        let reader = &mut truth.readers[no];
        reader.at_a_time = if manner.each_id { reader.at_a_time } else { 1 };
        let settings = WalkerSettings {
            rate: reader.rate,
            timeout: reader.timeout,
            max_attempts: NonZeroU32::new(reader.max_attempts).unwrap(),
            throttle_timeout: manner.throttle_timeout,
            at_a_time: NonZeroUsize::new(reader.at_a_time).unwrap(),
        };
        let (asks_until, wanted) = (reader.asks_until, wanted(&reader.list));
        let sent = sent_before(reader.rate, clock, recalled);
        sent.iter().for_each(|&at| truth.left_before(no, at));
        truth.note(&format!("reader {no}: {manner:?}, {settings:?}"));
        let is_forgetful = truth.planted == Some(Planted::RequestsForgotten);
        (clock, settings, asks_until, wanted, sent, is_forgetful)
    };
    let service = ListService { lists: lists.clone(), each_id: manner.each_id };
    let had = if is_forgetful { &[][..] } else { &sent };
    let mut walker = Walker::new(&service, settings, clock, had).sharing(slots);
    walker.ask_until(asks_until);
    let mut notes = Notes { lists: lists.clone(), manner, wanted, answered: 0, unwritten: 0 };
    let reading = async {
        let Ok(end) = read_states(&mut walker, &Listing::default(), &mut notes).await;
        end
    };
    let end = tokio::time::timeout(TOO_LONG, reading).await;
    let mut truth = lists.lock();
    truth.note(&format!("reader {no} ends: {end:?}"));
    let judged = match end {
        Ok(end) => judge(&truth.readers[no], &notes, &end),
        Err(_) => Some("it hangs".into()),
    };
    if let Some(why) = judged {
        truth.violate(no, &why);
    }
}

fn wanted(list: &List) -> Vec<TaskId> {
    list.ids.iter().take(60).map(|id| format!("task-{id}").parse().unwrap()).collect()
}

/// Returns what is wrong with the end of a walk, if anything is.
fn judge(reader: &Reader, notes: &Notes, end: &WalkEnd) -> Option<String> {
    let manner = &notes.manner;
    let has_enough = manner.enough.is_some_and(|enough| reader.seen.len() >= enough);
    let is_still = reader.list.movement == Movement::Still;
    let has_reason = match end {
        WalkEnd::Whole if manner.each_id => {
            let missed = notes.wanted.len().saturating_sub(notes.answered);
            return (missed > 0).then(|| format!("whole, and {missed} tasks were not asked for"));
        }
        WalkEnd::Whole if has_enough => true,
        WalkEnd::Whole => {
            let missed = reader.list.always.difference(&reader.seen).count();
            return (missed > 0).then(|| format!("whole, and {missed} tasks were missed"));
        }
        WalkEnd::Gap(Gap::Shrank) => reader.list.movement == Movement::Shrinks,
        WalkEnd::Gap(Gap::Repeated { .. } | Gap::Short { .. }) => !is_still,
        WalkEnd::Gap(Gap::Unread(_)) => reader.had_trouble,
        WalkEnd::Gap(Gap::Unauthorised(_)) => reader.was_refused,
        WalkEnd::Gap(Gap::OutOfTime) => reader.asks_until.is_some(),
        // Slots fail for a while in some groups, and nowhere else.
        WalkEnd::Gap(Gap::NoSlots(_)) => true,
        WalkEnd::Gap(Gap::Endless | Gap::Nameless { .. }) => false,
    };
    (!has_reason).then(|| format!("{end:?} without a reason"))
}
