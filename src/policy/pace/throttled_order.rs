//! Whether throttled calls lie among the others as chance scatters them, or as a limit orders them.
//!
//! At an even pace a bucket throttles evenly: at a third too many each fourth call. A window accepts
//! all calls until it is full, and then none. Chance does neither.

/// How likely a limit is to keep its order with each call, and to break it: calls take their way.
const KEPT: f64 = 0.9;
const BROKEN: f64 = 0.1;

/// The most that an order counts for beside other evidence, as a logarithm.
pub(super) const MOST_OF_ORDER: f64 = 4.0;

/// Returns how much more likely this order is by chance than under a limit, as a logarithm; the calls
/// come one after the other, each with whether it was throttled.
pub(super) fn irregularity(calls: &[bool]) -> f64 {
    let all = calls.len() as f64;
    let throttled = calls.iter().filter(|&&throttled| throttled).count() as f64;
    if throttled < 2.0 || throttled > all - 2.0 {
        return 0.0;
    }
    let share = throttled / all;
    let by_chance = throttled * share.ln() + (all - throttled) * (1.0 - share).ln();
    by_chance - even(calls, share).max(in_rows(calls)).max(repeating(calls))
}

/// Returns how likely calls are that are throttled in rows, as a logarithm.
fn in_rows(calls: &[bool]) -> f64 {
    let follows = |pair: &[bool]| if pair[0] == pair[1] { KEPT.ln() } else { BROKEN.ln() };
    0.5_f64.ln() + calls.windows(2).map(follows).sum::<f64>()
}

/// Returns how likely calls are of which each follows from the two before it, as a logarithm: windows
/// of a few calls repeat themselves. What follows is learnt from those before (Krichevsky, Trofimov 1981).
fn repeating(calls: &[bool]) -> f64 {
    let mut followed = [[0.5_f64; 2]; 4];
    let mut likelihood = 2.0 * 0.5_f64.ln();
    for three in calls.windows(3) {
        let by = &mut followed[2 * usize::from(three[0]) + usize::from(three[1])];
        let next = usize::from(three[2]);
        likelihood += (by[next] / (by[0] + by[1])).ln();
        by[next] += 1.0;
    }
    likelihood
}

/// Returns how likely calls are of which evenly this share is throttled, as a logarithm.
fn even(calls: &[bool], share: f64) -> f64 {
    // Those of the rarer kind stand alone, and nearly as many of the others lie between two of them.
    let rare = share <= 0.5;
    let between = if rare { (1.0 - share) / share } else { share / (1.0 - share) };
    let (mut likelihood, mut since): (f64, Option<f64>) = (0.0, None);
    for &throttled in calls {
        let due = match since {
            Some(since) => (1.0 + since - between).clamp(BROKEN, KEPT),
            None => (1.0 / (1.0 + between)).clamp(BROKEN, KEPT),
        };
        let is_rare = throttled == rare;
        likelihood += if is_rare { due.ln() } else { (1.0 - due).ln() };
        since = if is_rare { Some(0.0) } else { since.map(|since| since + 1.0) };
    }
    likelihood
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(calls: &str) -> f64 {
        irregularity(&calls.chars().map(|call| call == 'x').collect::<Vec<_>>())
    }

    #[test]
    fn even_throttling_and_rows_are_the_order_of_a_limit() {
        for calls in ["..x..x..x..x..x..x", ".x.x.x.x.x.x", "xxx.xxx.xxx.xxx.", "..x...x..x...x..x"]
        {
            assert!(order(calls) < -2.0, "{calls}: {}", order(calls));
        }
        assert!(order("............xxxxxx..........xxxxxx") < -4.0);
    }

    #[test]
    fn what_lies_scattered_is_chance() {
        for calls in
            ["xx.x.....x..xx.x....x.xx", "..x.xx....x......x..x.x....x", "x.xx...x.xxx.x..xx.."]
        {
            assert!(order(calls) > 2.0, "{calls}: {}", order(calls));
        }
    }

    #[test]
    fn a_few_calls_have_no_order() {
        assert_eq!((order(""), order("...x....."), order("xxxx.")), (0.0, 0.0, 0.0));
    }

    fn calls(of: &str) -> Vec<bool> {
        of.chars().map(|call| call == 'x').collect()
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn two_of_either_kind_are_the_least_that_have_an_order() {
        assert_eq!((order(".x........"), order("xxxxxxxxx.")), (0.0, 0.0));
        assert_eq!((order("xxxxxx"), order("xx.xxxxxxx")), (0.0, 0.0));
        close(order("xx........"), -1.165_407_836_565_277);
        close(order("xxxxxxxx.."), -1.165_407_836_565_277);
        close(order("x........x"), 1.031_816_740_771_042);
        close(order("xx.x.....x..xx.x"), 2.374_668_151_011_029);
    }

    #[test]
    fn rows_change_seldom() {
        close(in_rows(&calls("xx..x")), -5.509_038_397_863_689);
        close(in_rows(&calls("xxxx....xxxx....")), -8.865_228_647_435_996);
    }

    #[test]
    fn what_repeats_is_learnt() {
        close(repeating(&calls("x.x.x")), -3.060_270_794_691_562);
        close(repeating(&calls("xx.xx.x")), -4.041_100_047_703_289);
        close(repeating(&calls("x..x.x...x.x.x..x")), -11.352_963_323_858_79);
    }

    #[test]
    fn the_rarer_kind_is_due_once_its_share_of_the_others_has_passed() {
        for (of, share, expected) in [
            ("x.x.x.x.", 0.5, -1.430_670_790_164_729_5),
            (".x.x.x.x", 0.5, -2.018_457_455_066_848_4),
            ("xx.xx.x", 5.0 / 7.0, -2.934_936_169_271_218_4),
            ("x...x...x..x..", 2.0 / 7.0, -4.385_809_666_753_467),
            ("..x..x..x.x", 4.0 / 11.0, -4.404_032_243_477_178),
            ("x..x.x...x.x.x..x", 7.0 / 17.0, -8.358_873_873_883_264),
            ("xxx.xx.xxx.xxxx.x", 13.0 / 17.0, -7.281_877_625_864_343),
            ("...........x.........x", 1.0 / 11.0, -6.712_380_499_144_617),
        ] {
            close(even(&calls(of), share), expected);
        }
    }
}
