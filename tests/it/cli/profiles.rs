//! Runs keep their profile: whatever takes one up uses its credentials again, and sends them nowhere
//! else.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use std::fs;

/// A service that refuses every task.
fn refusing() -> Server {
    Server::start(|request: &Request| {
        Reply::service(400, "VIAS.00010001", &format!("wrong in {}", request.id))
    })
}

/// Two services, and a scene with a profile for each.
struct Targets {
    default: Server,
    staging: Server,
    scene: Scene,
}

fn targets() -> Targets {
    let (default, staging) = (refusing(), refusing());
    let scene = Scene::new();
    scene.write("token-default", "token-of-default");
    scene.write("token-staging", "token-of-staging");
    let targets = Targets { default, staging, scene };
    targets.configure(&targets.default.url(), &targets.staging.url());
    targets
}

impl Targets {
    fn configure(&self, default: &str, staging: &str) {
        self.scene.configure(&format!(
            "project_id = 'p-1'\n\
             [profile.default]\nendpoint = '{default}'\ntoken_file = 'token-default'\n\
             [profile.staging]\nendpoint = '{staging}'\ntoken_file = 'token-staging'\n"
        ));
    }

    fn counts(&self) -> (usize, usize) {
        (self.default.count(), self.staging.count())
    }
}

const STOP: [&str; 5] = ["stop", "--id", "gate-1", "--max-attempts", "1"];

#[test]
fn a_run_is_taken_up_with_the_credentials_of_its_profile() {
    let targets = targets();
    let scene = &targets.scene;
    scene.call(&[&STOP[..], &["--profile", "staging"]].concat()).expect(1);
    for call in [&["retry", "latest", "--group", "F1"][..], &["settle"], &["wait"], &["retry"]] {
        scene.call(call);
    }
    assert_eq!(targets.counts().0, 0, "the service of the default profile was called");
    let tokens = targets.staging.requests();
    assert!(tokens.len() >= 2, "{}", tokens.len());
    assert!(tokens.iter().all(|request| request.headers["x-auth-token"] == "token-of-staging"));
}

#[test]
fn every_printed_command_names_the_profile() {
    let targets = targets();
    let scene = &targets.scene;
    let documents =
        ["-o", "page.html", "-o", "a.md", "-o", "a.xml", "-o", "a.prom", "-o", "a.json"];
    let ended = scene.call(&[&STOP[..], &["--profile", "staging"], &documents].concat()).expect(1);
    let shown = scene.call(&["runs", "show"]).expect(0);
    let cron = scene.call(&[&STOP[..], &["--profile", "staging", "--cron"]].concat()).expect(1);
    let mut texts = vec![ended.stdout, shown.stdout, cron.stderr];
    texts.extend(["page.html", "a.md", "a.xml", "a.prom", "a.json"].map(|name| scene.read(name)));
    for text in texts {
        let lines = text.lines().filter(|line| line.contains("batchctl retry "));
        let lines: Vec<&str> = lines.collect();
        assert!(!lines.is_empty(), "{text}");
        assert!(lines.iter().all(|line| line.contains("--profile staging")), "{lines:?}");
    }
    assert_eq!(report(&scene.read("a.json"))["run"]["profile"], "staging");
    let default = scene.call(&STOP).expect(1);
    assert!(!default.stdout.contains("--profile"), "{}", default.stdout);
}

#[test]
fn a_hint_names_the_profile() {
    let targets = targets();
    let scene = &targets.scene;
    let ended = scene.call(&["report", "nowhere", "--profile", "staging"]).expect(2);
    ended.says("`batchctl runs list --profile staging`");
}

/// Checks that a command that takes up the latest run is refused before anything is sent.
#[track_caller]
fn check_refused(targets: &Targets, call: &[&str]) {
    let before = targets.counts();
    targets.scene.call(call).expect(77).says("hint: ").says("--endpoint");
    assert_eq!(targets.counts(), before, "{call:?}");
}

const TAKING_UP: [&[&str]; 4] = [&["retry"], &["wait"], &["settle"], &["retry", "--dry-run"]];

#[test]
fn another_profile_is_refused_unless_the_endpoint_is_typed() {
    let targets = targets();
    targets.scene.call(&[&STOP[..], &["--profile", "staging"]].concat()).expect(1);
    for call in TAKING_UP {
        check_refused(&targets, &[call, &["--profile", "default"]].concat());
    }
    let typed = ["retry", "--profile", "default", "--endpoint", &targets.staging.url()];
    targets.scene.call(&typed).expect(1);
    let last = targets.staging.requests().pop().unwrap();
    assert_eq!(last.headers["x-auth-token"], "token-of-default");
}

#[test]
fn a_profile_whose_endpoint_has_changed_is_refused() {
    let targets = targets();
    targets.scene.call(&STOP).expect(1);
    targets.configure(&targets.staging.url(), &targets.staging.url());
    for call in TAKING_UP {
        check_refused(&targets, call);
    }
    targets.scene.configure("project_id = 'p-1'\ntoken_file = 'token-default'");
    for call in [&["retry"][..], &["wait"], &["settle"]] {
        check_refused(&targets, call);
    }
}

#[test]
fn a_run_that_somebody_planted_is_sent_no_token() {
    let targets = targets();
    let other = Scene::with(&targets.staging);
    other.call(&STOP).expect(1);
    targets.scene.call(&STOP).expect(1);
    for name in other.runs() {
        fs::copy(
            other.state().join("runs").join(&name),
            targets.scene.state().join("runs").join(&name),
        )
        .unwrap();
    }
    let run = other.runs().into_iter().find(|name| name.ends_with(".db")).unwrap();
    let run = run.trim_end_matches(".db");
    for verb in ["retry", "wait", "settle"] {
        check_refused(&targets, &[verb, run]);
    }
}

#[test]
fn credentials_that_are_given_for_the_command_go_to_the_runs_own_endpoint() {
    let service = refusing();
    let mut scene = Scene::new();
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    scene.set("BATCHCTL_TOKEN", "token-given");
    scene.call(&[&STOP[..], &["--endpoint", &service.url()]].concat()).expect(1);
    scene.call(&["retry"]).expect(1);
    assert_eq!(service.count(), 2);
    scene.configure("endpoint = 'https://other.example.com'");
    scene.call(&["retry"]).expect(77);
    assert_eq!(service.count(), 2);
}

#[test]
fn a_run_says_which_profile_and_credentials_it_used() {
    let targets = targets();
    targets.scene.call(&[&STOP[..], &["--profile", "staging"]].concat()).expect(1);
    let shown = targets.scene.call(&["runs", "show"]).expect(0);
    shown.prints("profile   staging\n").prints("secret    from a token file\n");
    let listed = targets.scene.call(&["runs", "list", "--json"]).expect(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed[0]["profile"], "staging");
}
