//! Exact times of opening, probing and closing, and whole runs through outages.

use super::*;
use crate::policy::Answer;
use crate::policy::simulation::{Simulation, done, refused, status};
use crate::task::Outcome;
use proptest::prelude::*;

/// A breaker with simulated time, which numbers the calls.
struct Bench {
    breaker: Breaker,
    start: Instant,
    now: Instant,
    number: u64,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn new() -> Self {
        let start = Instant::now();
        Self { breaker: Breaker::new(), start, now: start, number: 0 }
    }

    fn begin(&mut self) -> u64 {
        assert_eq!(self.breaker.ask(self.now), Passage::Now);
        self.number += 1;
        self.breaker.begin(self.number);
        self.number
    }

    fn complete(&mut self, number: u64, health: Health) -> Option<BreakerChange> {
        self.breaker.completed(number, health, self.now, 0.0)
    }

    /// Makes calls one after the other with the same result, and returns the last change.
    fn calls(&mut self, count: usize, health: Health) -> Option<BreakerChange> {
        let mut change = None;
        for _ in 0..count {
            let number = self.begin();
            change = self.complete(number, health);
        }
        change
    }

    fn opened(seconds: u64) -> Self {
        let mut bench = Self::new();
        bench.now += Duration::from_secs(seconds);
        let until = bench.now + Duration::from_secs(5);
        assert_eq!(bench.calls(25, Health::Away), Some(BreakerChange::Opened { until }));
        bench
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

#[test]
fn it_opens_when_half_of_the_last_fifty_calls_found_the_service_away() {
    let mut bench = Bench::new();
    bench.calls(100, Health::Served);
    assert_eq!(bench.calls(24, Health::Away), None);
    assert_eq!(bench.breaker.ask(bench.now), Passage::Now);
    let until = bench.now + Duration::from_secs(5);
    assert_eq!(bench.calls(1, Health::Away), Some(BreakerChange::Opened { until }));
    assert_eq!(bench.breaker.ask(bench.now), Passage::NotBefore(until));
}

#[test]
fn it_stays_closed_while_fewer_than_half_do() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        assert_eq!(bench.calls(12, Health::Away), None);
        assert_eq!(bench.calls(13, Health::Served), None);
    }
    for _ in 0..100 {
        assert_eq!(bench.calls(1, Health::Unknown), None);
    }
}

#[test]
fn probes_come_after_5_10_20_40_60_and_60_seconds() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    for probe_wait in [10, 20, 40, 60, 60] {
        let probe = bench.begin();
        assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion);
        let until = bench.now + Duration::from_secs(probe_wait);
        assert_eq!(bench.complete(probe, Health::Away), Some(BreakerChange::Opened { until }));
        assert_eq!(bench.breaker.ask(until - Duration::from_millis(1)), Passage::NotBefore(until));
        bench.pass(probe_wait);
    }
}

#[test]
fn jitter_lengthens_a_wait_to_at_most_a_minute() {
    let check = |probes: u32, jitter: f64, millis: u64| {
        assert_eq!(probe_wait(probes, jitter), Duration::from_millis(millis), "{probes} {jitter}");
    };
    check(0, 0.0, 5_000);
    check(0, 1.0, 5_500);
    check(3, 0.5, 42_000);
    check(4, 0.0, 60_000);
    check(4, 1.0, 60_000);
    check(u32::MAX, 1.0, 60_000);
}

#[test]
fn a_served_probe_permits_five_calls_and_those_permit_all() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    assert_eq!(bench.calls(1, Health::Served), None);
    let trial: Vec<u64> = (0..5).map(|_| bench.begin()).collect();
    assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion);
    for &number in &trial[..2] {
        assert_eq!(bench.complete(number, Health::Away), None);
    }
    for &number in &trial[2..4] {
        assert_eq!(bench.complete(number, Health::Served), None);
    }
    assert_eq!(bench.complete(trial[4], Health::Served), Some(BreakerChange::Closed));
    assert_eq!(bench.breaker.ask(bench.now), Passage::Now);
    assert_eq!(bench.calls(24, Health::Away), None, "what was before is forgotten");
}

#[test]
fn a_failed_trial_opens_it_for_longer() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    bench.calls(1, Health::Served);
    assert_eq!(bench.calls(2, Health::Away), None);
    let until = bench.now + Duration::from_secs(10);
    assert_eq!(bench.calls(1, Health::Away), Some(BreakerChange::Opened { until }));
}

#[test]
fn a_throttled_probe_shows_that_the_service_works() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    bench.calls(1, Health::Unknown);
    assert_eq!(bench.calls(5, Health::Served), Some(BreakerChange::Closed));
}

#[test]
fn a_withdrawn_probe_leaves_its_turn_to_another() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    let probe = bench.begin();
    bench.breaker.withdraw(probe);
    assert_eq!(bench.breaker.ask(bench.now), Passage::Now);
    bench.calls(1, Health::Served);
    let trial = bench.begin();
    bench.breaker.withdraw(trial);
    assert_eq!(bench.calls(5, Health::Served), Some(BreakerChange::Closed));
}

#[test]
fn calls_begun_before_the_present_state_are_no_evidence() {
    let mut bench = Bench::new();
    let late: Vec<u64> = (0..40).map(|_| bench.begin()).collect();
    bench.calls(25, Health::Away);
    assert_eq!(bench.complete(late[0], Health::Served), None);
    bench.pass(5);
    let probe = bench.begin();
    assert_eq!(bench.complete(late[1], Health::Served), None);
    assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion, "the probe is still out");
    bench.complete(probe, Health::Served);
    bench.calls(5, Health::Served);
    for &number in &late[2..] {
        assert_eq!(bench.complete(number, Health::Away), None);
        assert_eq!(bench.breaker.attribute(number), Attribution::Service);
    }
}

#[test]
fn only_the_call_that_is_withdrawn_leaves_its_turn() {
    let mut bench = Bench::new();
    let late = bench.begin();
    bench.calls(25, Health::Away);
    bench.pass(5);
    let probe = bench.begin();
    bench.breaker.withdraw(late);
    assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion, "the probe is still out");
    bench.complete(probe, Health::Served);
    let trial: Vec<u64> = (0..5).map(|_| bench.begin()).collect();
    bench.breaker.withdraw(late);
    assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion);
    for number in trial {
        bench.breaker.withdraw(number);
        assert_eq!(bench.begin(), bench.number, "one more may go");
        assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion);
    }
}

#[test]
fn a_state_begins_after_the_newest_call_and_an_outage_ends_for_all_at_once() {
    let mut bench = Bench::new();
    let check = |bench: &Bench, overtaken: u64| {
        for number in 0..bench.number + 3 {
            assert_eq!(bench.breaker.overtook(number), number <= overtaken, "{number}");
        }
    };
    assert!(!bench.breaker.overtook(0), "there was no outage yet");
    // Two more calls are begun before the one that opens it has ended.
    let calls: Vec<u64> = (0..27).map(|_| bench.begin()).collect();
    for &number in &calls[..25] {
        bench.complete(number, Health::Away);
    }
    check(&bench, 27);
    bench.pass(5);
    let probe = bench.begin();
    check(&bench, 27);
    // A call that was permitted before it follows the probe.
    bench.number += 1;
    bench.breaker.begin(bench.number);
    bench.complete(probe, Health::Served);
    check(&bench, 29);
    bench.calls(5, Health::Served);
    (0..40).for_each(|number| assert!(!bench.breaker.overtook(number), "{number}"));
    // The newest call belongs to the state before, and the next one to this state.
    let newest = bench.number;
    assert_eq!(bench.breaker.attribute(newest), Attribution::Service);
    let next = bench.begin();
    assert_eq!(next, newest + 1);
    assert_eq!(bench.breaker.attribute(next), Attribution::Unknown);
    bench.complete(next, Health::Served);
    assert_eq!(bench.breaker.attribute(next), Attribution::Unknown, "it was not sent after itself");
}

#[test]
fn an_outage_lasts_from_its_first_failure_until_all_calls_may_go() {
    let mut bench = Bench::new();
    let timeout = Duration::from_secs(600);
    bench.calls(10, Health::Served);
    let first_failure = bench.now;
    bench.calls(20, Health::Away);
    assert_eq!(bench.breaker.outage_ends(timeout), None);
    bench.pass(30);
    bench.calls(5, Health::Away);
    assert_eq!(bench.breaker.away_since(), Some(first_failure));
    assert_eq!(bench.breaker.outage_ends(timeout), Some(first_failure + timeout));
    bench.pass(5);
    bench.calls(1, Health::Served);
    assert_eq!(bench.breaker.away_since(), Some(first_failure), "one answer is not enough");
    bench.calls(5, Health::Served);
    assert_eq!(bench.breaker.outage_ends(timeout), None);
}

#[test]
fn after_closing_probes_and_outages_are_counted_from_the_start() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    bench.calls(1, Health::Away);
    assert_eq!(bench.breaker.outage(), 1);
    bench.pass(10);
    bench.calls(6, Health::Served);
    let until = bench.now + Duration::from_secs(5);
    assert_eq!(bench.calls(25, Health::Away), Some(BreakerChange::Opened { until }));
    assert_eq!(bench.breaker.outage(), 2);
}

#[test]
fn an_outage_after_another_one_begins_with_its_own_first_failure() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    bench.calls(6, Health::Served);
    bench.pass(100);
    bench.calls(25, Health::Away);
    assert_eq!(bench.breaker.away_since(), Some(bench.now));
}

#[test]
fn an_answer_to_a_call_before_the_probe_is_none_to_it() {
    let mut bench = Bench::opened(0);
    bench.pass(5);
    bench.number = 99;
    let probe = bench.begin();
    bench.complete(probe - 1, Health::Served);
    assert_eq!(bench.breaker.ask(bench.now), Passage::AfterCompletion);
    bench.complete(probe, Health::Served);
    assert_eq!(bench.breaker.ask(bench.now), Passage::Now);
}

proptest! {
    #[test]
    fn while_it_is_open_at_most_one_call_goes_at_a_time_and_none_too_early(
        steps in prop::collection::vec((0_u64..20_000, 0_u8..3, 0.0_f64..1.0), 1..300),
    ) {
        let mut bench = Bench::opened(0);
        let mut not_before = bench.start + Duration::from_secs(5);
        let mut probe = None;
        for (probe_wait, health, jitter) in steps {
            bench.now += Duration::from_millis(probe_wait);
            match (probe, bench.breaker.ask(bench.now)) {
                (None, Passage::Now) => {
                    prop_assert!(bench.now >= not_before);
                    probe = Some(bench.begin());
                }
                (None, passage) => prop_assert_eq!(passage, Passage::NotBefore(not_before)),
                (Some(number), passage) => {
                    prop_assert_eq!(passage, Passage::AfterCompletion);
                    if health == 0 {
                        let completed = bench.breaker.completed(number, Health::Away, bench.now, jitter);
                        let Some(BreakerChange::Opened { until }) = completed else { panic!() };
                        prop_assert!(until <= bench.now + Duration::from_secs(60));
                        (not_before, probe) = (until, None);
                    }
                }
            }
        }
    }
}

// Whole runs.

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(20);

/// Refuses connections, then answers 503, for 90 seconds.
fn away_for_90_seconds(begin: Duration) -> impl FnMut(Duration, usize) -> (Answer, Duration) {
    move |at, _| match at.checked_sub(begin) {
        Some(away) if away < 45 * SECOND => (refused(), LATENCY / 10),
        Some(away) if away < 90 * SECOND => (status(503), LATENCY),
        _ => (done(), LATENCY),
    }
}

/// Runs through such an outage in mid-run: no task may fail, and little time may be lost.
fn check_outage(tasks: usize, rate: f64, seed: u64) {
    let begin = Duration::from_secs_f64(tasks as f64 / rate / 2.0).min(30 * SECOND);
    let back = begin + 90 * SECOND;
    let mut run = Simulation::new(tasks, &format!("{rate}/s"), seed);
    run.run(36_000 * SECOND, &mut away_for_90_seconds(begin));
    let what = format!("{tasks} tasks at {rate}/s, seed {seed}");
    assert_eq!(run.count(Outcome::Succeeded), tasks, "{what}");
    assert!(run.sent.len() <= tasks + 25 + 16 + 5, "{what}: {} sendings", run.sent.len());
    let without = Duration::from_secs_f64(tasks as f64 / rate);
    assert!(run.elapsed() <= without + 150 * SECOND, "{what}: {:?}", run.elapsed());
    let full_pace = run.sent.windows(20).find(|twenty| {
        let span = twenty[19] - twenty[0];
        twenty[0] >= back && span.as_secs_f64() <= 20.0 / rate * 1.2 + 0.1
    });
    let full_pace = full_pace.expect("the run goes on")[0];
    assert!(full_pace <= back + 60 * SECOND, "{what}: {full_pace:?}");
}

#[test]
fn a_service_that_is_away_for_90_seconds_costs_no_task_and_at_most_150_seconds() {
    for seed in 0..5 {
        check_outage(20_000, 100.0, seed);
        check_outage(2_000, 1_000.0, seed);
        check_outage(1_000, 10.0, seed);
        check_outage(200, 1.0, seed);
    }
}

#[test]
fn an_outage_fails_no_task_near_the_end_of_a_run() {
    for tasks in 7..40 {
        let mut run = Simulation::new(tasks, "10/s", 7);
        run.run(3_600 * SECOND, &mut away_for_90_seconds(Duration::ZERO));
        assert_eq!(run.count(Outcome::Succeeded), tasks, "{tasks} tasks");
    }
    for tasks in 2..7 {
        let mut run = Simulation::new(tasks, "10/s", 7);
        // The service was there for the first task.
        run.run(3_600 * SECOND, &mut away_for_90_seconds(LATENCY));
        assert_eq!(run.count(Outcome::Succeeded), tasks, "{tasks} tasks");
    }
}

#[test]
fn an_outage_fails_no_task_with_one_attempt_left() {
    let mut failures = vec![0; 2_000];
    let mut outage = away_for_90_seconds(10 * SECOND);
    let mut run = Simulation::new(2_000, "100/s", 3);
    run.run(3_600 * SECOND, &mut |at, task| {
        // Every third task fails three times by itself.
        if task % 3 == 0 && failures[task] < 3 && at < 10 * SECOND {
            failures[task] += 1;
            return (status(500), LATENCY);
        }
        outage(at, task)
    });
    assert_eq!(run.count(Outcome::Succeeded), 2_000);
}

#[test]
fn a_minute_of_nothing_but_503_costs_at_most_a_tenth_more_sendings() {
    for seed in 0..5 {
        let mut run = Simulation::new(1_000, "100/s", seed);
        run.run(3_600 * SECOND, &mut |at, _| match at.as_secs() {
            5..65 => (status(503), LATENCY),
            _ => (done(), LATENCY),
        });
        assert_eq!(run.count(Outcome::Succeeded), 1_000);
        assert!(run.sent.len() <= 1_100, "{} sendings", run.sent.len());
    }
}

#[test]
fn one_random_failure_in_ten_calls_does_not_look_like_an_outage() {
    for seed in 0..3 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut run = Simulation::new(10_000, "1000/s", seed);
        run.run(3_600 * SECOND, &mut |_, _| match random.u8(0..10) {
            0 => (status(500), LATENCY),
            _ => (done(), LATENCY),
        });
        assert_eq!(run.changes, []);
        assert!(run.count(Outcome::Succeeded) >= 9_990);
        assert!(run.sent.len() <= 11_200, "{} sendings", run.sent.len());
    }
}

#[test]
fn bad_tasks_are_settled_and_do_not_look_like_an_outage() {
    let mut run = Simulation::new(2_000, "100/s", 1);
    run.run(3_600 * SECOND, &mut |_, task| match task % 5 {
        0 => (status(504), 10 * LATENCY),
        _ => (done(), LATENCY),
    });
    assert_eq!(run.changes, []);
    assert_eq!(run.count(Outcome::Ambiguous), 400);
    assert_eq!(run.count(Outcome::Succeeded), 1_600);
    assert_eq!(run.sent.len(), 1_600 + 4 * 400);
}

#[test]
fn a_run_of_nothing_but_a_few_bad_tasks_ends() {
    let mut run = Simulation::new(6, "10/s", 1);
    run.run(3_600 * SECOND, &mut |_, _| (status(504), LATENCY));
    assert_eq!(run.count(Outcome::Ambiguous), 6);
    assert_eq!(run.sent.len(), 24);
    assert!(run.elapsed() <= 10 * SECOND, "{:?}", run.elapsed());
}
