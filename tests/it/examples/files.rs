//! The examples for schedulers: their files are valid, and the program takes the commands in them.

#[cfg(feature = "postgres")]
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
#[cfg(feature = "postgres")]
use crate::support::service::{Rehearsal, wait_until};
#[cfg(feature = "postgres")]
use batchctl::sandbox::SandboxSettings;
#[cfg(feature = "postgres")]
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;

fn text_of(example: &str) -> String {
    let path = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Reads an example in YAML.
fn yaml(example: &str) -> Value {
    serde_saphyr::from_str(&text_of(example)).unwrap_or_else(|error| panic!("{example}: {error}"))
}

/// Makes sure that the program takes these words, without carrying them out.
#[track_caller]
fn check_words(example: &str, words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let ended = Scene::new().call(&words);
    assert_eq!(ended.code, Some(0), "{example}: {words:?}: {}", ended.stderr);
    assert!(ended.stdout.contains("Usage: batchctl"), "{example}: {words:?}");
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list of words: {list}"));
    list.iter().map(|word| word.as_str().expect("words are texts").to_owned()).collect()
}

/// Returns the calls of the program in a script, each as a shell reads it.
fn calls_in(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let calls = lines.filter_map(|line| line.split_once("batchctl ").map(|(_, call)| call));
    let calls: Vec<_> = calls
        .map(|call| shell_words::split(call).unwrap_or_else(|error| panic!("{call}: {error}")))
        .collect();
    assert!(!calls.is_empty(), "no call in {script}");
    calls
}

/// Finds the containers of a manifest, however deep.
fn containers(of: &Value) -> Vec<&Value> {
    match of {
        Value::Object(fields) => {
            let own = fields.get("containers").and_then(Value::as_array);
            own.into_iter().flatten().chain(fields.values().flat_map(containers)).collect()
        }
        Value::Array(items) => items.iter().flat_map(containers).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn manifests_of_kubernetes_are_valid_and_their_commands_are_taken() {
    for (example, kind) in [
        ("worker-deployment.yaml", "Deployment"),
        ("cronjob.yaml", "CronJob"),
        ("indexed-job.yaml", "Job"),
    ] {
        let manifest = yaml(example);
        assert_eq!(manifest["kind"], kind);
        let containers = containers(&manifest["spec"]);
        assert_eq!(containers.len(), 1, "{example}");
        let args = words(&containers[0]["args"]);
        if containers[0]["command"][0] == "/bin/sh" {
            calls_in(&args[0]).iter().for_each(|call| check_words(example, call));
        } else {
            check_words(example, &args);
        }
        // What is mounted is a volume of the pod.
        let text = manifest.to_string();
        for mount in containers[0]["volumeMounts"].as_array().unwrap() {
            let name = mount["name"].as_str().unwrap();
            assert!(
                text.matches(&format!("\"name\":\"{name}\"")).count() >= 2,
                "{example}: {name}"
            );
        }
    }
}

#[test]
fn pods_have_longer_than_calls_on_the_wire() {
    // The default of --drain-timeout.
    const DRAIN: u64 = 30;
    for example in ["worker-deployment.yaml", "cronjob.yaml", "indexed-job.yaml"] {
        let text = text_of(example);
        let (_, rest) = text.split_once("terminationGracePeriodSeconds: ").unwrap();
        let grace: u64 = rest.lines().next().unwrap().trim().parse().unwrap();
        assert!(grace > DRAIN, "{example}: {grace}");
    }
}

#[test]
fn units_of_systemd_are_valid_and_their_commands_are_taken() {
    for example in ["batchctl-worker@.service", "batchctl.service", "batchctl.timer"] {
        let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let text = text_of(example).replace("\\\n", " ");
        let mut section = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                section = Some(name.to_owned());
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{example}: {line}"));
            let section = section.clone().unwrap_or_else(|| panic!("{example}: {line}"));
            assert!(key.chars().all(|letter| letter.is_ascii_alphanumeric()), "{example}: {line}");
            sections.entry(section).or_default().push((key.to_owned(), value.to_owned()));
        }
        assert!(sections.contains_key("Unit"), "{example}");
        for (key, value) in sections.get("Service").into_iter().flatten() {
            if key == "ExecStart" {
                let call = shell_words::split(value).unwrap();
                assert_eq!(call[0], "/usr/bin/batchctl");
                check_words(example, &call[1..]);
            }
        }
    }
}

#[test]
fn calls_of_shell_scripts_are_taken() {
    for example in ["slurm-array.sh", "nightly.sh", "crontab"] {
        calls_in(&text_of(example)).iter().for_each(|call| check_words(example, call));
    }
}

/// Returns the words of a service in the compose file, with what belongs to this test in the place of
/// its files and addresses.
#[cfg(feature = "postgres")]
fn service<'a>(compose: &'a Value, name: &str, scene: &mut Scene) -> Vec<String> {
    let service: &'a Value = &compose["services"][name];
    for (variable, value) in service["environment"].as_object().unwrap() {
        let is_place =
            matches!(&**variable, "BATCHCTL_STORE" | "BATCHCTL_ENDPOINT" | "BATCHCTL_STATE_DIR");
        if !is_place {
            scene.set(variable, value.as_str().unwrap());
        }
    }
    let tasks = scene.path("tasks.txt").display().to_string();
    words(&service["command"])
        .into_iter()
        .map(|word| if word == "/tasks.csv" { tasks.clone() } else { word })
        .collect()
}

#[cfg(feature = "postgres")]
#[test]
fn the_compose_file_carries_a_run_out() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    let sandbox = words(&services["service"]["command"]);
    check_words("compose.yaml", &sandbox);
    for name in services.keys() {
        for needed in compose["services"][name]["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed.0), "{name} needs {}", needed.0);
        }
    }
    let Some(database) = Postgres::start() else { return };
    let rehearsal = Rehearsal::with(SandboxSettings::default());
    let mut scene = Scene::new();
    scene.set("BATCHCTL_STORE", &database.address("runs"));
    scene.set("BATCHCTL_ENDPOINT", rehearsal.service.url());
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
    let planner = service(&compose, "planner", &mut scene);
    let planner: Vec<&str> = planner.iter().map(String::as_str).collect();
    scene.call(&planner).expect(0);
    let worker = service(&compose, "worker", &mut scene);
    let worker: Vec<&str> = worker.iter().map(String::as_str).collect();
    let workers = [(); 3].map(|()| scene.start(&worker));
    let settled = "SELECT sum(settled) FROM batchctl.chunk";
    wait_until("outcomes", || database.number(settled) == 3);
    // `docker compose down` ends them so, while they wait for the next run.
    for worker in workers {
        worker.signal(Signal::TERM);
        let code = worker.ended().code;
        assert!(matches!(code, Some(0 | 143) | None), "{code:?}");
    }
    assert_eq!(rehearsal.service.requests_by_id().values().sum::<usize>(), 3);
}

#[cfg(feature = "postgres")]
#[test]
fn the_unit_of_a_worker_works_on_a_run_with_the_variables_of_its_file() {
    let Some(database) = Postgres::start() else { return };
    let rehearsal = Rehearsal::with(SandboxSettings::default());
    let mut scene = Scene::new();
    scene.unset("BATCHCTL_TOKEN");
    scene.set("BATCHCTL_STORE", &database.address("runs"));
    scene.set("BATCHCTL_ENDPOINT", rehearsal.service.url());
    scene.set("BATCHCTL_PROJECT_ID", "0123456789abcdef0123456789abcdef");
    scene.write("tasks.txt", "gate-1\ngate-2\n");
    scene.write("token", "a-token\n");
    scene.call(&["start", "tasks.txt", "--timeout", "5s", "--detach"]).expect(0);
    let unit = text_of("batchctl-worker@.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
    let credentials = scene.path("token").parent().unwrap().display().to_string();
    let start = start.replace("${CREDENTIALS_DIRECTORY}", &credentials);
    let call = shell_words::split(&start).unwrap();
    let call: Vec<&str> = call[1..].iter().map(String::as_str).collect();
    let worker = scene.start(&call);
    let settled = "SELECT sum(settled) FROM batchctl.chunk";
    wait_until("outcomes", || database.number(settled) == 2);
    worker.signal(Signal::TERM);
    worker.ended();
    assert_eq!(rehearsal.service.requests_by_id().len(), 2);
}
