//! Kills a run at random moments and goes on with it, up to five times deep.
//!
//! After every kill the run's file is held against what the service saw: nothing is lost, nothing
//! settled is sent again, no outcome is false, and the sums of `runs show` are right.

use crate::ledger::Fate;
use crate::ledger::Ledger;
use crate::ledger::most_in_window;
use crate::ledger::ways;
use crate::power::Disk;
use crate::support::program::Running;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use fastrand::Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const TASKS: usize = 200;
const DEEPEST: u64 = 5;
/// Calls that leave evenly do not arrive evenly: a window may hold what a tenth of a second more would, and
/// on a machine that has more to do what so much more would as the ways to the service differ.
const ARRIVAL_JITTER: usize = 10;

fn wanted(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

fn first_seed() -> u64 {
    wanted("BATCHCTL_TEST_FIRST", 1)
}

/// Carries out one ordeal after the other until there were so many kills.
fn carry_out(wanted: u64, ordeal: impl Fn(u64) -> Ordeal + Sync) {
    let (seeds, kills) = (AtomicU64::new(first_seed()), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while kills.load(Ordering::Relaxed) < wanted {
                    let seed = seeds.fetch_add(1, Ordering::Relaxed);
                    kills.fetch_add(ordeal(seed).carry_out(), Ordering::Relaxed);
                }
            });
        }
    });
}

#[test]
fn whatever_kills_a_run_and_whenever_every_task_is_accounted_for() {
    carry_out(wanted("BATCHCTL_TEST_KILLS", 50), Ordeal::new);
}

#[test]
fn what_was_synced_before_a_loss_of_power_accounts_for_every_task() {
    carry_out(wanted("BATCHCTL_TEST_POWER", 5), |seed| {
        let mut ordeal = Ordeal::new(1_000_000 + seed);
        ordeal.disk = Some(Disk::below(&mut ordeal.rehearsal));
        ordeal
    });
}

#[test]
fn runs_of_vias_by_its_file_are_killed_and_resumed_as_those_of_the_built_in_service() {
    carry_out(wanted("BATCHCTL_TEST_SERVICE_KILLS", 5), |seed| Ordeal {
        is_by_file: true,
        ..Ordeal::new(2_000_000 + seed)
    });
}

/// One run that is killed again and again.
struct Ordeal {
    rehearsal: Rehearsal,
    rng: Rng,
    seed: u64,
    /// Without a limit tasks are begun ahead of the slots.
    rate: Option<usize>,
    concurrency: usize,
    /// Whether a file describes the service.
    is_by_file: bool,
    before: Snapshot,
    /// The disk, if kills are losses of power.
    disk: Option<Disk>,
}

/// What was known at the last kill.
#[derive(Default)]
struct Snapshot {
    fates: BTreeMap<String, Fate>,
    requests: BTreeMap<String, usize>,
    open_attempts: usize,
}

impl Ordeal {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let latency = Duration::from_millis(1)..=Duration::from_millis(rng.u64(2..40));
        let rehearsal =
            Rehearsal::with(SandboxSettings { latency, seed, ..SandboxSettings::default() });
        let rate = [Some(60), Some(150), Some(400), None][rng.usize(..4)];
        let concurrency = [4, 16, 48][rng.usize(..3)];
        let before = Snapshot::default();
        Self { rehearsal, rng, seed, rate, concurrency, is_by_file: false, before, disk: None }
    }

    /// Kills and resumes until the run is finished, and returns how often it was killed.
    fn carry_out(mut self) -> u64 {
        let depth = self.rng.u64(1..=DEEPEST);
        let mut kills = 0;
        while kills < depth {
            let mut process = self.next_process();
            self.await_moment(&mut process);
            process.kill();
            kills += 1;
            if let Some(disk) = &self.disk {
                disk.lose_power(&self.rehearsal);
                let is_unseen = self.rehearsal.service.requests_by_id().is_empty();
                assert!(is_unseen || !self.rehearsal.runs().is_empty(), "seed {}", self.seed);
            }
            if !self.rehearsal.runs().is_empty() {
                self.judge();
            }
        }
        self.finish();
        kills
    }

    /// Starts the run, or goes on with it if its plan was complete when it was killed.
    fn next_process(&mut self) -> Running {
        if !self.rehearsal.runs().is_empty() {
            return Running::spawn(self.rehearsal.scene.command(&["resume"]));
        }
        let ids: Vec<String> = (0..TASKS).map(|number| id(number, &mut self.rng)).collect();
        let input = self.rehearsal.input(&ids);
        let rate = self.rate.map_or("none".into(), |rate| format!("{rate}/s"));
        let concurrency = self.concurrency.to_string();
        let more = ["--rate", &rate, "-j", &concurrency, "--max-attempts", "3"];
        let mut more = [&more[..], &["--max-failures", "100%"]].concat();
        if self.is_by_file {
            self.rehearsal.scene.write("vias.toml", batchctl::service::VIAS.1);
            more.extend(["--service", "vias.toml"]);
        }
        let process = self.rehearsal.start(&input, &more);
        self.before = Snapshot::default();
        process
    }

    /// Waits until it is time to kill: at some time after the start, or at some request.
    fn await_moment(&mut self, process: &mut Running) {
        let seen = self.rehearsal.service.requests();
        if self.rng.u8(..4) == 0 {
            return thread::sleep(Duration::from_millis(self.rng.u64(..150)));
        }
        let until = seen + self.rng.u64(1..100);
        while self.rehearsal.service.requests() < until && !process.has_ended() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(self.rng.u64(..8_000)));
    }

    /// Holds the run's file against what the service saw.
    fn judge(&mut self) {
        let requests = self.rehearsal.service.requests_by_id();
        let ledger = Ledger::read(&self.rehearsal.file());
        self.judge_tasks(&ledger, &requests);
        self.judge_settled(&ledger, &requests);
        let opened = ledger.open_attempts() - self.before.open_attempts;
        // On the wire, and landed in the commit that the kill cut off: what is begun ahead takes
        // the slots of what landed.
        let begun_at_once = if self.rate.is_some() { 1 } else { 5 };
        let most = (1 + begun_at_once) * self.concurrency;
        // After a loss of power nobody knows what has left of all that was begun.
        assert!(
            self.disk.is_some() || opened <= most,
            "seed {}: {opened} calls were left open",
            self.seed
        );
        self.judge_report(&ledger);
        let open_attempts = ledger.open_attempts();
        self.before = Snapshot { fates: ledger.fates, requests, open_attempts };
    }

    /// No task is lost, none was sent unseen, no outcome is false.
    fn judge_tasks(&self, ledger: &Ledger, requests: &BTreeMap<String, usize>) {
        let seed = self.seed;
        assert_eq!((ledger.selected, ledger.fates.len()), (TASKS, TASKS), "seed {seed}");
        for (id, fate) in &ledger.fates {
            let of_task = || ledger.attempts.iter().filter(|attempt| attempt.id == *id);
            let (ended, begun) = (of_task().filter(|a| a.has_ended).count(), of_task().count());
            let seen = requests.get(id).copied().unwrap_or(0);
            let told = format!("seed {seed}: {id} {fate:?}: {ended} ≤ {seen} ≤ {begun}");
            assert!(ended <= seen && seen <= begun, "{told}");
            self.judge_outcome(id, fate, of_task().any(|attempt| attempt.in_doubt));
        }
    }

    fn judge_outcome(&self, id: &str, fate: &Fate, doubted: bool) {
        let Fate::Settled(outcome) = fate else { return };
        let carried_out =
            self.rehearsal.service.witness().carried_out(id, batchctl::task::Command::STOP)
                + self.rehearsal.service.witness().carried_out(id, batchctl::task::Command::START);
        let habit = id.rsplit_once('-').map_or("", |(_, habit)| habit);
        let right = match (habit, outcome.as_str()) {
            ("" | "flaky", "succeeded") | ("partial", "partial") | ("failed", "failed") => {
                carried_out > 0
            }
            ("drop", "ambiguous") => carried_out > 0 && doubted,
            ("refused", "failed") => carried_out == 0 && !doubted,
            // Refused, but an earlier call may have been what it was refused for; or it could
            // not be tried once more.
            ("refused" | "flaky", "ambiguous") => doubted,
            _ => false,
        };
        assert!(right, "seed {}: {id} is not {outcome}", self.seed);
    }

    /// What was settled stays so, and is never sent again.
    fn judge_settled(&self, ledger: &Ledger, requests: &BTreeMap<String, usize>) {
        for (id, fate) in &self.before.fates {
            if matches!(fate, Fate::Settled(_)) {
                assert_eq!(&ledger.fates[id], fate, "seed {}: {id}", self.seed);
                assert_eq!(requests[id], self.before.requests[id], "seed {}: {id}", self.seed);
            }
        }
    }

    /// `runs show` is right without resuming.
    fn judge_report(&self, ledger: &Ledger) {
        let report = self.rehearsal.report();
        let tasks = &report["tasks"];
        let open = |fate| u64::try_from(ledger.count(&fate)).unwrap();
        let settled = |outcome| u64::try_from(ledger.settled(outcome)).unwrap();
        let expected = [
            ("selected", TASKS.try_into().unwrap()),
            ("succeeded", settled("succeeded")),
            ("partial", settled("partial")),
            ("failed", settled("failed") + open(Fate::Refused)),
            ("ambiguous", settled("ambiguous") + open(Fate::InDoubt)),
            ("not_attempted", open(Fate::NeverSent)),
        ];
        for (name, count) in expected {
            assert_eq!(tasks[name], count, "seed {}: {name} of {report}", self.seed);
        }
        let complete = ledger.is_finished();
        assert_eq!(report["run"]["complete"], complete, "seed {}: {report}", self.seed);
        if report["stopped"]["reason"] == "planned" {
            // The kill came between the plan and the first session.
            let is_begun = self.rehearsal.service.requests() > 0 || !ledger.attempts.is_empty();
            assert!(!is_begun && report["exit"].is_null(), "seed {}: {report}", self.seed);
            return;
        }
        let code = if complete { 1 } else { 137 };
        assert_eq!(report["exit"]["code"], code, "seed {}: {report}", self.seed);
    }

    /// Lets the run come to its end, and judges the whole of it.
    fn finish(mut self) {
        let ended = self.next_process().ended();
        assert_eq!(ended.code, Some(1), "seed {}: {ended:?}", self.seed);
        self.judge();
        let ledger = Ledger::read(&self.rehearsal.file());
        assert!(ledger.is_finished(), "seed {}", self.seed);
        self.judge_pace(&ledger);
        let seen = self.rehearsal.service.requests();
        let again = self.rehearsal.run(&["resume"]);
        assert_eq!(again.code, Some(1), "{again:?}");
        assert!(again.stderr.contains("is finished"), "{again:?}");
        assert_eq!(self.rehearsal.service.requests(), seen, "seed {}", self.seed);
    }

    /// No window holds more sendings than the rate, over all processes together.
    fn judge_pace(&self, ledger: &Ledger) {
        let Some(rate) = self.rate else { return };
        let sent: Vec<i64> =
            ledger.attempts.iter().filter(|a| a.has_ended).map(|a| a.sent_us).collect();
        let most = most_in_window(sent, 1_000_000);
        assert!(most <= rate, "seed {}: {most} sendings in a second", self.seed);
        let log = self.rehearsal.service.log();
        let arrived = log.iter().map(|request| i64::try_from(request.at_us).unwrap()).collect();
        let most = most_in_window(arrived, 1_000_000);
        let ways = ways(ledger, &log);
        let spread = ways.iter().max().unwrap_or(&0) - ways.iter().min().unwrap_or(&0);
        let spread = usize::try_from(spread).unwrap();
        let tolerated = rate + rate.div_ceil(ARRIVAL_JITTER) + (rate * spread).div_ceil(1_000_000);
        let seen = format!("{most} arrivals in a second, ways differ by {spread} µs");
        assert!(most <= tolerated, "seed {}: {seen}", self.seed);
    }
}

/// Returns the id of a task that behaves well, or in one of the ways that try a run.
fn id(number: usize, rng: &mut Rng) -> String {
    let habit = match rng.u8(..40) {
        0 | 1 => "-partial",
        2 | 3 => "-failed",
        4 | 5 => "-refused",
        6..=9 => "-flaky",
        10 => "-drop",
        _ => "",
    };
    format!("gate{number}{habit}")
}

#[test]
fn a_kill_during_recovery_changes_nothing() {
    let (mut kills, mut seed) = (0, first_seed());
    while kills < wanted("BATCHCTL_TEST_RECOVERY_KILLS", 8) {
        kills += kill_recoveries(seed);
        seed += 1;
    }
}

/// Kills eight recoveries of a run, and returns how many that were.
fn kill_recoveries(seed: u64) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let rehearsal = Rehearsal::answering_in(20..=40);
    let ids = crate::support::service::plain_ids(100);
    rehearsal.killed_after(40, &rehearsal.input(&ids), &["--rate", "none"]);
    let before = Ledger::read(&rehearsal.file());
    assert!(before.count(&Fate::InDoubt) > 0, "seed {seed}: {before:?}");
    let delays = [0, 3, 6, 10, 15, 20, 30, 40].map(|millis| millis * 1_000 + rng.u64(..3_000));
    for micros in delays {
        let process = Running::spawn(rehearsal.scene.command(&["resume"]));
        thread::sleep(Duration::from_micros(micros));
        process.kill();
        for (id, fate) in &Ledger::read(&rehearsal.file()).fates {
            let was = &before.fates[id];
            let same = !matches!(was, Fate::Settled(_)) || fate == was;
            assert!(same, "seed {seed}: {id} was {was:?} and is {fate:?}");
        }
    }
    let ended = rehearsal.run(&["resume"]);
    assert_eq!(ended.code, Some(0), "seed {seed}: {ended:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 100);
    let settled_before = |id: &String| matches!(before.fates[id], Fate::Settled(_));
    let requests = rehearsal.service.requests_by_id();
    assert!(ids.iter().filter(|id| settled_before(id)).all(|id| requests[id] == 1));
    delays.len() as u64
}

#[test]
fn a_killed_run_is_listed_as_killed_and_one_that_ended_as_finished() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    rehearsal.killed_after(
        10,
        &rehearsal.input(&crate::support::service::plain_ids(60)),
        &["--rate", "none"],
    );
    assert_eq!(state(&rehearsal), "killed");
    let shown = rehearsal.run(&["runs", "show"]);
    assert!(shown.stdout.contains("(killed)"), "{shown:?}");
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    assert_eq!(state(&rehearsal), "finished");
}

fn state(rehearsal: &Rehearsal) -> String {
    let listed = rehearsal.run(&["runs", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    listed[0]["state"].as_str().unwrap().into()
}
