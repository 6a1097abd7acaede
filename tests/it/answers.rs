//! Answers that are odd, hostile or not for this run, through the real binary over real HTTP.

use crate::support::documents::{column, results};
use crate::support::program::{Ended, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use batchctl::clock::Clock;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// Starts a service, stops these tasks there, and returns what was written with what came.
fn stop(
    ids: &[&str],
    arguments: &[&str],
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Ended, Scene, Server) {
    let server = Server::start(script);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", ids.join("\n"));
    let ended = scene.call(&[&["stop", "tasks.txt", "-o", "results.csv"], arguments].concat());
    (ended, scene, server)
}

fn outcomes(scene: &Scene) -> Vec<String> {
    let rows = results(&scene.read("results.csv"));
    column(&rows, "outcome").into_iter().map(Into::into).collect()
}

#[test]
fn an_answer_that_came_before_its_request_decides_nothing() {
    for unasked in [
        Reply::counted("gate-1", 1, 1, 0),
        Reply::service(400, "VIAS.00010001", "no"),
        Reply::gateway(401, "APIGW.0301", "no"),
        Reply::gateway(429, "APIGW.0308", "no").with_header("retry-after", "60"),
    ] {
        let ids = ["gate-1", "gate-2", "gate-3"];
        let (ended, scene, server) = stop(&ids, &["-j", "1", "--rate", "5/s"], move |request| {
            let answer = Reply::trusted(&request.id, 0, 1);
            match &*request.id {
                "gate-1" => answer.and_then_unasked(&unasked),
                _ => answer,
            }
        });
        ended.expect(0);
        assert_eq!(outcomes(&scene), ["succeeded"; 3]);
        assert_eq!(server.ids(), ids);
        assert_eq!(server.count(), 3, "each task goes out once: {:?}", server.requests());
    }
}

#[test]
fn a_server_that_floods_delays_nobody_and_nothing() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (first, then) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n", "x: 1\r\n"),
        (chunked, "1\r\nx\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "xxxxxxxx"),
    ] {
        let ids = ["gate-flood", "gate-1", "gate-2", "gate-3"];
        let limits = ["--max-attempts", "1", "--timeout", "2s"];
        let (ended, scene, server) = stop(&ids, &limits, move |request| match &*request.id {
            "gate-flood" => Reply::flood(first, then),
            _ => Reply::trusted(&request.id, 0, 1),
        });
        ended.expect(1);
        assert_eq!(outcomes(&scene), ["ambiguous", "succeeded", "succeeded", "succeeded"]);
        assert_eq!(server.count(), 4);
    }
}

#[test]
fn a_signal_and_the_time_of_a_run_are_obeyed_while_a_server_floods() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let server = Server::start(move |_| Reply::flood(chunked, "1\r\nx\r\n"));
    let scene = Scene::with(&server);
    let clock = Clock::start();
    let began = clock.now();
    let limits = ["--max-duration", "1s", "--drain-timeout", "1s", "--timeout", "600s"];
    scene.call(&[&["stop", "--id", "gate-1"], &limits[..]].concat()).expect(3);
    // Far more than it takes, and far less than the time-out.
    assert!(clock.now().since(began) < Duration::from_secs(60));
}

#[test]
fn any_401_renews_the_credentials_once_and_charges_no_task() {
    for body in ["<html>401</html>", "", r#"{"error":{"code":401,"message":"m","title":"t"}}"#] {
        let server = Server::start(move |request| match &*request.headers["x-auth-token"] {
            "token-2" => Reply::trusted(&request.id, 0, 1),
            _ => Reply::answer(401, body),
        });
        let mut scene = Scene::with(&server);
        scene.unset("BATCHCTL_TOKEN");
        let command = "echo x >> count; echo token-$(wc -l < count | tr -d ' ')";
        scene.write("tasks.txt", "gate-1\ngate-2\ngate-3");
        let arguments = ["stop", "tasks.txt", "-o", "results.csv", "--token-command", command];
        scene.call(&arguments).expect(0);
        assert_eq!(outcomes(&scene), ["succeeded"; 3]);
        assert_eq!(scene.read("count"), "x\nx\n", "one renewal");
    }
}

#[test]
fn a_401_that_no_renewal_helps_against_ends_the_run() {
    let (ended, scene, server) =
        stop(&["gate-1", "gate-2"], &["-j", "1"], |_| Reply::answer(401, "<html>401</html>"));
    ended.expect(77);
    assert!(!outcomes(&scene).contains(&"succeeded".to_owned()));
    assert_eq!(server.count(), 1);
}

#[test]
fn a_retry_waits_as_long_as_its_answer_asks_whatever_the_status() {
    for status in [408, 425, 500, 503] {
        let (ended, _scene, server) =
            stop(&["gate-1"], &[], move |request| match request.attempt {
                1 => Reply::service(status, "VIAS.00010009", "later")
                    .with_header("retry-after", "1.2"),
                _ => Reply::trusted(&request.id, 0, 1),
            });
        ended.expect(0);
        let sent = server.requests();
        let waited = Duration::from_micros(sent[1].micros - sent[0].micros);
        assert!(waited >= Duration::from_secs(2), "{status}: {waited:?}");
    }
}

#[test]
fn a_page_out_of_proportion_is_no_page() {
    let entries = vec![r#"{"id":1}"#; 300_000].join(",");
    let page = format!(r#"{{"count":1,"batch_task_list":[{entries}]}}"#);
    let server = Server::start(move |_| Reply::answer(200, page.clone()));
    let scene = Scene::with(&server);
    let ended = scene.call(&["list", "--max-attempts", "1"]);
    assert!(ended.stderr.contains("more entries than the 200"), "{ended:?}");
}

#[test]
fn a_port_of_the_other_protocol_is_named_and_leaves_no_doubt() {
    let (ended, scene, _server) = stop(&["gate-1"], &["--max-attempts", "1"], |_| {
        Reply::raw(b"\x15\x03\x01\x00\x02\x02\x0a")
    });
    ended.expect(1);
    assert_eq!(outcomes(&scene), ["failed"]);
    assert!(scene.read("results.csv").contains("use https"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut scene = Scene::new();
    scene.set("BATCHCTL_ENDPOINT", &format!("https://{}", listener.local_addr().unwrap()));
    scene.set("BATCHCTL_PROJECT_ID", "project-1");
    scene.set("BATCHCTL_TOKEN", "token-1");
    let plain = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let arguments = ["--max-attempts", "1", "-o", "results.csv"];
    scene.call(&[&["stop", "--id", "gate-1"], &arguments[..]].concat()).expect(1);
    plain.join().unwrap();
    assert_eq!(outcomes(&scene), ["failed"]);
    assert!(scene.read("results.csv").contains("use http"), "{}", scene.read("results.csv"));
}

#[test]
fn a_proxy_that_refuses_ends_the_run_once_and_is_named() {
    for (status, words) in [(403, "with status 403"), (407, "in BATCHCTL_PROXY")] {
        let proxy = Server::start(move |_| Reply::answer(status, ""));
        let mut scene = Scene::with(&proxy);
        scene.set("BATCHCTL_ENDPOINT", "https://vias.example.com");
        scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\ngate-4");
        let proxy_address = proxy.url();
        let arguments =
            ["stop", "tasks.txt", "-j", "1", "-o", "results.csv", "--proxy", &*proxy_address];
        let ended = scene.call(&arguments).expect(77);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.contains(words) && all.contains(&*proxy_address), "{all}");
        assert_eq!(proxy.count(), 1);
        assert!(!outcomes(&scene).contains(&"ambiguous".to_owned()));
    }
}

#[test]
fn no_spelling_of_the_token_survives_in_a_document() {
    const SECRET: &str = "MIIFsecretTokenAbCdEf0123456789+/GhIjKlMnOpQrStUv==";
    let spelt: Vec<String> = vec![
        SECRET[7..47].into(),
        SECRET.as_bytes().chunks(20).map(|line| String::from_utf8_lossy(line) + "\n").collect(),
        SECRET.bytes().map(|byte| format!("%25{byte:02X}")).collect(),
        SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(),
        SECRET.to_ascii_uppercase(),
        SECRET.chars().rev().collect(),
        SECRET.replace('+', "&plus;").replace('/', "&sol;").replace('=', "&equals;"),
    ];
    for spelling in spelt {
        let text = spelling.clone();
        let server = Server::start(move |_| Reply::service(400, "VIAS.00010001", &text));
        let mut scene = Scene::with(&server);
        scene.set("BATCHCTL_TOKEN", SECRET);
        scene.call(&["stop", "--id", "gate-1", "-o", "results.csv"]).expect(1);
        let written = scene.read("results.csv");
        assert!(written.contains("[token]"), "{spelling}: {written}");
        assert!(!written.contains(&spelling[..16]), "{spelling}: {written}");
    }
}

#[test]
fn a_host_that_ends_its_connections_without_a_word_loses_no_calls_once_that_is_known() {
    let ids: Vec<String> = (0..1_000).map(|number| format!("gate-{number:04}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let limits = ["--rate", "none", "-j", "4", "--on-doubt", "hold", "--max-failures", "100%"];
    let (_, scene, _) = stop(&ids, &limits, |request| {
        let body = format!(r#"{{"id":"{}","total_count":1,"failed_count":0}}"#, request.id);
        let length = body.len();
        Reply::last(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"))
    });
    let doubtful = outcomes(&scene).iter().filter(|outcome| *outcome != "succeeded").count();
    // Those of the first connections, and of the few that are kept to see whether they still end.
    assert!(doubtful <= 15, "{doubtful} calls were lost");
}
