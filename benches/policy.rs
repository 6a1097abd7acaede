//! Measures what each decision costs: all of them are made once for every call.

use batchctl::policy::ActionResult;
use batchctl::policy::Admission;
use batchctl::policy::Answer;
use batchctl::policy::AttemptHistory;
use batchctl::policy::Body;
use batchctl::policy::Breaker;
use batchctl::policy::Health;
use batchctl::policy::OnDoubt;
use batchctl::policy::Opening;
use batchctl::policy::PaceController;
use batchctl::policy::PaceStart;
use batchctl::policy::Pacer;
use batchctl::policy::RateBounds;
use batchctl::policy::Response;
use batchctl::policy::RetryBudget;
use batchctl::policy::RetryPolicy;
use batchctl::policy::ServiceError;
use batchctl::policy::Verdict;
use batchctl::policy::classify;
use batchctl::policy::rate_hint;
use batchctl::task::TaskId;
use divan::Bencher;
use divan::black_box;
use std::num::NonZeroU32;
use std::time::Duration;
use std::time::Instant;

const ID: &str = "0d47bbf52962414bb7ae27fb6ea24230";

fn main() {
    divan::main();
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn response(status: u16, body: Body) -> Answer {
    let response = Response { status, request_id: None, retry_after: None, rate_hint: None, body };
    Answer::Response(response)
}

#[divan::bench]
fn classify_a_success(bencher: Bencher<'_, '_>) {
    let id: TaskId = ID.parse().expect("the id is valid");
    let result = ActionResult {
        id: Some(ID.into()),
        total: Some(3),
        failed: Some(0),
        succeeded: Some(3),
        error_list: Vec::new(),
    };
    let answer = response(200, Body::Result(result));
    bencher.bench_local(|| classify(black_box(&id), black_box(&answer)));
}

#[divan::bench]
fn classify_a_throttled_answer(bencher: Bencher<'_, '_>) {
    let id: TaskId = ID.parse().expect("the id is valid");
    let error = ServiceError {
        code: "APIGW.0308".into(),
        message: "policy user over ratelimit,limit:200,time:5 minute".into(),
        ..ServiceError::default()
    };
    let answer = response(429, Body::Error(error));
    bencher.bench_local(|| classify(black_box(&id), black_box(&answer)));
}

#[divan::bench]
fn decide_on_a_retry(bencher: Bencher<'_, '_>) {
    let attempts = NonZeroU32::new(4).expect("4 is not 0");
    let policy = RetryPolicy { max_attempts: attempts, on_doubt: OnDoubt::Retry };
    bencher.bench_local(|| {
        let history = AttemptHistory::default().after(black_box(Verdict::Transient));
        policy.decide(black_box(Verdict::Transient), history, black_box(0.5))
    });
}

/// Admits and releases at a pace at which every sending is due.
#[divan::bench(args = ["10/s", "1000/s", "30000/s"])]
fn admit_and_release(bencher: Bencher<'_, '_>, rate: &str) {
    let rate = rate.parse().ok();
    let mut now = origin();
    let mut pacer = Pacer::new(rate, now);
    let period = rate.map_or(Duration::ZERO, |rate| rate.window.mul_f64(1.01) / rate.limit.get());
    bencher.bench_local(|| {
        now += period;
        assert_eq!(pacer.admit(now), Admission::Now);
        pacer.release(now)
    });
}

#[divan::bench]
fn refuse_to_admit(bencher: Bencher<'_, '_>) {
    let now = origin();
    let mut pacer = Pacer::new("1/h".parse().ok(), now);
    pacer.recall(now);
    bencher.bench_local(|| pacer.admit(black_box(now)));
}

#[divan::bench]
fn change_the_rate(bencher: Bencher<'_, '_>) {
    let now = origin();
    let mut pacer = Pacer::new("100/s".parse().ok(), now);
    let rates = [100.5, 200.5].map(batchctl::policy::rate_per_second);
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = 1 - turn;
        pacer.set_rate(Some(rates[turn]), black_box(now));
    });
}

#[divan::bench]
fn count_a_first_attempt(bencher: Bencher<'_, '_>) {
    let mut now = origin();
    let mut budget = RetryBudget::new(now);
    bencher.bench_local(|| {
        now += Duration::from_micros(33);
        budget.count_first(now);
    });
}

#[divan::bench]
fn ask_the_budget(bencher: Bencher<'_, '_>) {
    let now = origin();
    let mut budget = RetryBudget::new(now);
    bencher.bench_local(|| budget.ask(black_box(now)));
}

#[divan::bench]
fn ask_the_empty_budget(bencher: Bencher<'_, '_>) {
    let now = origin();
    let mut budget = RetryBudget::new(now);
    (0..100).for_each(|_| budget.count_retry(now));
    bencher.bench_local(|| budget.ask(black_box(now)));
}

#[divan::bench]
fn ask_and_tell_the_breaker(bencher: Bencher<'_, '_>) {
    let now = origin();
    let mut breaker = Breaker::new();
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let passage = breaker.ask(now);
        breaker.begin(number);
        breaker.completed(number, black_box(Health::Served), now, 0.5);
        passage
    });
}

#[divan::bench]
fn count_a_sending_for_the_pace(bencher: Bencher<'_, '_>) {
    let mut now = origin();
    let mut rate = controller(now);
    bencher.bench_local(|| {
        now += Duration::from_micros(33);
        rate.sent(now);
    });
}

#[divan::bench]
fn decide_on_the_pace(bencher: Bencher<'_, '_>) {
    let mut now = origin();
    let mut rate = controller(now);
    bencher.bench_local(|| {
        rate.sent(now);
        rate.throttled(now, now);
        now += Duration::from_secs(1);
        rate.decide(now)
    });
}

fn controller(now: Instant) -> PaceController {
    let bounds = RateBounds { least: 1.0, most: 10_000.0 };
    PaceController::new(
        PaceStart {
            bounds,
            opening: Opening::Doubling,
            learnt: batchctl::task::ServiceLimit::default(),
        },
        now,
    )
}

#[divan::bench]
fn read_no_hint(bencher: Bencher<'_, '_>) {
    let headers = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("content-type", "application/json")];
    bencher.bench_local(|| rate_hint(black_box(headers), None));
}

#[divan::bench]
fn read_a_hint(bencher: Bencher<'_, '_>) {
    let headers = [("ratelimit-policy", "\"user\";q=100;w=60"), ("ratelimit", "\"user\";r=5;t=30")];
    bencher.bench_local(|| rate_hint(black_box(headers), None));
}
