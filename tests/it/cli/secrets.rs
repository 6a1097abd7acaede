//! The token: it is in the header of every call, and nowhere else.

use crate::support::documents::results;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;

/// Forms of the token that somebody could read it from.
fn forms() -> Vec<String> {
    let address = TOKEN.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let escaped = TOKEN.replace('/', "\\/");
    // A text that was cut within it, too.
    vec![TOKEN.into(), address, escaped, TOKEN[..12].into()]
}

#[track_caller]
fn check_absent(place: &str, content: &[u8]) {
    for form in forms() {
        let found = content.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!found, "the token is in {place}, as `{form}`");
    }
}

#[track_caller]
fn check_nowhere(scene: &Scene, ended: &Ended) {
    check_absent("standard output", ended.stdout.as_bytes());
    check_absent("standard error", ended.stderr.as_bytes());
    let files = scene.all_files();
    assert!(files.iter().any(|(path, _)| path.extension().is_some_and(|ending| ending == "db")));
    for (path, content) in files {
        check_absent(&path.display().to_string(), &content);
    }
}

/// Echoes the token of a request in every place where a service could.
fn echo(request: &Request) -> Reply {
    let token = &request.headers["x-auth-token"];
    let form = |number: usize| forms()[number].clone();
    match &*request.id {
        "in-message" => Reply::service(400, "VIAS.00010001", &format!("{token} is no token")),
        "in-code" => Reply::gateway(403, token, token),
        "in-address" => Reply::gateway(403, "APIGW.0302", &form(1)),
        "in-escapes" => {
            Reply::answer(400, format!(r#"{{"error_code":"x","error_msg":"{}"}}"#, form(2)))
        }
        "in-unicode" => {
            let escaped: String =
                token.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
            Reply::answer(400, format!(r#"{{"error_code":"x","error_msg":"{escaped}"}}"#))
        }
        "in-html" => Reply::answer(200, format!("<html>{token}</html>")),
        "at-a-cut" => Reply::answer(200, format!("<html>{}{token}</html>", "x".repeat(65))),
        "at-an-end" => Reply::service(400, "x", &format!("{}{token}", "x".repeat(490))),
        "in-list" => Reply::answer(
            200,
            format!(
                r#"{{"total_count":1,"failed_count":1,"succeed_count":0,"error_list":["{token}"]}}"#
            ),
        ),
        "as-id" => Reply::counted(token, 1, 0, 1),
        "as-request-id" => {
            let long = format!("{}{token}", "x".repeat(490));
            Reply::trusted(&request.id, 0, 1).with_header("x-request-id", &long)
        }
        "as-encoding" => Reply::trusted(&request.id, 0, 1).with_header("content-encoding", token),
        "as-location" => Reply::answer(302, "")
            .with_header("location", &format!("https://example.com/{}?{token}", form(1))),
        other => panic!("no echo for {other}"),
    }
}

#[test]
fn a_token_that_the_service_echoes_is_nowhere_to_be_read() {
    let server = Server::start(echo);
    let scene = Scene::with(&server);
    let ids = [
        "in-message",
        "in-code",
        "in-address",
        "in-escapes",
        "in-unicode",
        "in-html",
        "at-a-cut",
        "at-an-end",
        "in-list",
        "as-id",
        "as-request-id",
        "as-encoding",
        "as-location",
    ];
    scene.write("tasks.txt", ids.join("\n"));
    let flags = ["--rate", "none", "--max-attempts", "1", "-vv", "--max-failures", "100%"];
    let documents = ["-o", "results.csv", "-o", "report.json"];
    let call = [&["stop", "tasks.txt"], &flags[..], &documents].concat();
    let ended = scene.call(&call).expect(1);
    assert_eq!(server.count(), ids.len());
    assert!(server.requests().iter().all(|request| request.headers["x-auth-token"] == TOKEN));
    check_nowhere(&scene, &ended);
    assert!(scene.read("results.csv").contains("[token] is no token"));
    let json = [&call[..], &["--log-format", "json"]].concat();
    check_nowhere(&scene, &scene.call(&json).expect(1));
    check_nowhere(&scene, &scene.call(&["report", "--json"]).expect(0));
    check_nowhere(&scene, &scene.call(&["runs", "list", "--json"]).expect(0));
}

#[test]
fn a_token_of_a_command_or_a_file_is_nowhere_to_be_read() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let file = file.to_str().unwrap();
    let ended = scene.call(&["stop", "--id", "gate-1", "--token-file", file]).expect(0);
    check_nowhere(&scene, &ended);
    let command = format!("cat {file}");
    let ended = scene.call(&["stop", "--id", "gate-1", "--token-command", &command]).expect(0);
    check_nowhere(&scene, &ended);
    let sent: Vec<_> =
        server.requests().iter().map(|request| request.headers["x-auth-token"].clone()).collect();
    assert_eq!(sent, [TOKEN, TOKEN]);
}

#[test]
fn a_redirect_carries_the_token_to_no_other_host() {
    let elsewhere = Server::obliging();
    let target = format!("{}/v2/project-1/batch-tasks/gate/action/stop", elsewhere.url());
    let server = Server::start(move |request| {
        let status = request.id["gate-".len()..].parse().unwrap();
        Reply::answer(status, "").with_header("location", &target)
    });
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-301\ngate-302\ngate-303\ngate-307\ngate-308\n");
    let call = ["stop", "tasks.txt", "--rate", "none", "-o", "results.csv"];
    scene.call(&call).expect(1).prints("redirects are refused");
    for row in results(&scene.read("results.csv")) {
        assert_eq!((&*row["outcome"], &*row["attempts"]), ("failed", "1"), "{row:?}");
        assert!(row["error_msg"].contains(&elsewhere.url()), "{row:?}");
    }
    assert_eq!((server.count(), elsewhere.count()), (5, 0));
}

#[test]
fn a_call_goes_past_every_proxy() {
    let (server, proxy) = (Server::obliging(), Server::obliging());
    let mut scene = Scene::with(&server);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        scene.set(name, &proxy.url());
    }
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    assert_eq!((server.count(), proxy.count()), (1, 0));
}

#[test]
fn a_call_is_exactly_what_the_service_expects() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/v2/project-1/batch-tasks/gate-1/action/stop");
    let version = format!("batchctl/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.headers["user-agent"], version);
    assert_eq!(request.headers["host"], server.url().trim_start_matches("http://"));
    assert!(!request.headers.contains_key("accept-encoding"));
    assert!(!request.headers.contains_key("cookie"));
}
