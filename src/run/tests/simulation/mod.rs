//! Whole runs in simulated time, each from a seed, and what must hold after each of their processes.
//!
//! Engine, policy, journal, store and report are the real ones. The service, the network, the
//! operators, the clock and the faults of the disk are simulated. `drive` carries a run out,
//! `world` keeps what really happened, `judge` compares.
//!
//! `BATCHCTL_TEST_RUNS=100000` sets how many seeds are tried, `BATCHCTL_TEST_SEED=7` repeats one of
//! them and prints its story.

mod drive;
mod judge;
mod ledger;
mod lists;
mod long;
mod planted;
mod service;
mod story;
mod surveys;
#[cfg(feature = "postgres")]
mod truth;
#[cfg(feature = "postgres")]
mod workers;
mod world;

use crate::clock::Timestamp;
use drive::{CarryOut, Ran, carry_out};
use planted::Planted;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// The time at which every simulated run is planned.
const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

/// How many seeds a planted fault may take to be found.
const MOST_SEEDS: u64 = 10_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Says what went wrong with a seed, and how to see it again.
fn told(seed: u64, ran: &Ran, test: &str) -> String {
    let command = format!("BATCHCTL_TEST_SEED={seed} cargo test --lib {test} -- --nocapture");
    format!("seed {seed}: {}\nrepeat it: {command}", ran.violations.join("; "))
}

#[expect(clippy::print_stderr, reason = "figures of a test are for whoever reads its output")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Tries seeds on all processors until one of them fails, and returns it.
fn first_failure(
    seeds: std::ops::RangeInclusive<u64>,
    planted: Option<Planted>,
    carry_out: CarryOut,
) -> Option<(u64, Ran)> {
    let next = AtomicU64::new(*seeds.start());
    let found: Mutex<Option<(u64, Ran)>> = Mutex::default();
    let (calls, processes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let lowest = found.lock().unwrap().as_ref().map(|(seed, _)| *seed);
                    if seed > *seeds.end() || lowest.is_some_and(|lowest| lowest < seed) {
                        return;
                    }
                    let ran = carry_out(seed, planted);
                    calls.fetch_add(ran.calls, Ordering::Relaxed);
                    processes.fetch_add(ran.processes, Ordering::Relaxed);
                    if !ran.violations.is_empty() {
                        let mut found = found.lock().unwrap();
                        let is_lower = found.as_ref().is_none_or(|(lowest, _)| seed < *lowest);
                        if is_lower {
                            *found = Some((seed, ran));
                        }
                    }
                }
            });
        }
    });
    if planted.is_none() {
        let runs = next.into_inner().min(seeds.end() + 1) - seeds.start();
        say(&format!("{runs} runs: {processes:?} processes, {calls:?} calls"));
    }
    found.into_inner().unwrap()
}

/// Tries a share of the seeds, or repeats the one that is asked for and prints its story.
fn check_seeds(carry_out: CarryOut, test: &str, share: u64) {
    if let Some(seed) = number("BATCHCTL_TEST_SEED") {
        let ran = carry_out(seed, None);
        assert!(ran.violations.is_empty(), "{}\n{}", ran.trace, told(seed, &ran, test));
        return;
    }
    let runs = number("BATCHCTL_TEST_RUNS").unwrap_or(100) / share;
    let first = number("BATCHCTL_TEST_FIRST").unwrap_or(1);
    if let Some((seed, ran)) = first_failure(first..=first + runs - 1, None, carry_out) {
        panic!("{}", told(seed, &ran, test));
    }
}

#[test]
fn simulated_runs_keep_every_promise() {
    check_seeds(carry_out, "simulated_runs_keep", 1);
}

#[test]
fn simulated_readers_of_lists_keep_every_promise() {
    check_seeds(surveys::read_lists, "simulated_readers_of_lists_keep", 1);
}

/// Each seed found a fault once.
#[test]
fn seeds_that_found_a_fault_of_readers_of_lists_find_none() {
    for seed in [3, 20, 5_167] {
        let ran = surveys::read_lists(seed, None);
        let test = "simulated_readers_of_lists_keep";
        assert!(ran.violations.is_empty(), "{}", told(seed, &ran, test));
    }
}

#[cfg(feature = "postgres")]
#[test]
fn simulated_workers_keep_every_promise() {
    check_seeds(workers::carry_out_by_workers, "simulated_workers_keep", 10);
}

#[test]
fn a_seed_gives_the_same_run_byte_for_byte() {
    let stages: &[CarryOut] = &[
        carry_out,
        surveys::read_lists,
        #[cfg(feature = "postgres")]
        workers::carry_out_by_workers,
    ];
    for (seed, carry_out) in (1..=12).flat_map(|seed| stages.iter().map(move |stage| (seed, stage)))
    {
        let (one, other) = (carry_out(seed, None), carry_out(seed, None));
        let differs = one.trace.lines().zip(other.trace.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}

#[test]
fn every_planted_fault_is_found() {
    let mut missed = Vec::new();
    for &planted in Planted::ALL {
        match first_failure(1..=MOST_SEEDS, Some(planted), planted.stage()) {
            Some((seed, ran)) => {
                say(&format!("{planted:?}: seed {seed}: {}", ran.violations[0]));
            }
            None => missed.push(planted),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
