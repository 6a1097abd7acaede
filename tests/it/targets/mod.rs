//! Runs of several targets: each with a limit, credentials and an end of its own.

mod endings;
mod page;
mod plans;
mod runs;
mod services;
mod states;

use crate::support::program::{Ended, Running, Scene};
use crate::support::server::Server;
use batchctl::reading::RunReader;
use batchctl::store::{RunDirectory, StoreError};
use serde_json::Value;
use std::io::{BufRead, BufReader};

/// A sandbox of its own process, and its URL.
pub(crate) fn sandbox(scene: &Scene, flags: &[&str]) -> (Running, String) {
    let mut sandbox = scene.start(&[&["sandbox", "--latency", "0ms"], flags].concat());
    let mut url = String::new();
    BufReader::new(sandbox.stdout()).read_line(&mut url).unwrap();
    (sandbox, url.trim().to_owned())
}

/// The table of a target in the config file.
pub(crate) fn table(name: &str, url: &str, more: &str) -> String {
    format!(
        "[target.{name}]\nendpoint = '{url}'\nproject_id = '{name}'\n\
         token_file = 'token-{name}'\n{more}\n"
    )
}

/// A list in which each id begins with its target.
pub(crate) fn list(counts: &[(&str, usize)]) -> String {
    let rows = |(name, count): &(&str, usize)| {
        (0..*count).map(|number| format!("{name}-{number:03},{name}\n")).collect::<String>()
    };
    // In turns, so that no target's rows stand together.
    let text: String = counts.iter().map(rows).collect();
    let mut rows: Vec<&str> = text.lines().collect();
    rows.sort_by_key(|row| row.split_once('-').map(|(_, rest)| rest.to_owned()));
    format!("id,site\n{}\n", rows.join("\n"))
}

pub(crate) fn target<'a>(report: &'a Value, name: &str) -> &'a Value {
    let targets = report["targets"].as_array().unwrap();
    targets.iter().find(|target| target["name"] == name).unwrap()
}

pub(crate) const START: [&str; 4] = ["start", "tasks.csv", "--target-column", "site"];

/// When each call of the latest run was sent, in microseconds, target by target.
fn sent_times(scene: &Scene) -> Vec<Vec<u64>> {
    let runs = RunDirectory::existing(&scene.state());
    let reader = RunReader::open(&runs, &runs.find("latest").unwrap()).unwrap();
    let of_target = |run: &RunReader| {
        let mut sent = Vec::new();
        run.for_each_attempt(|attempt| {
            sent.push(attempt.sent.as_micros().unsigned_abs());
            Ok::<(), StoreError>(())
        })?;
        sent.sort_unstable();
        Ok::<_, StoreError>(sent)
    };
    reader.of_targets(of_target).unwrap()
}

/// Two targets of one host, with a token each.
pub(crate) struct TwoProjects<S> {
    pub(crate) scene: Scene,
    pub(crate) server: S,
}

impl TwoProjects<Server> {
    pub(crate) fn with(server: Server) -> Self {
        let url = server.url();
        let TwoProjects { scene, .. } = TwoProjects::of(Scene::new(), &url);
        Self { scene, server }
    }
}

impl TwoProjects<()> {
    /// Two targets of the service at a URL, in a home that may have files already.
    pub(crate) fn of(mut scene: Scene, url: &str) -> Self {
        for name in ["north", "south"] {
            scene.write(&format!("token-{name}"), format!("token-of-{name}"));
        }
        scene.configure(&[table("north", url, ""), table("south", url, "")].concat());
        // Those of the machine belong to no target.
        scene.set("BATCHCTL_TOKEN", "token-of-the-machine");
        scene.set("BATCHCTL_PROJECT_ID", "project-of-the-machine");
        scene.write("tasks.csv", list(&[("north", 6), ("south", 4)]));
        Self { scene, server: () }
    }
}

impl<S> TwoProjects<S> {
    pub(crate) fn call(&self, flags: &[&str]) -> Ended {
        self.scene.call(&[&START[..], flags].concat())
    }
}
