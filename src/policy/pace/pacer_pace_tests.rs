//! Paces below a rate, which a controller sets and changes.

use super::*;

#[path = "pacer_steps_tests.rs"]
mod steps;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn pacer_at(rate: &str) -> (Pacer, Instant) {
    let now = Instant::now();
    (Pacer::new(Some(rate.parse().unwrap()), now), now)
}

/// Sends all that may go in so many milliseconds, and returns how many those were.
fn send(pacer: &mut Pacer, from: Instant, millis: u64) -> usize {
    let mut sent = 0;
    for now in (0..millis).map(|millis| from + Duration::from_millis(millis)) {
        while pacer.admit(now) == Admission::Now {
            assert_eq!(pacer.release(now), Admission::Now);
            sent += 1;
        }
    }
    sent
}

#[test]
fn a_pace_is_kept_to_the_call_because_the_service_is_measured_by_it() {
    let (mut pacer, start) = pacer_at("1000/s");
    pacer.set_pace(Some((100.0, PaceWindow::None)), start);
    assert_eq!(send(&mut pacer, start, 10_000), 1_000);
}

#[test]
fn what_a_lower_pace_left_unused_is_not_made_up_for_at_a_higher_one() {
    let (mut pacer, start) = pacer_at("2000/s");
    pacer.set_pace(Some((1.0, PaceWindow::None)), start);
    assert_eq!(send(&mut pacer, start, 500), 1);
    let raised = start + Duration::from_millis(500);
    pacer.set_pace(Some((1_000.0, PaceWindow::None)), raised);
    assert_eq!(send(&mut pacer, raised, 1), 1);
}
