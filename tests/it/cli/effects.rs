//! A flag that was typed has an effect, or is refused with what it needs.

use crate::support::program::Scene;
use crate::support::server::Server;

/// A call with a flag that has no effect, the flag, and what is said.
type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str);

const STOP: &[&str] = &["stop", "tasks.txt", "--rate", "none"];
const ONE: &[&str] = &["stop", "--id", "gate-1", "--rate", "none"];
const REHEARSE: &[&str] = &["stop", "tasks.txt", "--rate", "none", "--sandbox"];
const CHECK: &[&str] = &["auth", "check"];

const RECOVERY: &[&str] = &["--notify", "recovery", "--notify-url-file", "webhook.txt"];

/// Every flag whose effect depends on something else.
const CASES: &[Case<'_>] = &[
    (STOP, &["--wait-timeout", "5m"], "add `--wait`"),
    (STOP, &["--on-unknown", "skip"], "add `--skip-unchanged`"),
    (STOP, &["--lock-wait", "1s"], "`--job NAME`"),
    (STOP, &["--if-busy", "skip"], "`--job NAME`"),
    (STOP, &["--max-delta", "10%"], "`--job NAME`"),
    (STOP, &["--seed", "1"], "add `--sample 1%`"),
    (STOP, &["--log-format", "json"], "add `-v`"),
    (STOP, &["--cron", "-v"], "leave out `-v`"),
    (STOP, &["--cron", "--progress", "lines"], "leave out `--progress` or `--cron`"),
    (&["resume"], &["--cron", "-vv"], "leave out `-v`"),
    (&["retry"], &["--cron", "--progress", "bar"], "leave out `--progress` or `--cron`"),
    (STOP, &["--log-file-size", "1MB"], "add `--log-file FILE`"),
    (STOP, &["--notify", "failure"], "put the address into BATCHCTL_NOTIFY_URL"),
    (STOP, &["--notify-url", "https://h.invalid/x"], "put the address into BATCHCTL_NOTIFY_URL"),
    (STOP, &["--notify-url-file", "file"], "add `--notify failure`"),
    (STOP, &["--notify-shape", "slack"], "add `--notify failure`"),
    (STOP, RECOVERY, "`--job NAME`"),
    (&["resume"], RECOVERY, "`--job NAME`"),
    (STOP, &["--rate-min", "2/s"], "use `--rate auto`"),
    (STOP, &["--rate-max", "2/s"], "use `--rate auto`"),
    (STOP, &["--ramp", "5s"], "give a rate such as `--rate 10/s`"),
    (STOP, &["--rate-group", "all"], "give a rate such as `--rate 10/s`"),
    (STOP, &["--only", "failed"], "name one: `-o tasks.csv --only failed`"),
    (STOP, &["--csv-dialect", "excel"], "add `-o results.csv`"),
    (STOP, &["--iam-domain", "acme"], "add `--iam-user NAME`"),
    (STOP, &["--iam-password-file", "file"], "add `--iam-user NAME`"),
    (STOP, &["--iam-user-id", "id"], "add `--iam-user NAME`"),
    (STOP, &["--iam-endpoint", "https://iam.invalid"], "add `--iam-user NAME`"),
    (STOP, &["--iam-project", "cn-north-4"], "leave out `--iam-project` or `--project-id`"),
    (STOP, &["--token-file", "a", "--token-command", "b"], "contradict each other"),
    (STOP, &["--token-file", "a", "--iam-user", "b"], "contradict each other"),
    (STOP, &["--delimiter", ";", "--format", "list"], "`--delimiter` alone"),
    (STOP, &["--id-column", "camera"], "name the format with `--format csv`"),
    (ONE, &["--id-column", "id"], "name a file"),
    (ONE, &["--format", "list"], "name a file"),
    (ONE, &["--delimiter", ";"], "name a file"),
    (ONE, &["--no-header"], "name a file"),
    (REHEARSE, &["--endpoint", "https://vias.invalid"], "leave out `--endpoint` or the sandbox"),
    (REHEARSE, &["--region", "cn-north-4"], "leave out `--region` or the sandbox"),
    (REHEARSE, &["--insecure-http"], "leave out `--insecure-http` or the sandbox"),
    (REHEARSE, &["--token-file", "file"], "leave out `--token-file` or the sandbox"),
    (REHEARSE, &["--token-command", "true"], "leave out `--token-command` or the sandbox"),
    (REHEARSE, &["--iam-user", "night"], "leave out `--iam-user` or the sandbox"),
    (REHEARSE, &["--proxy", "http://proxy.invalid"], "leave out `--proxy` or the sandbox"),
    (REHEARSE, &["--ca-file", "file"], "leave out `--ca-file` or the sandbox"),
    (CHECK, &["--iam-domain", "acme"], "add `--iam-user NAME`"),
    (&["auth", "check", "--sandbox"], &["--region", "cn-north-4"], "or the sandbox"),
    (&["list", "--sandbox"], &["--token-file", "file"], "or the sandbox"),
    (&["wait"], &["--log-format", "json"], "add `-v`"),
    (&["resume"], &["--wait-timeout", "5m"], "add `--wait`"),
    (&["retry"], &["--if-busy", "skip"], "`--job NAME`"),
    (&["retry"], &["--on-unknown", "skip"], "add `--skip-unchanged`"),
    (&["report"], &["--csv-dialect", "excel"], "add `-o results.csv`"),
    (&["report", "diff", "latest", "latest"], &["--csv-dialect", "excel"], "add `-o results.csv`"),
];

/// A scene with a list of tasks and an interrupted run, so that there is one to take up.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.txt", "gate-1\n");
    // Nobody is there, and the exit status stays that of the run.
    scene.write("webhook.txt", "http://127.0.0.1:9/x");
    // The second call would leave an hour after the first.
    let flags = "--id gate-0 --id gate-00 --max-duration 1ms --rate 1/h --cron";
    let script = &format!("\"$0\" stop {flags}; exit 0");
    scene.start_in_shell(script).ended().expect(0);
    scene
}

#[test]
fn a_typed_flag_without_an_effect_is_refused_with_what_it_needs() {
    let server = Server::obliging();
    let scene = scene(&server);
    let runs = || scene.call(&["runs", "list", "--json"]).expect(0).stdout;
    let before = (server.count(), runs());
    for (call, flag, needs) in CASES {
        let ended = scene.call(&[*call, *flag].concat());
        assert_eq!(ended.code, Some(2), "{call:?} {flag:?}: {}", ended.stderr);
        let ended = ended.says(needs);
        assert_eq!(ended.stdout, "");
    }
    assert_eq!((server.count(), runs()), before);
}

#[test]
fn a_value_from_a_variable_or_the_config_file_is_for_other_commands_as_well() {
    let server = Server::obliging();
    let values = [
        ("wait-timeout", "5m"),
        ("on-unknown", "skip"),
        ("lock-wait", "1s"),
        ("if-busy", "skip"),
        ("max-delta", "10%"),
        ("log-format", "json"),
        ("log-file-size", "1MB"),
        ("notify-url", "https://h.invalid/x"),
        ("notify-shape", "slack"),
        ("rate-min", "2/s"),
        ("only", "failed"),
        ("csv-dialect", "excel"),
        ("id-column", "camera"),
        ("iam-domain", "acme"),
        ("iam-project", "cn-north-4"),
    ];
    for (flag, value) in values {
        let mut scene = Scene::with(&server);
        scene.write("tasks.txt", "gate-1\n");
        scene.configure(&format!("{} = '{value}'\n", flag.replace('-', "_")));
        scene.call(STOP).expect(0);
        let variable = format!("BATCHCTL_{}", flag.to_uppercase().replace('-', "_"));
        scene.configure("");
        scene.set(&variable, value);
        scene.call(STOP).expect(0);
    }
}

#[test]
fn a_preview_says_of_each_typed_flag_that_it_leaves_out() {
    let server = Server::obliging();
    let scene = scene(&server);
    let flags: [&[&str]; 8] = [
        &["--cron"],
        &["--dump", "dump.ndjson"],
        &["--job", "night", "--lock-wait", "1s"],
        &["--log-file", "log.txt"],
        &["--on-end", "true"],
        &["--ping", "http://127.0.0.1:9/x"],
        &["--progress", "lines"],
        &["--splay", "1s"],
    ];
    for flag in flags {
        let name = flag.iter().rfind(|word| word.starts_with("--")).unwrap();
        let ended = scene.call(&[STOP, &["-n"], flag].concat()).expect(0);
        ended.says(&format!("so `{name}` has no effect"));
    }
    assert!(!scene.path("log.txt").exists() && !scene.path("dump.ndjson").exists());
}
