//! What a run in PostgreSQL costs, without HTTP and with it, against the figures that must hold.
//!
//! `cargo bench --bench database [-- --tasks 10000000 --calls 16000]` starts a server of its own, with
//! fsync. Where none is installed it says so and measures nothing. First so many tasks are loaded, four
//! workers settle them as fast as the database keeps up, and they are summed up. Then sending slots are
//! asked for by one and by eight clients. Last, one and three workers of the real program carry out a
//! run each, at a service that answers after 20 ms.

#![expect(clippy::print_stdout, reason = "a benchmark is read on its standard output")]

#[path = "../../tests/support/postgres.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "tests need more of it, and may panic")]
mod postgres;
mod slots;
mod tasks;
mod whole_runs;

use batchctl::clock::Clock;
use postgres::Postgres;
use std::process::ExitCode;
use std::time::Duration;

type Trouble = Box<dyn std::error::Error>;

/// A figure, and the one that must hold.
pub(crate) struct Figure {
    name: &'static str,
    measured: f64,
    unit: &'static str,
    must: Option<Must>,
}

/// The figure that must hold.
pub(crate) enum Must {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(crate) fn new(name: &'static str, measured: f64, unit: &'static str) -> Self {
        Self { name, measured, unit, must: None }
    }

    pub(crate) fn must(self, must: Must) -> Self {
        Self { must: Some(must), ..self }
    }

    fn is_missed(&self) -> bool {
        match self.must {
            None => false,
            Some(Must::AtMost(most)) => self.measured > most,
            Some(Must::AtLeast(least)) => self.measured < least,
        }
    }

    /// Returns the row of the table.
    fn row(&self) -> String {
        let Self { name, measured, unit, .. } = self;
        let must = match self.must {
            None => String::new(),
            Some(Must::AtMost(most)) => format!("at most {most:.0}"),
            Some(Must::AtLeast(least)) => format!("at least {least:.0}"),
        };
        let verdict = match (self.must.is_some(), self.is_missed()) {
            (false, _) => "",
            (true, false) => "pass",
            (true, true) => "MISS",
        };
        format!("{name:<44} {measured:>12.1} {unit:<12} {must:<18} {verdict}")
    }
}

fn main() -> Result<ExitCode, Trouble> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, usual: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.map_or(Ok(usual), |value| value.parse::<u64>())
    };
    let (tasks, calls) = (number("--tasks", 10_000_000)?, number("--calls", 16_000)?);
    // What is missing is said on standard error.
    let Some(server) = Postgres::start() else { return Ok(ExitCode::SUCCESS) };
    println!("{tasks} tasks without calls, {calls} calls over HTTP; {}", version(&server));
    let mut is_missed = false;
    let mut show = |figures: Vec<Figure>| {
        for figure in figures {
            is_missed |= figure.is_missed();
            println!("{}", figure.row());
        }
    };
    show(tasks::measure(&server, tasks)?);
    show(slots::measure(&server)?);
    show(whole_runs::measure(&server, calls)?);
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn version(server: &Postgres) -> String {
    server
        .sql("SHOW server_version")
        .pop()
        .map_or_else(String::new, |it| format!("PostgreSQL {it}"))
}

/// Does something and returns how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let clock = Clock::start();
    let begun = clock.instant();
    let done = work();
    (done, clock.instant() - begun)
}
