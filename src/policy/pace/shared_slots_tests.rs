//! Several senders of one limit, in simulated time.

use super::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Lets senders use slots for so many seconds; returns who sent when, in milliseconds. One that is
/// named with a time stops then, with the slots it has.
fn send(
    limit: &str,
    senders: usize,
    seconds: u64,
    dies: Option<(usize, u64)>,
) -> Vec<(u64, usize)> {
    send_every(1, limit, senders, seconds, dies)
}

/// The same with senders that wake only every so many milliseconds.
fn send_every(
    step: usize,
    limit: &str,
    senders: usize,
    seconds: u64,
    dies: Option<(usize, u64)>,
) -> Vec<(u64, usize)> {
    let start = origin();
    let shared = SharedSlots::new(ProcessSlots::new(start));
    let mut gates: Vec<_> =
        (0..senders).map(|_| SlotGate::new(shared.clone(), rate(limit), start)).collect();
    let mut due = vec![start; senders];
    let mut sent = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    for millis in (0..seconds * 1_000).step_by(step) {
        let now = start + Duration::from_millis(millis);
        for (number, gate) in gates.iter_mut().enumerate() {
            if due[number] > now || dies.is_some_and(|(who, at)| who == number && millis >= at) {
                continue;
            }
            loop {
                match gate.due(50, now, random.f64()) {
                    Some(next) => {
                        due[number] = next;
                        break;
                    }
                    None => {
                        gate.take();
                        sent.push((millis, number));
                    }
                }
            }
        }
    }
    sent
}

fn most_in_a_second(sent: &[(u64, usize)]) -> usize {
    let within = |&(first, _): &(u64, usize)| {
        sent.iter().filter(|(at, _)| (first..first + 1_000).contains(at)).count()
    };
    sent.iter().map(within).max().unwrap_or(0)
}

fn share(sent: &[(u64, usize)], number: usize) -> f64 {
    sent.iter().filter(|(_, who)| *who == number).count() as f64 / sent.len() as f64
}

#[test]
fn four_senders_together_keep_to_the_rate_and_use_it_and_each_gets_its_share() {
    for (limit, most, senders) in [("20/s", 20, 4), ("7/s", 7, 3), ("400/s", 400, 8), ("1/s", 1, 2)]
    {
        let sent = send(limit, senders, 30, None);
        assert!(most_in_a_second(&sent) <= most, "{limit}: {}", most_in_a_second(&sent));
        let used = sent.len() as f64 / (30.0 * most as f64);
        assert!(used >= 0.95, "{limit}: {used}");
        for number in 0..senders {
            let share = share(&sent, number) * senders as f64;
            assert!(share >= 0.4, "{limit}: {number} has {share:.2} of its share");
        }
    }
}

#[test]
fn a_sender_that_waits_gets_a_slot_soon() {
    // Slots so far apart that two of the four senders have one within the horizon, and senders that
    // wake a little late: they ask again when the next slot has just become free.
    let sent = send_every(3, "20/s", 4, 60, None);
    for number in 0..4 {
        let own = sent.iter().enumerate().filter(|(_, (_, who))| *who == number);
        let places: Vec<usize> = own.map(|(place, _)| place).collect();
        let longest = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest <= 30, "{number} waited for {longest} slots");
    }
}

#[test]
fn a_sender_with_one_call_ready_at_a_time_uses_the_rate() {
    let start = origin();
    let mut gate = SlotGate::new(SharedSlots::new(ProcessSlots::new(start)), rate("1000/s"), start);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut now, mut sent) = (start, 0);
    while now < start + Duration::from_secs(2) {
        match gate.due(1, now, random.f64()) {
            Some(due) => now = due,
            None => {
                gate.take();
                sent += 1;
            }
        }
    }
    assert!(sent >= 1_200, "{sent} of 2,000");
}

#[test]
fn a_sender_that_dies_costs_no_more_than_the_horizon() {
    let sent = send("20/s", 4, 10, Some((1, 5_000)));
    let after = sent.iter().filter(|(at, _)| (5_200..6_200).contains(at)).count();
    assert!(after >= 19, "{after}");
    assert!(sent.iter().all(|&(at, who)| who != 1 || at < 5_000));
}

#[test]
fn a_hold_of_one_sender_holds_all() {
    let start = origin();
    let shared = SharedSlots::new(ProcessSlots::new(start));
    let mut one = SlotGate::new(shared.clone(), rate("20/s"), start);
    let mut other = SlotGate::new(shared, rate("20/s"), start);
    let until = start + Duration::from_secs(5);
    one.hold(until, start);
    let due = other.due(1, start, 0.0).unwrap();
    assert_eq!(due, until - HORIZON);
    assert_eq!(other.due(1, due, 0.0), Some(until));
}

#[test]
fn a_slot_that_is_too_late_is_given_up() {
    let start = origin();
    let shared = SharedSlots::new(ProcessSlots::new(start));
    let mut gate = SlotGate::new(shared, rate("100/s"), start);
    assert_eq!(gate.due(2, start, 0.0), None);
    let late = start + Duration::from_millis(500);
    assert_eq!(gate.due(2, late, 0.0), None);
    gate.take();
    let next = gate.due(2, late, 0.0).unwrap();
    assert!(next > late + Duration::from_millis(5), "what was missed is not made up for");
}

#[test]
fn slots_lie_at_most_the_horizon_ahead() {
    let spacing = SlotSpacing::for_rate(rate("1000/s"));
    let mut timeline = SlotTimeline::default();
    let Reservation::Slots { first, count } = timeline.reserve(10_000, spacing, 0) else {
        panic!("an empty timeline has free slots")
    };
    assert_eq!(first, 0);
    assert!((95..=101).contains(&count), "{count}");
    assert!(matches!(timeline.reserve(1, spacing, 0), Reservation::NotBefore(_)));
}
