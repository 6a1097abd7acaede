//! Whether holds are put down to chance.

use super::*;
use crate::policy::pace::call_history::CallHistory;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

/// Holds that were met at 100 a second, and three more after 30 accepted calls each.
fn met() -> Holds {
    let now = origin();
    let spell = Spell::of(&CallHistory::new(now), (now, 0.0), now);
    let (first, spells) = (Some((spell, 100.0)), (3.0, 90.0));
    Holds { first, spells, sustained: 30.0, at_rest: 2, ..Holds::none(now) }
}

#[test]
fn what_was_learnt_of_a_limit_is_forgotten_as_a_whole() {
    let mut holds = met();
    holds.put_down_to_chance(40.0);
    assert!(!holds.are_met());
    assert_eq!((holds.sustained, holds.spells, holds.at_rest), (0.0, (0.0, 0.0), 0));
    assert_eq!(holds.strays, STRAYS);
    // Where no limit was met, nothing is put down to chance.
    holds.strays = 0;
    holds.put_down_to_chance(40.0);
    assert_eq!(holds.strays, 0);
}

#[test]
fn chance_is_refuted_where_spells_at_the_higher_pace_accept_much_less_or_always_as_many() {
    // Twelve calls in each of four spells are 0.4 of thirty. Always as many come from a limit, too.
    for (calls, limit) in [
        ([6.0, 18.0, 10.0, 14.0], None),
        ([6.0, 18.0, 10.0, 13.9], Some(40.0)),
        ([20.0, 30.0, 25.0, 25.0], Some(40.0)),
        ([20.0, 30.1, 25.0, 25.0], None),
    ] {
        let mut holds = met();
        holds.put_down_to_chance(40.0);
        for calls in &calls[..3] {
            assert_eq!(holds.stray(*calls), None);
            assert!(!holds.are_met());
        }
        assert_eq!(holds.stray(calls[3]), limit);
        assert_eq!(holds.are_met(), limit.is_some());
        assert_eq!(holds.strays, if limit.is_some() { 0 } else { 16 });
        if limit.is_none() {
            // What comes then changes nothing.
            (0..16).for_each(|_| assert_eq!(holds.stray(0.0), None));
            assert_eq!(holds.strays, 0);
        }
    }
}

#[test]
fn the_test_for_chance_comes_later_after_each_one_that_was_wrong() {
    let mut holds = met();
    for due in [3, 6, 12, 24, 48, 48] {
        let is_due = |at_rest: u32| Holds { at_rest, ..holds }.is_test_due();
        let dues: Vec<u32> = (0..100).filter(|&at_rest| is_due(at_rest)).collect();
        assert_eq!(dues, [due]);
        holds = Holds { first: holds.first, spells: (3.0, 90.0), ..holds };
        holds.put_down_to_chance(40.0);
        let limits = [1.0; 4].map(|calls| holds.stray(calls));
        assert_eq!(limits[3], Some(40.0));
    }
    // One that was right begins anew.
    holds.spells = (3.0, 90.0);
    holds.put_down_to_chance(40.0);
    assert_eq!([10.0, 60.0, 30.0, 30.0].map(|calls| holds.stray(calls)), [None; 4]);
    assert!(Holds { at_rest: 3, ..holds }.is_test_due());
}
