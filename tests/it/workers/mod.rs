//! Several workers carry out one run of a database: through the real binary, on a real PostgreSQL.

mod browser;
mod cut_off;
mod deletions;
mod failover;
mod follow;
mod jobs;
mod limits;
mod orders;
mod pace;
mod phases;
mod places;
mod plans;
mod repairs;
mod services;
mod takeover;
mod targets;
mod versions;

use crate::support::documents::{column, results};
use crate::support::postgres::Postgres;
use crate::support::program::{Ended, Running, Scene};
use crate::support::service::{Rehearsal, wait_until};
use batchctl::sandbox::SandboxSettings;
use serde_json::Value;
use std::time::Duration;

/// A database, a service, and machines with the program.
struct Stage {
    database: Postgres,
    rehearsal: Rehearsal,
}

impl Stage {
    /// A service that answers after this time.
    fn answering_in(millis: u64) -> Option<Self> {
        let latency = Duration::from_millis(millis);
        let settings = SandboxSettings { latency: latency..=latency, ..SandboxSettings::default() };
        Self::with(settings)
    }

    fn with(settings: SandboxSettings) -> Option<Self> {
        let database = Postgres::start()?;
        let mut rehearsal = Rehearsal::with(settings);
        configure(&mut rehearsal.scene, &database, rehearsal.service.url());
        Some(Self { database, rehearsal })
    }

    /// Plans a run of so many tasks, and leaves it to workers.
    fn plan(&self, tasks: usize, more: &[&str]) -> String {
        let ids: Vec<String> = (0..tasks).map(|number| format!("camera-{number:05}")).collect();
        self.plan_ids(&ids, more)
    }

    /// Plans a run of these tasks, and leaves it to workers.
    fn plan_ids(&self, ids: &[String], more: &[&str]) -> String {
        let input = self.rehearsal.input(ids);
        let start = ["start", input.to_str().unwrap(), "--detach", "--timeout", "1s"];
        let ended = self.rehearsal.scene.call(&[&start, more].concat()).expect(0);
        ended.stdout.trim().to_owned()
    }

    fn worker(&self) -> Running {
        self.rehearsal.scene.start(&["work", "-q", "-j", "8"])
    }

    /// A worker on a run that may have ended meanwhile.
    fn worker_on(&self, id: &str) -> Running {
        self.rehearsal.scene.start(&["work", id, "-q", "-j", "8"])
    }

    fn call(&self, arguments: &[&str]) -> Ended {
        self.rehearsal.scene.call(arguments)
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.call(&["ctl", "status", "--json"]).expect(0).stdout).unwrap()
    }

    fn await_settled(&self, count: u64) {
        let settled = "SELECT sum(settled) FROM batchctl.chunk";
        wait_until("outcomes", || self.database.number(settled) >= count);
    }

    /// Checks that every task has one outcome, and that no call was repeated that is not told of as
    /// in doubt; returns how many calls were.
    fn check(&self, tasks: usize) -> usize {
        let status = self.status();
        let settled: u64 =
            status["settled"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(settled, tasks as u64, "{status}");
        assert_eq!(self.database.number("SELECT sum(settled) FROM batchctl.chunk"), tasks as u64);
        let calls = self.rehearsal.service.requests_by_id();
        assert_eq!(calls.len(), tasks, "no task is lost");
        let repeated = calls.values().map(|calls| calls - 1).sum();
        assert!(repeated as u64 <= status["in_doubt"].as_u64().unwrap(), "{repeated}: {status}");
        // The report reads every record and compares the sums.
        let report = self.call(&["report", "--json"]);
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        assert_eq!(report["tasks"]["selected"], tasks as u64);
        repeated
    }
}

/// Returns when the calls of a run were sent, by the clocks of their workers: milliseconds of a day, in
/// order. When they arrive says nothing exact, because a busy machine lets a server wait, too.
fn sent(scene: &Scene, id: &str) -> Vec<u64> {
    let path = scene.path("sent.csv");
    scene.call(&["report", id, "-o", path.to_str().unwrap()]);
    let rows = results(&std::fs::read_to_string(path).unwrap());
    let mut times = column(&rows, "started_at");
    // A task without a call has no time.
    times.retain(|time| !time.is_empty());
    times.sort_unstable();
    let millis_of_day = |time: &str| -> u64 {
        let digits: Vec<u64> =
            time[11..23].split([':', '.']).map(|it| it.parse().unwrap()).collect();
        ((digits[0] * 60 + digits[1]) * 60 + digits[2]) * 1_000 + digits[3]
    };
    let first_day = &times[0][..10];
    let later = |time: &str| if time.starts_with(first_day) { 0 } else { 86_400_000 };
    times.into_iter().map(|time| millis_of_day(time) + later(time)).collect()
}

/// Checks that no second has so many calls.
fn check_seconds(sent: &[u64], calls: usize) {
    let shortest = sent.windows(calls).map(|some| some[calls - 1] - some[0]).min();
    assert!(shortest.is_none_or(|span| span >= 1_000), "{calls} calls within {shortest:?} ms");
}

/// Lets the program find the database and the service.
fn configure(scene: &mut Scene, database: &Postgres, endpoint: &str) {
    scene.set("BATCHCTL_STORE", &database.address("runs"));
    scene.set("BATCHCTL_ENDPOINT", endpoint);
    scene.set("BATCHCTL_PROJECT_ID", "project-1");
}
