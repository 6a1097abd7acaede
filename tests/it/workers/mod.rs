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
mod versions;

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

/// Lets the program find the database and the service.
fn configure(scene: &mut Scene, database: &Postgres, endpoint: &str) {
    scene.set("BATCHCTL_STORE", &database.address("runs"));
    scene.set("BATCHCTL_ENDPOINT", endpoint);
    scene.set("BATCHCTL_PROJECT_ID", "project-1");
}
