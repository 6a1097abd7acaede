//! Exact simulated times: a dispatcher that wakes late, stalls and has to wait.

use super::*;
use proptest::prelude::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

/// A dispatcher with its own idea of time: sends all it may, then sleeps until the answer, and wakes
/// up at the next whole millisecond as tokio's timer does.
struct Simulation {
    pacer: Pacer,
    start: Instant,
    now: Instant,
    sent: Vec<Duration>,
}

impl Simulation {
    fn new(text: &str) -> Self {
        let start = origin();
        let pacer = Pacer::new(Some(rate(text)), start);
        Self { pacer, start, now: start, sent: Vec::new() }
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < self.start + end {
            match self.pacer.admit(self.now) {
                Admission::Now => self.send(),
                Admission::NotBefore(due) => self.sleep_until(due.min(self.start + end)),
                Admission::AfterRelease => panic!("everything admitted was released"),
            }
        }
    }

    fn send(&mut self) {
        while let Admission::NotBefore(due) = self.pacer.release(self.now) {
            self.sleep_until(due);
        }
        self.sent.push(self.now - self.start);
    }

    fn sleep_until(&mut self, due: Instant) {
        assert!(due > self.now, "a wait of nothing would spin");
        let millis = (due - self.start).as_nanos().div_ceil(1_000_000);
        self.now = self.start + Duration::from_millis(u64::try_from(millis).unwrap());
    }

    fn stall(&mut self, span: Duration) {
        self.now += span;
    }

    /// Changes the rate, and runs on for so long.
    fn run_at(&mut self, rate: Rate, span: Duration) {
        self.pacer.set_rate(Some(rate), self.now);
        self.run_until(self.now - self.start + span);
    }
}

/// Returns the most sendings in any window; every fullest window ends with a sending.
fn peak(sent: &[Duration], window: Duration) -> usize {
    let mut oldest = 0;
    let mut most = 0;
    for (newest, &at) in sent.iter().enumerate() {
        while sent[oldest] + window <= at {
            oldest += 1;
        }
        most = most.max(newest + 1 - oldest);
    }
    most
}

fn check_true_and_used(text: &str, seconds: u64) {
    let mut simulation = Simulation::new(text);
    simulation.run_until(Duration::from_secs(seconds));
    let rate = rate(text);
    let most = usize::try_from(rate.limit.get()).unwrap();
    assert!(peak(&simulation.sent, rate.window) <= most, "{text}");
    let possible = rate.per_second() * seconds as f64;
    let used = simulation.sent.len() as f64 / possible;
    assert!(used >= 0.99, "{text}: {used}");
}

#[test]
fn the_rate_is_never_exceeded_and_at_least_99_percent_used() {
    check_true_and_used("1/s", 400);
    check_true_and_used("7/s", 60);
    check_true_and_used("50/s", 30);
    check_true_and_used("333/s", 10);
    check_true_and_used("1000/s", 10);
    check_true_and_used("10000/s", 4);
    check_true_and_used("30000/s", 3);
    check_true_and_used("90/m", 600);
    check_true_and_used("100/h", 36_000);
}

#[test]
fn the_second_sending_of_a_run_waits_for_its_turn() {
    for (limit, millis) in [("5/s", 200), ("1/s", 1_000), ("100/s", 10)] {
        let mut simulation = Simulation::new(limit);
        simulation.run_until(Duration::from_millis(millis - 1));
        assert_eq!(simulation.sent, [Duration::ZERO], "{limit}");
    }
}

#[test]
fn a_stall_is_lost_and_not_made_up_by_a_burst() {
    let mut simulation = Simulation::new("1000/s");
    simulation.run_until(Duration::from_secs(2));
    let before = simulation.sent.len();
    simulation.stall(Duration::from_millis(300));
    let resumed = simulation.now - simulation.start;
    simulation.run_until(Duration::from_secs(5));
    let burst = simulation.sent[before..].iter().filter(|&&t| t == resumed).count();
    assert_eq!(burst, 11, "10 ms of sendings, and the one that is due");
    assert!(peak(&simulation.sent, Duration::from_secs(1)) <= 1000);
}

#[test]
fn sendings_that_were_admitted_before_a_stall_still_respect_the_window() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("2/s")), start);
    let window = Duration::from_millis(1_005);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.admit(start + window / 2), Admission::Now);
    assert_eq!(pacer.admit(start + window), Admission::AfterRelease);
    // The store needed 900 ms to make them durable.
    let late = start + Duration::from_millis(900);
    assert_eq!(pacer.release(late), Admission::Now);
    assert_eq!(pacer.release(late), Admission::Now);
    assert_eq!(pacer.admit(start + window), Admission::NotBefore(late + window - AHEAD));
    assert_eq!(pacer.admit(late + window - AHEAD), Admission::Now);
    assert_eq!(pacer.release(late + window - AHEAD), Admission::NotBefore(late + window));
    assert_eq!(pacer.release(late + window), Admission::Now);
}

#[test]
fn one_that_is_admitted_ahead_of_its_window_says_when_it_can_leave() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("1/s")), start);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.earliest_release(start), start);
    assert_eq!(pacer.release(start), Admission::Now);
    let window = Duration::from_millis(1_005);
    // It left late by what the store needed, so its window ends after the next one's turn.
    let late = Duration::from_millis(20);
    pacer.left_by(start + late);
    let turn = start + window;
    assert_eq!(pacer.admit(turn), Admission::Now);
    assert_eq!(pacer.earliest_release(turn), turn + late);
}

#[test]
fn a_window_counts_from_when_a_sending_had_left() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("1/s")), start);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.release(start), Admission::Now);
    let left = start + Duration::from_millis(300);
    pacer.left_by(left);
    let free = left + Duration::from_millis(1_005);
    assert_eq!(pacer.admit(left), Admission::NotBefore(free - AHEAD));
    assert_eq!(pacer.release(left), Admission::NotBefore(free));
}

#[test]
fn a_withdrawn_sending_makes_room() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("1/h")), start);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.admit(start), Admission::AfterRelease);
    pacer.withdraw();
    assert_eq!(pacer.admit(start), Admission::Now);
}

#[test]
fn a_recalled_sending_counts_in_its_window() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("1/h")), start);
    pacer.recall(start - Duration::from_secs(600));
    let free = start + Duration::from_millis(3_000_050);
    assert_eq!(pacer.admit(start), Admission::NotBefore(free - AHEAD));
    assert_eq!(pacer.admit(free - AHEAD), Admission::Now);
    assert_eq!(pacer.release(free - AHEAD), Admission::NotBefore(free));
    assert_eq!(pacer.release(free), Admission::Now);
}

#[test]
fn a_hold_stops_admission_and_release_and_the_longer_one_wins() {
    let start = origin();
    let mut pacer = Pacer::new(None, start);
    assert_eq!(pacer.admit(start), Admission::Now);
    let until = start + Duration::from_secs(20);
    pacer.hold(until);
    pacer.hold(start + Duration::from_secs(5));
    assert_eq!(pacer.release(start), Admission::NotBefore(until));
    assert_eq!(pacer.admit(start), Admission::NotBefore(until));
    assert_eq!(pacer.held_until(start), Some(until));
    assert_eq!(pacer.admit(until), Admission::Now);
    assert_eq!(pacer.held_until(until), None);
}

#[test]
fn a_lowered_rate_counts_what_was_sent_under_the_old_one() {
    let mut simulation = Simulation::new("100/s");
    simulation.run_until(Duration::from_secs(2));
    let before = simulation.sent.len();
    simulation.run_at(rate("10/s"), Duration::from_secs(3));
    // The second before the change held 100: the tenth last of them must leave the window.
    let tenth_last = simulation.sent[before - 10];
    let first = simulation.sent[before];
    assert!(first >= tenth_last + Duration::from_millis(1_005), "{first:?}");
    assert!(peak(&simulation.sent[before..], Duration::from_secs(1)) <= 10);
}

#[test]
fn a_raised_rate_is_used_at_once_and_forgets_nothing() {
    let mut simulation = Simulation::new("100/s");
    simulation.run_until(Duration::from_secs(2));
    for _ in 0..20 {
        simulation.run_at(rate("1/s"), Duration::from_millis(3));
        simulation.run_at(rate("100/s"), Duration::from_millis(150));
    }
    assert!(peak(&simulation.sent, Duration::from_secs(1)) <= 100);
    let before = simulation.sent.len();
    simulation.run_at(rate("200/s"), Duration::from_secs(1));
    assert!(simulation.sent.len() - before >= 190, "{}", simulation.sent.len() - before);
}

#[test]
fn a_change_of_the_rate_lets_nothing_through_before_its_turn() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("2/s")), start);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.release(start), Admission::Now);
    for tick in 1..=10 {
        let now = start + Duration::from_millis(40 * tick);
        pacer.set_rate(Some(rate_per_second(2.0 + tick as f64 / 1_000.0)), now);
        let period_after_the_last = start + Duration::from_millis(480);
        let Admission::NotBefore(due) = pacer.admit(now) else { panic!("let through at {tick}") };
        assert!(due > period_after_the_last);
    }
}

#[test]
fn without_a_rate_nothing_is_delayed_and_a_new_one_counts_what_was_sent_before() {
    let start = origin();
    let mut pacer = Pacer::new(Some(rate("1/s")), start);
    assert_eq!(pacer.admit(start), Admission::Now);
    assert_eq!(pacer.release(start), Admission::Now);
    pacer.set_rate(None, start);
    assert_eq!(pacer.rate(), None);
    assert_eq!(pacer.admit(start), Admission::Now);
    let later = start + Duration::from_millis(500);
    assert_eq!(pacer.release(later), Admission::Now);
    assert_eq!(pacer.admit(later), Admission::Now);
    pacer.set_rate(Some(rate("1/s")), later);
    // The one that was admitted without a rate is the next to go.
    assert_eq!(pacer.admit(later), Admission::AfterRelease);
    let free = later + Duration::from_millis(1_005);
    assert_eq!(pacer.release(later), Admission::NotBefore(free));
    assert_eq!(pacer.release(free), Admission::Now);
}

#[test]
fn a_pace_forgets_nothing_that_the_rate_counts() {
    // 12,000 in an hour are more than the least number that is remembered.
    let mut simulation = Simulation::new("12000/h");
    let hour = Duration::from_secs(3_600);
    let start = simulation.now;
    for number in 0..12_000 {
        simulation.pacer.recall(start + Duration::from_millis(number));
    }
    simulation.now = start + Duration::from_secs(13);
    // A pace whose window is shorter by far, and counts on its own.
    simulation.pacer.set_pace(Some((2.0, PaceWindow::LastSecond)), simulation.now);
    simulation.pacer.recall(simulation.now);
    let before = simulation.now;
    assert!(
        matches!(simulation.pacer.admit(before), Admission::NotBefore(due) if due > before + hour / 2)
    );
    simulation.pacer.set_pace(None, simulation.now);
    let free = match simulation.pacer.admit(simulation.now) {
        Admission::NotBefore(due) => due,
        answer => panic!("the window of the rate is full: {answer:?}"),
    };
    assert!(free > start + hour - Duration::from_secs(1), "{:?}", free - start);
}

#[test]
fn a_pace_with_a_window_does_not_replace_the_window_of_the_rate() {
    let mut simulation = Simulation::new("1000/m");
    simulation.run_until(Duration::from_secs(6));
    let sent = simulation.sent.len();
    simulation.pacer.set_rate(Some(rate("100/h")), simulation.now);
    assert!(sent >= 95, "{sent}");
    simulation.pacer.set_pace(Some((0.02, PaceWindow::LastSecond)), simulation.now);
    simulation.run_until(Duration::from_secs(3_500));
    let hour = Duration::from_secs(3_600);
    assert!(peak(&simulation.sent, hour) <= 100.max(sent), "{}", peak(&simulation.sent, hour));
}

#[test]
fn a_rate_with_a_longer_window_counts_what_the_old_one_needed_no_more() {
    let start = origin();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut pacer = Pacer::new(Some(rate("1/s")), start);
    for second in 0..5 {
        assert_eq!(pacer.admit(at(2 * second)), Admission::Now);
        assert_eq!(pacer.release(at(2 * second)), Admission::Now);
    }
    pacer.set_rate(Some(rate("5/m")), at(20));
    // The first of five leaves the minute, and its margin, only then.
    let free = start + Duration::from_millis(60_050);
    assert_eq!(pacer.admit(at(20)), Admission::NotBefore(free - AHEAD));
}

#[test]
fn memory_stays_flat_without_a_rate() {
    let start = origin();
    let mut pacer = Pacer::new(None, start);
    for _ in 0..2 * REMEMBERED_SENDINGS {
        assert_eq!(pacer.admit(start), Admission::Now);
        assert_eq!(pacer.release(start), Admission::Now);
    }
    assert_eq!(pacer.unlimited.len(), KEPT);
}

#[test]
fn a_rate_that_is_no_whole_number_has_a_window_above_a_second() {
    let check = |per_second: f64, limit: u32, millis: u64| {
        let rate = rate_per_second(per_second);
        let expected = (limit, Duration::from_millis(millis));
        assert_eq!((rate.limit.get(), rate.window), expected, "{per_second}");
    };
    check(100.0, 100, 1_000);
    check(100.000_000_1, 100, 1_000);
    check(1.6, 2, 1_250);
    check(1.0, 1, 1_000);
    check(0.2, 1, 5_000);
    check(0.0, 1, 100_000);
    check(-3.0, 1, 100_000);
    check(f64::NAN, 1, 100_000);
}

proptest! {
    #[test]
    fn no_second_holds_more_than_the_largest_limit_in_force_within_it(
        changes in prop::collection::vec((10_u32..20_000, 1_u64..1_500, 0_u64..400), 1..20),
    ) {
        let mut simulation = Simulation::new("1/s");
        let mut in_force = Vec::new();
        for (hundredths, run, stall) in changes {
            let per_second = f64::from(hundredths) / 100.0;
            in_force.push((simulation.sent.len(), per_second.ceil() as usize));
            simulation.run_at(rate_per_second(per_second), Duration::from_millis(run));
            if simulation.pacer.admit(simulation.now) == Admission::Now {
                simulation.stall(Duration::from_millis(stall));
                simulation.send();
            }
        }
        // Stronger than asked for: the limit at a window's last sending holds for all of it.
        for (newest, &at) in simulation.sent.iter().enumerate() {
            let window = simulation.sent[..=newest].iter().rev();
            let count = window.take_while(|&&sent| sent + Duration::from_secs(1) > at).count();
            let (_, limit) = in_force.iter().rfind(|(first, _)| *first <= newest).copied().unwrap();
            prop_assert!(count <= limit, "{count} above {limit} at {at:?}");
        }
    }

    #[test]
    fn no_window_holds_more_than_the_limit_whatever_stalls(
        limit in 1_u32..200,
        stalls in prop::collection::vec((0_u64..3_000, 0_u64..2_500), 0..12),
    ) {
        let mut simulation = Simulation::new(&format!("{limit}/s"));
        for (run, stall) in stalls {
            let until = simulation.now - simulation.start + Duration::from_millis(run);
            simulation.run_until(until);
            // A stall between admission and release, or where nothing was admitted.
            if simulation.pacer.admit(simulation.now) == Admission::Now {
                simulation.stall(Duration::from_millis(stall));
                simulation.send();
            } else {
                simulation.stall(Duration::from_millis(stall));
            }
        }
        prop_assert!(peak(&simulation.sent, Duration::from_secs(1)) <= limit as usize);
    }
}
