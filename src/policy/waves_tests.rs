//! Lists that are read and refused, the sizes of waves, and the course of a gate.

use super::*;
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "an instant has no other origin")]
fn origin() -> Instant {
    Instant::now()
}

fn ends(text: &str, tasks: u64) -> Vec<u64> {
    text.parse::<Waves>().unwrap().ends(tasks)
}

#[test]
fn shares_are_rounded_up_and_waves_that_add_nothing_are_left_out() {
    assert_eq!(ends("1,10%,100%", 1_000), [1, 100, 1_000]);
    assert_eq!(ends(" 1 , 10% , 100% ", 11), [1, 2, 11]);
    assert_eq!(ends("50,10%,100%", 100), [50, 100]);
    assert_eq!(ends("50,10%,100%", 20), [20]);
    assert_eq!(ends("1%,100%", u64::MAX).len(), 2);
    assert_eq!(ends("100%", 7), [7]);
    assert_eq!(ends("1,100%", 0), [0; 0]);
}

#[test]
fn lists_that_do_not_grow_to_everything_are_refused() {
    let refused = |text: &str, says: &str| {
        let error = text.parse::<Waves>().unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("`1,10%,100%`"), "{text}: {error}");
    };
    for text in ["", "1,,100%", "few", "+1,100%", "-1,100%", "1.5%,100%", "0,100%", "%"] {
        refused(text, "is no part of the tasks");
    }
    for text in ["0%,100%", "10%,120%", "300%"] {
        refused(text, "is not between 1% and 100%");
    }
    for text in ["10%,10%,100%", "20%,10%,100%", "5,1,100%", "5,5,100%", "10%,50,100%", "100%,100%"]
    {
        refused(text, "do not grow");
    }
    for text in ["1", "10%,50%", "1,2,3"] {
        refused(text, "the last wave is not `100%`");
    }
}

#[test]
fn waves_are_written_as_they_are_read() {
    for text in ["100%", "1,10%,100%", "1,5,25%,50%,100%"] {
        assert_eq!(text.parse::<Waves>().unwrap().to_string(), text);
    }
}

#[test]
fn a_task_that_failed_closes_the_gate_except_in_the_last_wave() {
    let now = origin();
    let mut gate = WaveGate::new(vec![1, 3], Duration::ZERO, 0);
    gate.begin();
    assert_eq!(gate.settled(Outcome::Partial, now), WaveStep::Failed);
    assert!(!gate.may_begin());
    let mut gate = WaveGate::new(vec![1, 3], Duration::ZERO, 1);
    assert_eq!(gate.place(), Some(WavePlace { wave: 2, of: 2, end: 3 }));
    gate.begin();
    assert_eq!(gate.settled(Outcome::Failed, now), WaveStep::Same);
    assert!(gate.may_begin());
}

#[test]
fn a_pause_lasts_as_long_as_it_was_asked_for() {
    let now = origin();
    let pause = Duration::from_secs(300);
    let mut gate = WaveGate::new(vec![1, 3], pause, 0);
    gate.begin();
    assert_eq!(gate.settled(Outcome::Succeeded, now), WaveStep::Pause(now + pause));
    assert!(!gate.may_begin() && !gate.resume(now + pause - Duration::from_millis(1)));
    assert!(gate.resume(now + pause) && gate.may_begin() && !gate.resume(now + pause));
}

#[test]
fn the_wave_of_the_last_task_is_named() {
    let of = |done| wave_of(&[1, 10, 100], done).map(|place| place.wave);
    assert_eq!([0, 1, 2, 10, 11, 100].map(of), [1, 1, 2, 2, 3, 3].map(Some));
    assert_eq!(wave_of(&[], 0), None);
}

fn lists() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::btree_set(1_u64..60, 1..6).prop_map(|ends| ends.into_iter().collect())
}

proptest! {
    /// However begins and outcomes interleave, no task begins before all of the earlier waves
    /// have succeeded, every wave comes in turn, and a killed process goes on in its wave.
    #[test]
    fn no_task_begins_before_the_waves_before_it_have_succeeded(
        ends in lists(), steps in prop::collection::vec((0_u8..10, any::<bool>()), 0..300),
    ) {
        let mut now = origin();
        let pause = Duration::from_secs(1);
        let total = *ends.last().unwrap();
        let mut gate = WaveGate::new(ends.clone(), pause, 0);
        let (mut begun, mut good, mut bad) = (0, 0, 0);
        for (step, is_good) in steps {
            match step {
                0..=4 if gate.may_begin() => {
                    gate.begin();
                    begun += 1;
                    let wave_begins = ends.iter().rev().copied().find(|&end| end < begun);
                    prop_assert!(begun <= total);
                    prop_assert!(wave_begins.is_none_or(|end| good + bad >= end));
                    prop_assert!(wave_begins.is_none() || bad == 0 || begun > ends[ends.len().saturating_sub(2)]);
                }
                5..=8 if begun > good + bad => {
                    let outcome = if is_good { Outcome::Succeeded } else { Outcome::Failed };
                    let is_last = gate.place().unwrap().wave == ends.len();
                    let step = gate.settled(outcome, now);
                    if is_good { good += 1 } else { bad += 1 }
                    if step == WaveStep::Failed {
                        prop_assert!(!is_last && !is_good && !gate.may_begin());
                        break;
                    }
                }
                9 if begun == good + bad && bad == 0 => {
                    // Killed and resumed.
                    gate = WaveGate::new(ends.clone(), pause, good).paused_until(gate.pause_ends());
                }
                _ => {
                    now += pause;
                    gate.resume(now);
                }
            }
            prop_assert!(gate.may_begin() || begun > good + bad || good + bad == total
                || gate.pause_ends().is_some(), "the run would wait without end");
        }
    }
}

#[test]
fn a_task_that_was_passed_over_counts_as_begun_and_settled() {
    let now = origin();
    let mut gate = WaveGate::new(vec![2, 3], Duration::ZERO, 0);
    gate.begin();
    assert_eq!(gate.pass_over(now), WaveStep::Same);
    assert!(!gate.may_begin(), "both of the first wave have begun");
    assert_eq!(gate.settled(Outcome::Succeeded, now), WaveStep::Next);
    assert_eq!(gate.place(), Some(WavePlace { wave: 2, of: 2, end: 3 }));
    assert!(gate.may_begin() && gate.is_open());
    assert_eq!(gate.pass_over(now), WaveStep::Same, "nothing follows the last wave");
    assert!(!gate.may_begin());
}

#[test]
fn the_last_wave_is_open_once_its_pause_is_over() {
    let now = origin();
    let pause = Duration::from_secs(1);
    let mut gate = WaveGate::new(vec![1, 3], pause, 0);
    assert!(!gate.is_open());
    gate.begin();
    gate.settled(Outcome::Succeeded, now);
    assert_eq!((gate.is_open(), gate.pause_ends()), (false, Some(now + pause)));
    gate.resume(now + pause);
    assert_eq!((gate.is_open(), gate.pause_ends()), (true, None));
    let resumed = WaveGate::new(vec![1, 3], pause, 1).paused_until(Some(now + pause));
    assert!(!resumed.is_open() && !resumed.may_begin());
    let without_tasks = WaveGate::new(Vec::new(), pause, 0);
    assert!(without_tasks.is_open() && !without_tasks.may_begin());
    assert_eq!(without_tasks.place(), None);
}

#[test]
fn only_the_first_failure_of_a_wave_is_told() {
    let now = origin();
    let mut gate = WaveGate::new(vec![3, 4], Duration::ZERO, 0);
    (0..3).for_each(|_| gate.begin());
    assert_eq!(gate.settled(Outcome::Failed, now), WaveStep::Failed);
    assert_eq!(gate.settled(Outcome::Failed, now), WaveStep::Same);
    assert_eq!(gate.settled(Outcome::Succeeded, now), WaveStep::Same);
    assert_eq!(gate.place(), Some(WavePlace { wave: 1, of: 2, end: 3 }));
}
