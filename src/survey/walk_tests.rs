//! Walks through scripted lists, under a clock that stands still.

use super::*;
use crate::api::ListedTask;
use crate::api::PAGE_SIZE;
use crate::clock::Instant;
use crate::policy::{Body, ProcessSlots, Response, ServiceError};
use crate::task::Task;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

type Script = Box<dyn Fn(u32, usize) -> Listed>;

/// A service that answers the n-th request, for a page, as a script says.
struct Service {
    script: Script,
    asked: Mutex<Vec<(u32, Instant)>>,
    clock: Clock,
}

impl TaskApi for Service {
    async fn call(&self, _: Arc<Task>) -> Answer {
        unreachable!("nothing is started or stopped here")
    }

    async fn list(&self, _: &Listing, number: u32) -> Listed {
        let mut asked = self.asked.lock().unwrap();
        asked.push((number, self.clock.instant()));
        (self.script)(number, asked.len())
    }
}

/// Keeps ids until there are enough.
#[derive(Default)]
struct Ids {
    seen: Vec<String>,
    durable: usize,
    enough: Option<usize>,
}

impl PageSink for Ids {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        self.durable += 1;
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        self.seen.extend(page.tasks.into_iter().map(|task| task.id));
        let enough = self.enough.is_some_and(|enough| self.seen.len() >= enough);
        Ok(if enough { WalkStep::Enough } else { WalkStep::More })
    }
}

/// What came of a walk.
struct Walked {
    end: WalkEnd,
    ids: Ids,
    asked: Vec<u32>,
    millis: Vec<u128>,
}

async fn walk(
    rate: Option<&str>,
    ids: Ids,
    script: impl Fn(u32, usize) -> Listed + 'static,
) -> Walked {
    walk_as(rate, ids, |_| {}, script).await
}

/// The same with a walker that is set up in a way of its own.
async fn walk_as(
    rate: Option<&str>,
    ids: Ids,
    set_up: impl FnOnce(&mut Walker<'_, Service>),
    script: impl Fn(u32, usize) -> Listed + 'static,
) -> Walked {
    let clock = Clock::start();
    let began = clock.instant();
    let service = Service { script: Box::new(script), asked: Mutex::default(), clock };
    let settings = WalkerSettings {
        rate: rate.map(|rate| rate.parse().unwrap()),
        timeout: Duration::from_secs(60),
        max_attempts: NonZeroU32::new(4).unwrap(),
        throttle_timeout: Duration::from_secs(600),
        at_a_time: NonZeroUsize::MIN,
    };
    let mut ids = ids;
    let mut walker = Walker::new(&service, settings, clock, &[]);
    set_up(&mut walker);
    let Ok(end) = walker.walk(&Listing::default(), &mut ids).await;
    let asked = service.asked.into_inner().unwrap();
    Walked {
        end,
        ids,
        millis: asked.iter().map(|&(_, at)| (at - began).as_millis()).collect(),
        asked: asked.into_iter().map(|(number, _)| number).collect(),
    }
}

fn page(number: u32, total: usize) -> Listed {
    let first = (number as usize - 1) * PAGE_SIZE;
    let ids = first..(first + PAGE_SIZE).min(total);
    let task = |id| ListedTask { id: format!("task-{id}"), ..ListedTask::default() };
    Listed::Page(Page {
        total: Some(total as u64),
        tasks: ids.map(task).collect(),
        ..Page::default()
    })
}

fn refusal(status: u16, code: &str) -> Listed {
    Listed::Answer(Answer::Response(Response {
        status,
        request_id: None,
        retry_after: (status == 429).then(|| Duration::from_secs(7)),
        rate_hint: None,
        body: Body::Error(ServiceError { code: code.into(), ..ServiceError::default() }),
    }))
}

/// A refusal that asks for a wait of so many seconds, or for none.
fn asking(status: u16, seconds: Option<u64>) -> Listed {
    let Listed::Answer(Answer::Response(response)) = refusal(status, "APIGW.0308") else {
        unreachable!("a refusal is a response")
    };
    let retry_after = seconds.map(Duration::from_secs);
    Listed::Answer(Answer::Response(Response { retry_after, ..response }))
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tasks_are_fifty_pages() {
    let walked = walk(None, Ids::default(), |number, _| page(number, 10_000)).await;
    assert_eq!(walked.end, WalkEnd::Whole);
    assert_eq!((walked.asked.len(), walked.ids.seen.len()), (50, 10_000));
    assert_eq!(walked.ids.durable, 50);
}

#[tokio::test(start_paused = true)]
async fn a_walk_ends_when_all_that_was_looked_for_is_seen() {
    let ids = Ids { enough: Some(250), ..Ids::default() };
    let walked = walk(None, ids, |number, _| page(number, 10_000)).await;
    assert_eq!((walked.end, walked.asked), (WalkEnd::Whole, vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn pages_are_asked_for_at_the_rate() {
    let walked = walk(Some("2/s"), Ids::default(), |number, _| page(number, 1_000)).await;
    assert_eq!(walked.asked, [1, 2, 3, 4, 5]);
    for window in walked.millis.windows(3) {
        assert!(window[2] - window[0] > 1_000, "{:?}", walked.millis);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_asked_for_again() {
    let script = |number, request| match request {
        2 | 3 => refusal(503, "VIAS.00010016"),
        _ => page(number, 300),
    };
    let walked = walk(None, Ids::default(), script).await;
    assert_eq!((walked.end, walked.asked), (WalkEnd::Whole, vec![1, 2, 2, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_keeps_failing_is_a_gap() {
    let walked = walk(None, Ids::default(), |_, _| refusal(500, "VIAS.00010006")).await;
    assert!(matches!(walked.end, WalkEnd::Gap(Gap::Unread(_))), "{:?}", walked.end);
    assert_eq!(walked.asked, [1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_walk_waits_as_long_as_it_is_told() {
    let script = |number, request| match request {
        1 => refusal(429, "APIGW.0308"),
        _ => page(number, 3),
    };
    let walked = walk(None, Ids::default(), script).await;
    assert_eq!((walked.end, walked.asked), (WalkEnd::Whole, vec![1, 1]));
    assert!((7_000..=7_700).contains(&walked.millis[1]), "{:?}", walked.millis);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_end_a_walk_at_once() {
    let walked = walk(None, Ids::default(), |_, _| refusal(401, "APIGW.0301")).await;
    assert!(matches!(walked.end, WalkEnd::Gap(Gap::Unauthorised(_))), "{:?}", walked.end);
    assert_eq!(walked.asked, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_longer_wait_than_the_walk_has_patience_for_ends_it_at_once() {
    for status in [429, 503, 425] {
        let walked = walk(None, Ids::default(), move |_, _| asking(status, Some(3_600))).await;
        assert!(matches!(walked.end, WalkEnd::Gap(Gap::Unread(_))), "{:?}", walked.end);
        assert_eq!((walked.asked, walked.millis), (vec![1], vec![0]), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_every_request_ends_the_walk_when_its_patience_is_over() {
    for hint in [None, Some(30)] {
        let walked = walk(None, Ids::default(), move |_, _| asking(429, hint)).await;
        assert!(matches!(walked.end, WalkEnd::Gap(Gap::Unread(_))), "{:?}", walked.end);
        let last = *walked.millis.last().unwrap();
        assert!((560_000..=600_000).contains(&last), "{hint:?}: {last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_served_begins_the_patience_anew() {
    // Throttled for 500 s before each page: less than the patience, and more in sum.
    let script = |number, request: usize| match request % 2 {
        1 => asking(429, Some(500)),
        _ => page(number, 600),
    };
    let walked = walk(None, Ids::default(), script).await;
    assert_eq!((walked.end, walked.asked), (WalkEnd::Whole, vec![1, 1, 2, 2, 3, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_walk_with_a_deadline_waits_for_the_service_until_then_alone() {
    let latest = |seconds| {
        move |walker: &mut Walker<'_, Service>| {
            let now = walker.clock.instant();
            walker.wait_until_at_most(Some(now + Duration::from_secs(seconds)));
        }
    };
    let script = |number, request: usize| match request {
        1 => asking(429, Some(7)),
        _ => page(number, 3),
    };
    let cut = walk_as(None, Ids::default(), latest(6), script).await;
    assert!(matches!(cut.end, WalkEnd::Gap(Gap::Unread(_))), "{:?}", cut.end);
    assert_eq!(cut.asked, [1]);
    let whole = walk_as(None, Ids::default(), latest(9), script).await;
    assert_eq!(whole.end, WalkEnd::Whole);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_asked_for_holds_the_next_walk_and_the_group() {
    let clock = Clock::start();
    let script: Script = Box::new(|number, request| match request {
        1 => asking(429, Some(300)),
        _ => page(number, 3),
    });
    let service = Service { script, asked: Mutex::default(), clock };
    let rate: Rate = "10/s".parse().unwrap();
    let settings = WalkerSettings {
        rate: Some(rate),
        timeout: Duration::from_secs(60),
        max_attempts: NonZeroU32::new(4).unwrap(),
        throttle_timeout: Duration::from_secs(600),
        at_a_time: NonZeroUsize::MIN,
    };
    let began = clock.instant();
    let slots = SharedSlots::new(ProcessSlots::new(began.into()));
    let mut walker = Walker::new(&service, settings, clock, &[]).sharing(Some(slots.clone()));
    walker.wait_until_at_most(Some(began + Duration::from_secs(2)));
    let filter = Listing::default();
    for _ in 0..2 {
        let Ok(end) = walker.walk(&filter, &mut Ids::default()).await;
        assert!(matches!(end, WalkEnd::Gap(Gap::Unread(_))), "{end:?}");
    }
    assert_eq!(service.asked.lock().unwrap().len(), 1, "asked sooner than it wished");
    let now = clock.instant().into();
    let due = SlotGate::new(slots, rate, now).due(1, now, 0.0).unwrap();
    assert!(due - now > Duration::from_secs(290), "{:?}", due - now);
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_was_dropped_leaves_its_turn_to_the_next() {
    let clock = Clock::start();
    let script: Script = Box::new(|number, _| page(number, 1_000));
    let service = Service { script, asked: Mutex::default(), clock };
    let settings = WalkerSettings {
        rate: Some("1/s".parse().unwrap()),
        timeout: Duration::from_secs(60),
        max_attempts: NonZeroU32::new(4).unwrap(),
        throttle_timeout: Duration::from_secs(600),
        at_a_time: NonZeroUsize::MIN,
    };
    let mut walker = Walker::new(&service, settings, clock, &[]);
    let filter = Listing::default();
    for _ in 0..20 {
        let mut ids = Ids::default();
        // In the middle of the wait between two pages, whichever gate makes it.
        let cut = timeout(Duration::from_millis(1_990), walker.walk(&filter, &mut ids)).await;
        cut.unwrap_err();
    }
    let Ok(end) = walker.walk(&filter, &mut Ids::default()).await;
    assert_eq!(end, WalkEnd::Whole);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(walker.pacer.admit(clock.instant().into()), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn a_walk_asks_for_no_page_when_its_time_is_over() {
    let until = |walker: &mut Walker<'_, Service>| {
        walker.ask_until(Some(walker.clock.instant() + Duration::from_millis(1_500)));
    };
    let script = |number, _| page(number, 1_000);
    let walked = walk_as(Some("1/s"), Ids::default(), until, script).await;
    assert_eq!((walked.end, walked.asked), (WalkEnd::Gap(Gap::OutOfTime), vec![1, 2]));
}

/// A page of a list of 1,000 tasks, with what its headers say.
fn telling(number: u32, retry_after: Option<u64>, hint: RateHint) -> Listed {
    let Listed::Page(page) = page(number, 1_000) else { unreachable!("it is a page") };
    let retry_after = retry_after.map(Duration::from_secs);
    Listed::Page(Page { retry_after, rate_hint: Some(Box::new(hint)), ..page })
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_served_is_obeyed_as_a_call_is() {
    let waits = async |retry_after, hint| {
        let answer = move |number, _| telling(number, retry_after, hint);
        let walked = walk(None, Ids::default(), answer).await;
        assert_eq!(walked.end, WalkEnd::Whole);
        walked.millis
    };
    let nothing = RateHint::default();
    assert_eq!(waits(None, nothing).await, [0; 5]);
    assert_eq!(waits(Some(3), nothing).await, [0, 3_000, 6_000, 9_000, 12_000]);
    let left = |remaining, reset| RateHint {
        remaining: Some(remaining),
        reset: Some(Duration::from_secs(reset)),
        quota: None,
    };
    // Two more in ten seconds are one every five; from the third page on they are enough.
    assert_eq!(waits(None, left(2, 10)).await, [0, 5_000, 10_000, 10_000, 10_000]);
    assert_eq!(waits(None, left(0, 8)).await, [0, 8_000, 16_000, 24_000, 32_000]);
    assert_eq!(waits(None, left(50, 10)).await, [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_asks_for_too_long_a_wait_ends_the_walk() {
    let hint = RateHint::default();
    let walked =
        walk(None, Ids::default(), move |number, _| telling(number, Some(3_600), hint)).await;
    assert!(matches!(walked.end, WalkEnd::Gap(Gap::Unread(_))), "{:?}", walked.end);
    assert_eq!(walked.asked, [1]);
}
