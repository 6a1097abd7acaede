//! Looks at each task: at the rate, many at a time, and around what cannot be read.

use super::*;
use crate::api::{ListedTask, Page, StateAccess};
use crate::clock::{Clock, Timestamp};
use crate::policy::{Body, Judgement, Response, ServiceError};
use crate::service::AnswerMeaning;
use crate::survey::{WalkStep, WalkerSettings};
use crate::task::Task;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

/// A service that has to be asked for each id; each answer takes a second.
struct Service<F> {
    answer: F,
    began: Instant,
    asked: RefCell<Vec<(String, Duration)>>,
    on_the_wire: Cell<usize>,
    most: Cell<usize>,
}

impl<F: Fn(&str) -> Option<AnswerMeaning>> TaskApi for Service<F> {
    async fn call(&self, _: Arc<Task>) -> Answer {
        unreachable!("a look calls nothing")
    }

    fn state_access(&self) -> StateAccess {
        StateAccess { source: StateLookup::EachId, ..StateAccess::default() }
    }

    async fn look(&self, id: &TaskId) -> Listed {
        self.asked.borrow_mut().push((id.to_string(), self.began.elapsed()));
        self.on_the_wire.set(self.on_the_wire.get() + 1);
        self.most.set(self.most.get().max(self.on_the_wire.get()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.on_the_wire.set(self.on_the_wire.get() - 1);
        match (self.answer)(id.as_str()) {
            None => {
                let task = ListedTask { id: id.to_string(), ..ListedTask::default() };
                Listed::Page(Page { tasks: vec![task], ..Page::default() })
            }
            Some(AnswerMeaning::Gone) => Listed::Page(Page::default()),
            Some(meaning) => {
                let error = ServiceError { message: "no".into(), ..ServiceError::default() };
                let meaning = Some(meaning);
                Listed::Answer(Answer::Response(Response {
                    status: 500,
                    request_id: None,
                    retry_after: None,
                    rate_hint: None,
                    body: Body::Judged(Box::new(Judgement {
                        meaning,
                        error,
                        ..Judgement::default()
                    })),
                }))
            }
        }
    }
}

struct Ids {
    wanted: usize,
    durable: usize,
    seen: Vec<String>,
}

impl PageSink for Ids {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        self.durable += 1;
        Ok(())
    }

    fn wanted(&self) -> Vec<TaskId> {
        (0..self.wanted).map(|number| format!("task-{number:03}").parse().unwrap()).collect()
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        self.seen.extend(page.tasks.into_iter().map(|task| task.id));
        Ok(WalkStep::More)
    }
}

struct Looked {
    end: WalkEnd,
    ids: Ids,
    asked: Vec<(String, Duration)>,
    most: usize,
}

async fn looked(
    wanted: usize,
    at_a_time: usize,
    rate: Option<&str>,
    answer: impl Fn(&str) -> Option<AnswerMeaning>,
) -> Looked {
    let clock = Clock::start();
    let (asked, on_the_wire, most) = (RefCell::default(), Cell::new(0), Cell::new(0));
    let service = Service { answer, began: clock.instant(), asked, on_the_wire, most };
    let settings = WalkerSettings {
        rate: rate.map(|rate| rate.parse().unwrap()),
        timeout: Duration::from_secs(60),
        max_attempts: NonZeroU32::new(3).unwrap(),
        throttle_timeout: Duration::from_secs(600),
        at_a_time: NonZeroUsize::new(at_a_time).unwrap(),
    };
    let mut ids = Ids { wanted, durable: 0, seen: Vec::new() };
    let mut walker = Walker::new(&service, settings, clock, &[]);
    let Ok(end) = read_states(&mut walker, &Listing::default(), &mut ids).await;
    assert_eq!(ids.durable, service.asked.borrow().len());
    Looked { end, ids, asked: service.asked.into_inner(), most: service.most.get() }
}

#[tokio::test(start_paused = true)]
async fn each_task_is_asked_for_once_and_many_at_a_time() {
    let looked = looked(20, 4, None, |_| None).await;
    assert_eq!(looked.end, WalkEnd::Whole);
    assert_eq!((looked.ids.seen.len(), looked.asked.len(), looked.most), (20, 20, 4));
}

#[tokio::test(start_paused = true)]
async fn no_window_has_more_looks_than_the_rate() {
    let looked = looked(30, 30, Some("5/s"), |_| None).await;
    assert_eq!((looked.end, looked.asked.len()), (WalkEnd::Whole, 30));
    let times: Vec<_> = looked.asked.iter().map(|(_, at)| *at).collect();
    for window in times.windows(6) {
        assert!(window[5] - window[0] >= Duration::from_secs(1), "{window:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_gone_is_not_seen_and_leaves_no_gap() {
    let gone = |id: &str| (id == "task-001").then_some(AnswerMeaning::Gone);
    let looked = looked(3, 1, None, gone).await;
    assert_eq!(looked.end, WalkEnd::Whole);
    assert_eq!(looked.ids.seen, ["task-000", "task-002"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_leaves_a_gap_and_the_rest_is_read() {
    let refused = |id: &str| (id == "task-001").then_some(AnswerMeaning::Transient);
    let looked = looked(5, 2, None, refused).await;
    let WalkEnd::Gap(Gap::Unread(failure)) = looked.end else { panic!("there is a gap") };
    assert_eq!(failure.message, "no");
    assert_eq!(looked.ids.seen.len(), 4);
    let asked = looked.asked.iter().filter(|(id, _)| id == "task-001").count();
    assert_eq!(asked, 3, "as often as attempts are allowed");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_reads_nothing_is_not_asked_for_all() {
    let looked = looked(100, 1, None, |_| Some(AnswerMeaning::Refused)).await;
    assert!(matches!(looked.end, WalkEnd::Gap(Gap::Unread(_))));
    assert_eq!(looked.asked.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_end_it() {
    let looked = looked(100, 1, None, |_| Some(AnswerMeaning::Unauthorised)).await;
    assert!(matches!(looked.end, WalkEnd::Gap(Gap::Unauthorised(_))));
    assert!(looked.asked.len() <= 2, "{:?}", looked.asked);
}
