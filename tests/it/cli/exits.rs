//! Every exit status there is, and what is told with it.

use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// The arguments of a run of ten tasks, one at a time.
const TEN: [&str; 7] = ["stop", "tasks.txt", "--rate", "none", "-j", "1", "--json"];

fn scene_of_ten(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..10).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

/// Runs ten tasks and checks how it ended, and with how many outcomes of each kind.
#[track_caller]
fn check(
    reply: fn(&Request) -> Reply,
    flags: &[&str],
    (code, name): (i32, &str),
    tasks: &[(&str, u64)],
) {
    let server = Server::start(reply);
    let scene = scene_of_ten(&server);
    let ended = scene.call(&[&TEN, flags].concat()).expect(code);
    let report = report(&ended.stdout);
    assert_eq!(report["exit"]["code"], code);
    assert_eq!(report["exit"]["name"], name);
    for (outcome, count) in tasks {
        assert_eq!(report["tasks"][outcome], *count, "{outcome}: {report}");
    }
    let sum: u64 = tasks.iter().map(|(_, count)| count).sum();
    assert_eq!(sum, 10);
}

fn well(request: &Request) -> Reply {
    Reply::trusted(&request.id, 0, 2)
}

fn refuse(_: &Request) -> Reply {
    Reply::service(400, "VIAS.00010001", "no")
}

#[test]
fn all_that_succeeds_is_0() {
    check(well, &[], (0, "ok"), &[("succeeded", 10)]);
}

#[test]
fn a_run_that_went_through_with_failures_is_1() {
    let one_of_each = |request: &Request| match &*request.id {
        "gate-1" => refuse(request),
        "gate-2" => Reply::trusted(&request.id, 1, 1),
        "gate-3" => Reply::reset(),
        _ => well(request),
    };
    let tasks = [("succeeded", 7), ("failed", 1), ("partial", 1), ("ambiguous", 1)];
    let flags = ["--max-attempts", "1"];
    check(one_of_each, &flags, (1, "incomplete success"), &tasks);
}

#[test]
fn too_many_failures_are_3() {
    let tasks = [("failed", 3), ("not_attempted", 7)];
    check(refuse, &["--max-failures", "2"], (3, "stopped early"), &tasks);
    let tasks = [("failed", 1), ("not_attempted", 9)];
    check(refuse, &["--max-failures", "0"], (3, "stopped early"), &tasks);
}

#[test]
fn failures_that_all_tasks_may_have_do_not_stop_a_run() {
    // A share is never less than ten tasks.
    check(refuse, &["--max-failures", "1%"], (1, "incomplete success"), &[("failed", 10)]);
}

#[test]
fn a_run_that_is_out_of_time_is_3() {
    let slow = |request: &Request| well(request).after(Duration::from_millis(400));
    let tasks = [("succeeded", 1), ("not_attempted", 9)];
    check(slow, &["--max-duration", "200ms"], (3, "stopped early"), &tasks);
}

#[test]
fn credentials_that_are_refused_are_77_and_stop_the_run() {
    let tasks = [("failed", 1), ("not_attempted", 9)];
    let expired = |_: &Request| {
        let message = "Incorrect IAM authentication information: token expires";
        Reply::gateway(401, "APIGW.0301", message)
    };
    check(expired, &[], (77, "not authorised"), &tasks);
    let as_500 = |_: &Request| Reply::service(500, "VIAS.00010023", "Token authentication failed");
    check(as_500, &[], (77, "not authorised"), &tasks);
}

#[test]
fn tasks_that_were_not_attempted_are_in_the_results() {
    let server = Server::start(refuse);
    let scene = scene_of_ten(&server);
    scene.call(&[&TEN[..], &["--max-failures", "0", "-o", "results.csv"]].concat()).expect(3);
    let rows = results(&scene.read("results.csv"));
    assert_eq!(column(&rows, "outcome")[..2], ["failed", "not_attempted"]);
    assert_eq!(column(&rows, "error_kind")[..2], ["refused", "not_sent"]);
    assert_eq!((rows.len(), server.count()), (10, 1));
}

/// Checks a call that is refused before anything is sent or stored.
#[track_caller]
fn check_refused(scene: &Scene, arguments: &[&str], code: i32, expected: &str) {
    let ended = scene.call(arguments).expect(code).says(expected);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    assert_eq!(scene.runs(), [""; 0]);
}

#[test]
fn a_wrong_command_line_is_2() {
    let server = Server::obliging();
    let scene = scene_of_ten(&server);
    check_refused(&scene, &["stop"], 2, "hint: name a file of ids, `-` for standard input");
    check_refused(&scene, &["strat", "tasks.txt"], 2, "'start'");
    check_refused(&scene, &["stop", "tasks.txt", "--rat", "5"], 2, "'--rate'");
    check_refused(&scene, &["stop", "tasks.txt", "--rate", "0"], 2, "`10/s`");
    check_refused(&scene, &["stop", "tasks.txt", "-j", "0"], 2, "it has to be 1 or more");
    check_refused(&scene, &["stop", "tasks.txt", "--limit", "all"], 2, "a whole number");
    check_refused(
        &scene,
        &["stop", "tasks.txt", "--only", "ok"],
        2,
        "possible values: succeeded, partial,",
    );
    check_refused(&scene, &["stop", "tasks.txt", "--timeout", "60"], 2, "`60s`");
    check_refused(&scene, &["stop", "tasks.txt", "-j", "0"], 2, "--concurrency");
    check_refused(&scene, &["stop", "tasks.txt", "-o", "results.xls"], 2, "FILE.csv");
    check_refused(&scene, &["stop", "tasks.txt", "-o", "csv:tasks.txt"], 2, "is an input");
    check_refused(&scene, &["stop", "-", "-"], 2, "standard input can be read only once");
    check_refused(&scene, &["stop", "tasks.txt", "--json", "-o", "csv:-"], 2, "one document");
    check_refused(&scene, &["report", "20240705"], 2, "hint: `batchctl runs list`");
    assert_eq!(server.count(), 0);
}

#[test]
fn an_endpoint_with_the_version_of_the_api_is_2() {
    let server = Server::obliging();
    let mut scene = scene_of_ten(&server);
    for end in ["/v2", "/v2/", "/gate/v2"] {
        let endpoint = format!("{}{end}", server.url());
        let call = ["stop", "tasks.txt", "--endpoint", &endpoint];
        check_refused(&scene, &call, 2, "hint: leave `/v2` out of the endpoint");
    }
    scene.set("BATCHCTL_ENDPOINT", &format!("{}/v2", server.url()));
    check_refused(&scene, &["list"], 2, "the endpoint ends in `/v2`");
    assert_eq!(server.count(), 0);
    scene.set("BATCHCTL_ENDPOINT", &format!("{}/v2/gate", server.url()));
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn an_endpoint_that_would_give_the_token_away_is_2() {
    let server = Server::obliging();
    let mut scene = scene_of_ten(&server);
    let at = |url: &'static str| ["stop", "tasks.txt", "--endpoint", url];
    check_refused(&scene, &at("http://vias.example.com"), 2, "unencrypted");
    check_refused(&scene, &at("http://0.0.0.0:80"), 2, "unencrypted");
    check_refused(&scene, &at("ftp://vias.example.com"), 2, "neither https nor http");
    check_refused(&scene, &at("vias.example.com"), 2, "is no URL");
    check_refused(&scene, &at("https://me:pass@vias.example.com"), 2, "user name or password");
    scene.unset("BATCHCTL_ENDPOINT");
    check_refused(&scene, &["stop", "tasks.txt"], 2, "hint: name it with `--region NAME`");
    scene.unset("BATCHCTL_PROJECT_ID");
    let call = ["stop", "tasks.txt", "--region", "cn-north-4"];
    check_refused(&scene, &call, 2, "hint: name it with `--project-id ID`");
}

#[test]
fn an_address_in_two_lines_is_2_because_it_would_name_another_host() {
    let server = Server::obliging();
    let mut scene = scene_of_ten(&server);
    let (head, port) =
        server.url().rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let split = format!("{head}:{}\n{}", &port[..1], &port[1..]);
    for flag in ["--endpoint", "--iam-endpoint", "--ping", "--proxy"] {
        for address in [&split, "https://h.example\t.evil.example/", "https://h.example/a b"] {
            let named = format!("the value of '{flag}' cannot be used");
            check_refused(&scene, &["stop", "tasks.txt", flag, address], 2, &named);
        }
    }
    scene.set("BATCHCTL_ENDPOINT", &split);
    let said = "and no address has a blank or a control";
    check_refused(&scene, &["stop", "tasks.txt"], 2, said);
    scene.set("BATCHCTL_ENDPOINT", &format!(" {}\n", server.url()));
    scene.call(&["stop", "tasks.txt", "--rate", "none"]).expect(0);
    assert_eq!(server.count(), 10);
}

#[test]
fn a_place_that_cannot_be_written_is_74_before_anything_is_sent() {
    let server = Server::obliging();
    let scene = scene_of_ten(&server);
    let call = ["stop", "tasks.txt", "--state-dir", "tasks.txt"];
    check_refused(&scene, &call, 74, "hint: name another place with `--state-dir DIR`");
    let call = ["stop", "tasks.txt", "-o", "nowhere/results.csv"];
    check_refused(&scene, &call, 74, "cannot write `nowhere/results.csv`");
    check_refused(&scene, &call, 74, "hint: make its directory: `mkdir -p nowhere`");
    scene.write("folder.csv/file", "");
    check_refused(&scene, &["stop", "tasks.txt", "-o", "folder.csv"], 74, "is a directory");
    check_refused(&scene, &["runs", "list", "--state-dir", "tasks.txt"], 74, "tasks.txt");
    assert_eq!(server.count(), 0);
}

#[test]
fn missing_credentials_are_77() {
    let server = Server::obliging();
    let mut scene = scene_of_ten(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.write("two-lines", "one\ntwo\n");
    let private = Permissions::from_mode(0o600);
    std::fs::set_permissions(scene.path("two-lines"), private).unwrap();
    let call = ["stop", "tasks.txt"];
    check_refused(&scene, &call, 77, "hint: name a file with `--token-file FILE`");
    let with = |flag, value| ["stop", "tasks.txt", flag, value];
    check_refused(&scene, &with("--token-file", "nowhere"), 77, "cannot read the token");
    check_refused(&scene, &with("--token-file", "two-lines"), 77, "no usable token");
    check_refused(&scene, &with("--token-command", "exit 3"), 77, "exit status: 3");
    check_refused(&scene, &with("--token-command", "true"), 77, "it is empty");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_retry_of_what_no_task_has_names_what_the_run_has() {
    let server = Server::start(|request| match request.id.as_str() {
        "gate-1" => Reply::service(400, "VIAS.00010005", "no stream"),
        "gate-2" => Reply::counted("gate-2", 1, 1, 0),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1", "--id", "gate-2", "--id", "gate-3"]).expect(1);
    let code =
        "the error code `VIAS.00010006`; did you mean `VIAS.00010005`? the run has VIAS.00010005";
    for (flags, said) in [
        (&["--error-code", "VIAS.00010006"][..], code),
        (&["--status", "404,503"], "the status `404`; the run has 200, 400"),
        (&["--kind", "timeout"], "the kind `timeout`; the run has refused, service"),
        (&["--outcome", "ambiguous"], "the outcome `ambiguous`; the run has succeeded, failed"),
        (&["--outcome", "succeeded", "--error-code", "X"], "the error code `X`, nor another"),
    ] {
        let said = format!("hint: no task has {said}\n");
        let call = [&["retry", "latest"][..], flags].concat();
        scene.call(&call).expect(0).says("there is nothing to retry").says(&said);
        scene.call(&[&call[..], &["-n"]].concat()).expect(0).says(&said);
    }
    let apart = ["retry", "latest", "--status", "200", "--kind", "refused"];
    scene.call(&apart).expect(0).says("hint: each of these flags narrows the choice");
    // One that exists is enough, and so is a run in which nothing failed.
    let some = scene.call(&["retry", "latest", "--kind", "timeout,refused", "-n"]).expect(0);
    assert_eq!(some.stderr, "");
    scene.call(&["stop", "--id", "gate-3"]).expect(0);
    let none = scene.call(&["retry"]).expect(0);
    assert!(!none.stderr.contains("hint"), "{}", none.stderr);
}

#[test]
fn a_retry_says_that_tasks_are_open_and_ends_with_3_if_there_is_nothing_else() {
    let refuse_first = |request: &Request| match request.id.ends_with("-0") {
        true => Reply::service(400, "VIAS.00010005", "no stream"),
        false => Reply::trusted(&request.id, 0, 1),
    };
    let server = Server::start(refuse_first);
    let scene = Scene::with(&server);
    let ids: Vec<String> = (1..=40).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", format!("gate-x\ngate-x-0\n{}", ids.join("\n")));
    let warning = |tasks: &str| format!("{tasks} of run ");
    let none = ["stop", "tasks.txt", "--endpoint", "http://127.0.0.1:1", "--outage-timeout", "1ms"];
    scene.call(&none).expect(3);
    for flags in [&["retry", "latest"][..], &["retry", "latest", "-o", "results.csv"]] {
        let ended = scene.call(flags).expect(3).says("there is nothing to retry in run ");
        ended
            .says(&warning("42 tasks"))
            .says("have no outcome: none is retried")
            .says("goes on with them");
    }
    scene.call(&["stop", "tasks.txt", "-j", "1", "--max-failures", "0"]).expect(3);
    scene.call(&["retry", "-n"]).expect(0).says(&warning("40 tasks"));
    scene.call(&["retry"]).expect(1).says(&warning("40 tasks")).says("goes on with them");
}
