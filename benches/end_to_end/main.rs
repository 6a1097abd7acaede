//! What a run costs from end to end, beside what an operator would use instead.
//!
//! `cargo bench --bench end_to_end [-- --calls 100000 --rounds 5]` calls the same service for the
//! same ids with each program in turn, as often as there are rounds, and prints a table of
//! medians. batchctl runs as it is released: with its store, and with results.csv. Ratios are
//! taken within a round, so that a machine that slows down slows both. Programs that are not
//! installed are left out, and named. With `--own` only batchctl is measured, with VIAS built in and
//! by its file.

#![expect(clippy::print_stdout, reason = "a benchmark is read on its standard output")]

mod bare_reqwest;
mod contender;
mod service;
mod table;

use batchctl::clock::Clock;
use contender::Contender;
use contender::Ground;
use service::Service;
use std::process::Stdio;
use std::time::Duration;
use table::Measured;
use wait4::Wait4;

/// The share of its speed that a run must keep where a file describes the service.
const LEAST_KEPT: f64 = 0.9;

type Trouble = Box<dyn std::error::Error>;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    calls: usize,
    rounds: usize,
    is_own_only: bool,
}

fn main() -> Result<(), Trouble> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bare_reqwest::WORD, urls, concurrency] => bare_reqwest::run(urls, concurrency.parse()?),
        _ => compare(extent(&arguments)?),
    }
}

fn extent(arguments: &[String]) -> Result<Extent, Trouble> {
    let number = |name: &str, usual: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.map_or(Ok(usual), |value| value.parse::<usize>())
    };
    let (calls, rounds) = (number("--calls", 100_000)?, number("--rounds", 5)?);
    let is_own_only = arguments.iter().any(|argument| argument == "--own");
    let extent = Extent { calls, rounds, is_own_only };
    if extent.calls == 0 || extent.rounds == 0 {
        return Err("there must be a call and a round".into());
    }
    Ok(extent)
}

fn compare(extent: Extent) -> Result<(), Trouble> {
    let service = Service::start()?;
    let ground = Ground::prepare(service.url(), extent.calls)?;
    let asked_for =
        Contender::ALL.into_iter().filter(|one| !extent.is_own_only || one.is_batchctl());
    let (present, absent): (Vec<_>, Vec<_>) = asked_for.partition(|one| one.is_installed());
    let mut rounds = Vec::new();
    for _ in 0..extent.rounds {
        let round: Result<Vec<_>, _> = present.iter().map(|one| measure(*one, &ground)).collect();
        rounds.push(round?);
    }
    println!("{}", table::machine(service.name()));
    print!("{}", table::of(&present, &rounds));
    for contender in absent {
        println!("left out, for it is not installed: {}", contender.name());
    }
    let kept = table::kept_by_file(&present, &rounds);
    println!("VIAS by its file ÷ built in, calls/s: {kept:.2}; passes from {LEAST_KEPT}");
    if kept < LEAST_KEPT { Err("VIAS by its file is too slow".into()) } else { Ok(()) }
}

/// Lets a program make its calls, and takes its time and what the kernel says it used.
fn measure(contender: Contender, ground: &Ground) -> Result<Measured, Trouble> {
    let clock = Clock::start();
    let begun = clock.instant();
    let mut command = contender.command(ground)?;
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let used = command.spawn()?.wait4()?;
    let lasted = clock.instant() - begun;
    if !used.status.success() {
        return Err(format!("{} ended with {}", contender.name(), used.status).into());
    }
    contender.check(ground)?;
    let calls = contender.calls(ground);
    let busy: Duration = used.rusage.utime + used.rusage.stime;
    Ok(Measured { calls, lasted, busy, resident_bytes: used.rusage.maxrss })
}
