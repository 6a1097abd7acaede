//! Each step of shared slots, in exact numbers, and what a gate tells its source.

use super::*;
use std::num::NonZeroU32;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn clock() -> impl Fn(u64) -> Instant {
    let start = Instant::now();
    move |millis| start + Duration::from_millis(millis)
}

fn rate(limit: u32, seconds: u64) -> Rate {
    Rate { limit: NonZeroU32::new(limit).unwrap(), window: Duration::from_secs(seconds) }
}

const fn millis(millis: u64) -> u64 {
    1_000_000 * millis
}

const TEN_MILLIS: SlotSpacing =
    SlotSpacing { interval: Duration::from_millis(10), lateness: Duration::from_millis(10) };

#[test]
fn slots_are_spaced_over_the_window_its_margin_and_the_lateness() {
    for (rate, interval, lateness) in [
        (rate(100, 1), 10_150_000, 10),
        (rate(3, 1), 338_333_334, 10),
        (rate(10, 2), 203_000_000, 20),
        (rate(60, 60), 1_010_833_334, 600),
    ] {
        let expected = SlotSpacing {
            interval: Duration::from_nanos(interval),
            lateness: Duration::from_millis(lateness),
        };
        assert_eq!(SlotSpacing::for_rate(rate), expected, "{rate}");
    }
}

#[test]
fn a_timeline_reserves_what_lies_within_a_tenth_of_a_second() {
    let mut timeline = SlotTimeline::default();
    for (now, wanted, expected) in [
        (0, 100, Reservation::Slots { first: 0, count: 11 }),
        (0, 1, Reservation::NotBefore(millis(10))),
        (9, 1, Reservation::NotBefore(millis(10))),
        (10, 1, Reservation::Slots { first: millis(110), count: 1 }),
        (15, 1, Reservation::NotBefore(millis(20))),
        (20, 0, Reservation::Slots { first: millis(120), count: 1 }),
        (95, 3, Reservation::Slots { first: millis(130), count: 3 }),
        (95, 100, Reservation::Slots { first: millis(160), count: 4 }),
        (1_000, 2, Reservation::Slots { first: millis(1_000), count: 2 }),
    ] {
        assert_eq!(timeline.reserve(wanted, TEN_MILLIS, millis(now)), expected, "{now} {wanted}");
    }
    assert_eq!(timeline.free_from, millis(1_020));
    timeline.hold(millis(2_000));
    timeline.hold(millis(1_500));
    assert_eq!(timeline.free_from, millis(2_000));
    let without_interval = SlotSpacing { interval: Duration::ZERO, ..TEN_MILLIS };
    let found = SlotTimeline::default().reserve(1_000_000, without_interval, 5);
    assert_eq!(found, Reservation::Slots { first: 5, count: 1_000_000 });
}

#[test]
fn the_slots_of_a_process_count_from_its_beginning() {
    let at = clock();
    let mut slots = ProcessSlots::new(at(0));
    let step = TEN_MILLIS.interval;
    let granted = slots.reserve(2, TEN_MILLIS, at(50));
    assert_eq!(granted, Ok(Grant::Slots { first: at(50), count: 2, step }));
    slots.hold(at(1_000), at(50));
    assert_eq!(slots.reserve(2, TEN_MILLIS, at(500)), Ok(Grant::NotBefore(at(900))));
}

/// What a source was told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Reserve(u32, SlotSpacing),
    Hold(Instant),
    Limit(Option<f64>),
}

/// A source that answers as it is told to.
struct Scripted {
    answers: VecDeque<Result<Grant, SlotTrouble>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl SlotSource for Scripted {
    fn reserve(
        &mut self,
        wanted: u32,
        spacing: SlotSpacing,
        _: Instant,
    ) -> Result<Grant, SlotTrouble> {
        self.told.lock().unwrap().push(Told::Reserve(wanted, spacing));
        self.answers.pop_front().expect("the script has an answer")
    }

    fn hold(&mut self, until: Instant, _: Instant) {
        self.told.lock().unwrap().push(Told::Hold(until));
    }

    fn limit(&mut self, per_second: Option<f64>, _: Option<Instant>, _: Instant) {
        self.told.lock().unwrap().push(Told::Limit(per_second));
    }
}

fn scripted(
    answers: impl IntoIterator<Item = Result<Grant, SlotTrouble>>,
) -> (Scripted, Arc<Mutex<Vec<Told>>>) {
    let told = Arc::default();
    (Scripted { answers: answers.into_iter().collect(), told: Arc::clone(&told) }, told)
}

fn trouble() -> SlotTrouble {
    SlotTrouble("no disk".into())
}

/// A gate to slots for a hundred a second, with these answers of its source.
fn gate(
    at: &impl Fn(u64) -> Instant,
    answers: impl IntoIterator<Item = Result<Grant, SlotTrouble>>,
) -> (SlotGate, Arc<Mutex<Vec<Told>>>) {
    let (source, told) = scripted(answers);
    (SlotGate::new(SharedSlots::new(source), rate(100, 1), at(0)), told)
}

#[test]
fn a_gate_has_the_rate_of_all_or_its_own_or_none() {
    let at = clock();
    let spacing = |total: Option<Rate>, own: Option<Rate>| {
        let source = ProcessSlots::new(at(0));
        let shared = match total {
            Some(total) => SharedSlots::in_total(source, total),
            None => SharedSlots::new(source),
        };
        let mut gate = SlotGate::to(Some(shared), own, at(0)).unwrap();
        let begun = gate.spacing;
        gate.set_rate(rate(7, 1));
        (begun, gate.spacing)
    };
    let of = |limit| SlotSpacing::for_rate(rate(limit, 1));
    assert_eq!(spacing(Some(rate(50, 1)), Some(rate(20, 1))), (of(50), of(50)));
    assert_eq!(spacing(None, Some(rate(20, 1))), (of(20), of(7)));
    assert_eq!(spacing(None, None), (of(100_000), of(7)));
    assert!(SlotGate::to(None, Some(rate(20, 1)), at(0)).is_none());
}

#[test]
fn a_slot_is_used_from_its_time_on_until_it_is_too_late() {
    let at = clock();
    let step = Duration::from_millis(50);
    let (mut gate, _) = gate(&at, [Ok(Grant::Slots { first: at(20), count: 3, step })]);
    assert_eq!(gate.due(1, at(0), 1.0), Some(at(20)));
    assert_eq!(gate.due(1, at(19), 0.0), Some(at(20)));
    assert_eq!(gate.due(1, at(20), 0.0), None);
    assert_eq!(gate.due(1, at(30), 0.0), None, "ten milliseconds late");
    let too_late = at(30) + Duration::from_nanos(1);
    assert_eq!(gate.due(1, too_late, 0.0), Some(at(70)));
    gate.take();
    assert_eq!(gate.due(1, too_late, 0.0), Some(at(120)));
}

#[test]
fn a_gate_asks_for_a_quarter_of_the_horizon_and_no_more_than_is_ready() {
    let at = clock();
    for (limit, ready, wanted) in [
        (100, 9, Some(2)),
        (100, 1, Some(1)),
        (100, 0, None),
        (10, 9, Some(1)),
        (1_015, 99, Some(25)),
        (1_016, 99, Some(25)),
        (4_060, 200, Some(100)),
    ] {
        let (source, told) = scripted([Ok(Grant::NotBefore(at(500)))]);
        let mut gate = SlotGate::new(SharedSlots::new(source), rate(limit, 1), at(0));
        assert_eq!(gate.due(ready, at(0), 0.0), Some(at(if wanted.is_some() { 500 } else { 0 })));
        let spacing = SlotSpacing::for_rate(rate(limit, 1));
        let expected: Vec<Told> =
            wanted.map(|wanted| Told::Reserve(wanted, spacing)).into_iter().collect();
        assert_eq!(*told.lock().unwrap(), expected, "{limit} {ready}");
    }
}

#[test]
fn a_gate_asks_again_within_what_was_granted_or_after_the_free_slot_or_the_trouble() {
    let at = clock();
    let slots = |first, count, step| {
        Ok(Grant::Slots { first: at(first), count, step: Duration::from_millis(step) })
    };
    for (answer, jitter, asks_from) in [
        // Over two slots of 4 ms, and no more than a quarter of the horizon.
        (slots(100, 2, 4), 0.5, at(104)),
        (slots(100, 2, 40), 1.0, at(125)),
        (slots(100, 2, 40), 0.0, at(100)),
        // Slots in the past count from now.
        (slots(20, 2, 4), 1.0, at(58)),
        (Ok(Grant::NotBefore(at(200))), 1.0, at(225)),
        (Ok(Grant::NotBefore(at(200))), 0.0, at(200)),
        (Err(trouble()), 1.0, at(550)),
    ] {
        let told = format!("{answer:?} {jitter}");
        let (mut gate, _) = gate(&at, [answer]);
        gate.due(9, at(50), jitter);
        assert_eq!(gate.asks_from, asks_from, "{told}");
    }
    // It asks from that moment on, for what is missing.
    let (mut gate, told) = gate(&at, [slots(100, 1, 10), slots(110, 1, 10)]);
    gate.due(9, at(50), 0.0);
    gate.due(9, at(99), 0.0);
    assert_eq!((told.lock().unwrap().len(), gate.granted.len()), (1, 1));
    gate.due(9, at(100), 0.0);
    let spacing = gate.spacing;
    assert_eq!(told.lock().unwrap()[1..], [Told::Reserve(1, spacing)]);
    assert_eq!(gate.granted, [at(100), at(110)]);
}

#[test]
fn a_source_that_fails_for_ten_seconds_is_given_up() {
    let at = clock();
    let (mut gate, _) =
        gate(&at, [Err(trouble()), Err(trouble()), Ok(Grant::NotBefore(at(9_000)))]);
    assert_eq!(gate.lost(at(99_000)), None);
    gate.due(1, at(1_000), 0.0);
    gate.due(1, at(2_000), 0.0);
    assert_eq!(gate.source.trouble(), Some(trouble()));
    assert_eq!(gate.lost(at(10_999)), None);
    assert_eq!(gate.lost(at(11_000)), Some(trouble()));
    gate.due(1, at(3_000), 0.0);
    assert_eq!((gate.source.trouble(), gate.lost(at(99_000))), (None, None));
}

#[test]
fn holds_and_quotas_reach_all_senders_of_one_limit_and_none_with_limits_of_their_own() {
    let at = clock();
    for (is_total, expected) in
        [(false, vec![Told::Hold(at(500)), Told::Limit(Some(2.5))]), (true, Vec::new())]
    {
        let (source, told) = scripted([]);
        let shared = match is_total {
            true => SharedSlots::in_total(source, rate(100, 1)),
            false => SharedSlots::new(source),
        };
        let mut gate = SlotGate::new(shared, rate(100, 1), at(0));
        gate.granted.push_back(at(10));
        gate.hold(at(500), at(0));
        gate.limit(Some(2.5), None, at(0));
        assert!(gate.granted.is_empty());
        assert_eq!(*told.lock().unwrap(), expected);
    }
}
