//! Four senders of a rate group of 20 a second, each with an engine and a file of its own, as four
//! processes have; one of them dies in the middle.
//!
//! `used` is what they sent together in a second from the second one on, `least` the smallest share of
//! one of them before the death, `after` what the others sent together in a second from two seconds
//! after it on, and `peak` the most sendings in any second.

use super::{Forgetful, answered_by, done, settings, task};
use batchctl::api::TaskApi;
use batchctl::clock::{Clock, Instant};
use batchctl::engine::Claim;
use batchctl::policy::{Answer, SharedSlots};
use batchctl::slots::FileSlots;
use batchctl::task::Task;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

pub(crate) const HEAD: &str =
    "    rate  group                            used   least  after  peak  must";

const SENDERS: usize = 4;
const DIES: f64 = 12.0;
const SECONDS: f64 = 24.0;

/// Who sent when.
type Sent = Arc<Mutex<Vec<(f64, usize)>>>;

/// A service that takes note of the sender.
struct Witness {
    sender: usize,
    clock: Clock,
    begun: Instant,
    sent: Sent,
}

impl TaskApi for Witness {
    async fn call(&self, _: Arc<Task>) -> Answer {
        let at = (self.clock.instant() - self.begun).as_secs_f64();
        self.sent.lock().expect("no sender panics").push((at, self.sender));
        done()
    }
}

/// Returns the row of the group.
pub(crate) fn measured() -> String {
    let directory = tempfile::tempdir().expect("a directory for the group");
    let sent = Sent::default();
    let clock = Clock::start();
    let begun = clock.instant();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let witness = Witness { sender, clock, begun, sent: sent.clone() };
            let directory = directory.path();
            scope.spawn(move || send(&witness, directory));
        }
    });
    let mut sent = std::mem::take(&mut *sent.lock().expect("no sender panics"));
    sent.sort_by(|one, other| one.0.total_cmp(&other.0));
    row(&sent)
}

fn send(witness: &Witness, directory: &Path) {
    let rate = "20/s".parse().expect("it is a rate");
    let mut settings = settings(rate, 1_000);
    let slots = FileSlots::open(directory, "bench").expect("the file of the group opens");
    settings.slots = Some(SharedSlots::new(slots));
    let lasts = if witness.sender == 0 { DIES } else { SECONDS };
    settings.max_duration = Some(Duration::from_secs_f64(lasts));
    let claims: Vec<Claim> = (0..1_000).map(|ordinal| Claim::fresh(task(ordinal))).collect();
    let mut ledger = Forgetful { left: claims.into_iter() };
    answered_by(witness, &mut ledger, &settings, witness.clock);
}

fn row(sent: &[(f64, usize)]) -> String {
    let within = |from: f64, to: f64| sent.iter().filter(move |call| call.0 >= from && call.0 < to);
    let used = within(1.0, DIES).count() as f64 / (DIES - 1.0);
    let after = within(DIES + 2.0, SECONDS - 0.1).count() as f64 / (SECONDS - 2.1 - DIES);
    let all = within(0.0, DIES).count() as f64;
    let of = |sender: usize| within(0.0, DIES).filter(|call| call.1 == sender).count() as f64 / all;
    let least = (0..SENDERS).map(of).fold(1.0, f64::min);
    let peak = sent.iter().map(|&(from, _)| within(from, from + 1.0).count()).max().unwrap_or(0);
    let is_met = used >= 19.0 && least >= 0.1 && after >= 19.0 && peak <= 20;
    let is_met = if is_met { "pass" } else { "MISS" };
    let least = 100.0 * least;
    let figures = format!("{used:>6.1} {least:>6.1}% {after:>6.1} {peak:>5}");
    format!(
        "{:>8}  {:30} {figures}  {is_met}: 19 used, each 10 %, 19 within 2 s of a death, at most 20",
        "20/s", "four senders, one dies"
    )
}
