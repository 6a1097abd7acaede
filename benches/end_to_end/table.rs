//! The table: a line for each program, with medians and its ratios to batchctl.

use super::contender::Contender;
use batchctl::text::grouped;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

/// What one program used for its calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) calls: usize,
    pub(super) lasted: Duration,
    /// User and system time.
    pub(super) busy: Duration,
    pub(super) resident_bytes: u64,
}

impl Measured {
    fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.lasted.as_secs_f64()
    }

    fn micros_per_call(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.calls as f64
    }
}

/// Describes the machine, for figures mean nothing without it.
pub(super) fn machine(service: &str) -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} × {model}; {service} on loopback, 64 calls at a time")
}

/// Returns the table; batchctl is the first of the programs of every round.
pub(super) fn of(contenders: &[Contender], rounds: &[Vec<Measured>]) -> String {
    let mut table = String::from(
        "| program | calls | calls/s | batchctl's ÷ these | CPU µs/call | batchctl's ÷ these | MB | \
         leaves behind |\n|---|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for (column, contender) in contenders.iter().enumerate() {
        let of_each = |value: &dyn Fn(&[Measured]) -> f64| {
            median(rounds.iter().map(|round| value(round)).collect())
        };
        let speed = of_each(&|round| round[column].calls_per_second());
        let faster =
            of_each(&|round| round[0].calls_per_second() / round[column].calls_per_second());
        let cost = of_each(&|round| round[column].micros_per_call());
        let dearer = of_each(&|round| round[0].micros_per_call() / round[column].micros_per_call());
        let megabytes = of_each(&|round| round[column].resident_bytes as f64 / 1e6);
        let calls = grouped(rounds[0][column].calls as u64);
        let speed = grouped(speed.round() as u64);
        let (name, leaves) = (contender.name(), contender.leaves());
        writeln!(
            table,
            "| {name} | {calls} | {speed} | {faster:.2} | {cost:.1} | {dearer:.2} | \
             {megabytes:.0} | {leaves} |"
        )
        .expect("a String takes all text");
    }
    table
}

/// Returns how fast a run is where a file describes the service, as a share of the built-in's speed.
pub(super) fn kept_by_file(contenders: &[Contender], rounds: &[Vec<Measured>]) -> f64 {
    let column = contenders.iter().position(|one| *one == Contender::ByFile);
    let column = column.expect("it is part of every measurement");
    let share =
        |round: &Vec<Measured>| round[column].calls_per_second() / round[0].calls_per_second();
    median(rounds.iter().map(share).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
