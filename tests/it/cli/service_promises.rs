//! What a run at another service promises: nothing in doubt is sent twice, credentials reach the hosts
//! of the file alone, and the way of a newcomer through the guide.

use crate::support::documents::{column, report, results};
use crate::support::program::{Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::tls::TlsFront;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::time::Duration;

const PAYMENTS: &str = r#"format = 1
endpoint = "URL"
auth = "AUTH"
answer = [{ status = "200..299", means = "done" }, { status = 401, means = "unauthorised" }]
[action.pay]
method = "POST"
path = "/things/{id}/payments"
"#;

fn number_of(request: &Request) -> usize {
    request.path.split('/').nth(2).unwrap().parse().unwrap()
}

#[test]
fn no_payment_in_doubt_is_sent_twice_whatever_is_cut_and_killed() {
    // Every fifth payment is made, and its answer never comes.
    let server = Server::start(|request| match number_of(request) % 5 {
        0 => Reply::close(),
        _ => Reply::answer(200, "{}").after(Duration::from_millis(5)),
    });
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN", "token");
    scene.write("shop.toml", PAYMENTS.replace("URL", &server.url()).replace("AUTH", "bearer"));
    scene.write("ids.txt", (0..500).map(|id| format!("{id}\n")).collect::<String>());
    let way = ["--rate", "none", "-j", "8", "--max-failures", "100%", "--outage-timeout", "1h"];
    let start = ["do", "pay", "ids.txt", "--service", "shop.toml", "-q"];
    for kill in 1..=20 {
        let words = if kill == 1 { &start[..] } else { &["resume", "-q"] };
        let running = scene.start(&[words, &way].concat());
        server.wait_for(15 * kill);
        running.kill();
    }
    let last = ["resume", "-q", "-o", "results.csv", "--json"];
    let ended = scene.call(&[&last[..], &way].concat()).expect(1);
    let mut calls = BTreeMap::new();
    for request in server.requests() {
        *calls.entry(number_of(&request)).or_insert(0) += 1;
    }
    assert!(calls.values().all(|&count| count == 1), "{calls:?}");
    let rows = results(&scene.read("results.csv"));
    let (mut succeeded, mut ambiguous) = (0, 0);
    for row in &rows {
        let id: usize = row["id"].parse().unwrap();
        match &*row["outcome"] {
            "succeeded" => {
                succeeded += 1;
                assert!(!id.is_multiple_of(5) && calls.contains_key(&id), "{id}");
            }
            "ambiguous" => ambiguous += 1,
            other => panic!("{id}: {other}"),
        }
    }
    assert_eq!((rows.len(), succeeded + ambiguous), (500, 500));
    assert!(ambiguous >= 100, "{ambiguous}");
    let report = report(&ended.stdout);
    assert_eq!(
        (&report["tasks"]["succeeded"], &report["tasks"]["ambiguous"]),
        (&succeeded.into(), &ambiguous.into())
    );
    // A retry leaves them alone, unless they are named.
    scene.call(&["retry", "-q"]).expect(0).says("ambiguous");
    assert_eq!(server.count(), calls.len());
}

const CANARY: &str = "canary-token-0123456789";

/// Every way in which the secret could stand in a file.
fn is_leaked(content: &[u8]) -> bool {
    let spellings =
        [CANARY.to_owned(), STANDARD.encode(CANARY), STANDARD.encode(format!("me:{CANARY}"))];
    spellings
        .iter()
        .any(|secret| content.windows(secret.len()).any(|part| part == secret.as_bytes()))
}

#[test]
fn a_secret_leaves_for_the_one_host_and_is_written_nowhere() {
    for (auth, token, header, expected) in [
        ("bearer", CANARY.to_owned(), "authorization", format!("Bearer {CANARY}")),
        (
            "basic",
            format!("me:{CANARY}"),
            "authorization",
            format!("Basic {}", STANDARD.encode(format!("me:{CANARY}"))),
        ),
        ("header:X-Shop-Key", CANARY.to_owned(), "x-shop-key", CANARY.to_owned()),
    ] {
        let other = Server::start(|_| Reply::answer(200, "{}"));
        let elsewhere = other.url();
        let echoed = expected.clone();
        let server = Server::start(move |request| match number_of(request) % 3 {
            0 => Reply::answer(307, "").with_header("Location", &elsewhere),
            1 => Reply::answer(500, format!(r#"{{"message":"you sent {echoed}"}}"#)),
            _ => Reply::answer(200, format!(r#"{{"seen":"{echoed}"}}"#))
                .with_header("X-Request-Id", &echoed),
        });
        let mut scene = Scene::new();
        scene.set("BATCHCTL_TOKEN", &token);
        let file = PAYMENTS.replace("URL", &server.url()).replace("AUTH", auth);
        scene.write("shop.toml", file + "[error]\nmessage = \"/message\"\n");
        scene.write("ids.txt", "0\n1\n2\n3\n4\n5\n");
        let pay = ["do", "pay", "ids.txt", "--service", "shop.toml", "--rate", "none"];
        let documents = [
            "-o",
            "r.csv",
            "-o",
            "r.json",
            "-o",
            "r.html",
            "-o",
            "r.md",
            "-o",
            "r.xml",
            "-o",
            "r.prom",
            "-o",
            "events.ndjson",
            "--log-file",
            "run.log",
            "--max-failures",
            "100%",
        ];
        let ended = scene.call(&[&pay[..], &documents].concat()).expect(1);
        assert!(!is_leaked(ended.stdout.as_bytes()) && !is_leaked(ended.stderr.as_bytes()));
        assert_eq!(column(&results(&scene.read("r.csv")), "outcome").len(), 6);
        assert_eq!(other.count(), 0, "{auth}");
        assert!(server.requests().iter().all(|request| request.headers[header] == expected));
        for (path, content) in scene.all_files() {
            assert!(!is_leaked(&content), "{auth}: {}", path.display());
        }
    }
}

#[test]
fn a_link_to_a_host_of_the_file_is_followed_with_the_credentials() {
    let second = Server::start(|request| match request.path.as_str() {
        "/lamps?page=2" => Reply::answer(200, r#"{"lamps":[{"id":"b","power":"ON"}]}"#),
        _ => Reply::answer(404, ""),
    });
    let front = TlsFront::before(&second.url());
    let body = format!(
        r#"{{"lamps":[{{"id":"a","power":"OFF"}}],"next":"{}/lamps?page=2"}}"#,
        front.url()
    );
    let first = Server::start(move |_| Reply::answer(200, body.as_str()));
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN", CANARY);
    scene.write("ca.pem", &front.authority);
    let file = |hosts: &str| {
        let payments = PAYMENTS.replace("URL", &first.url()).replace("AUTH", "bearer");
        let head = payments.replace("auth =", &format!("{hosts}\nauth ="));
        let list =
            "[state.list]\npath = \"/lamps\"\neach = \"/lamps\"\nid = \"/id\"\nword = \"/power\"\n";
        let page = "page = { by = \"next\", from = \"json /next\" }\n";
        format!("{head}[state]\nwords = {{ on = [\"ON\"], off = [\"OFF\"] }}\n{list}{page}")
    };
    let host = front.url().replace("https://", "");
    let list = ["list", "--service", "shop.toml", "--ca-file", "ca.pem"];
    scene.write("shop.toml", file(""));
    scene.call(&list).expect(1).says("leads elsewhere");
    assert_eq!(second.count(), 0);
    scene.write("shop.toml", file(&format!("hosts = [\"{host}\"]")));
    let listed = scene.call(&list).expect(0).stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let [request] = &second.requests()[..] else { panic!("one page") };
    assert_eq!(request.headers["authorization"], format!("Bearer {CANARY}"));
}

#[test]
fn documents_of_a_service_without_counts_say_nothing_of_sub_tasks() {
    let server = Server::start(|request| match number_of(request) {
        1 => Reply::answer(200, "{}"),
        _ => Reply::answer(403, r#"{"message":"no"}"#),
    });
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN", "token");
    scene.write("shop.toml", PAYMENTS.replace("URL", &server.url()).replace("AUTH", "bearer"));
    let pay = ["do", "pay", "--id", "1", "--id", "2", "--service", "shop.toml", "--rate", "none"];
    let documents = ["-o", "r.xml", "-o", "r.prom", "-o", "r.md", "-o", "r.csv"];
    let ended = scene.call(&[&pay[..], &documents].concat()).expect(1);
    for text in ["r.xml", "r.prom", "r.md"].map(|name| scene.read(name)) {
        assert!(!text.contains("sub-task") && !text.contains("subtask"), "{text}");
        assert!(text.contains("pay"), "{text}");
    }
    assert!(!ended.stdout.contains("sub-task"), "{}", ended.stdout);
    let rows = results(&scene.read("r.csv"));
    assert_eq!(column(&rows, "total_count"), ["", ""]);
    let shown = report(&scene.call(&["runs", "show", "latest", "--json"]).stdout);
    assert_eq!(shown["service"]["name"], "shop");
    assert_eq!(shown["service"]["sha256"].as_str().unwrap().len(), 64);
}

/// The file that the guide has a newcomer write.
fn file_of_the_guide() -> String {
    let page = include_str!("../../../docs/guide/150-other-services.md");
    let (_, rest) = page.split_once("$ cat > shop.toml <<'END'\n").unwrap();
    let (file, _) = rest.split_once("> END").unwrap();
    file.lines().map(|line| format!("{}\n", line.trim_start_matches("> "))).collect()
}

fn sandbox(scene: &Scene, flags: &[&str]) -> (Running, String) {
    let mut sandbox = scene.start(&[&["sandbox", "--latency", "0ms"], flags].concat());
    let mut url = String::new();
    BufReader::new(sandbox.stdout()).read_line(&mut url).unwrap();
    (sandbox, url.trim().to_owned())
}

#[test]
fn a_newcomer_comes_from_a_curl_command_to_runs_that_are_taken_back() {
    let scene = Scene::new();
    let curl = "curl -X POST https://shop.example.com/things/42/on \
                -H 'Authorization: Bearer x' -d '{\"note\":\"hi\"}'";
    let import = ["service", "import", "--curl", curl, "--id", "42", "--file", "shop.toml"];
    scene.call(&import).expect(0).says("`Authorization` was left out");
    let draft = scene.read("shop.toml");
    assert!(draft.contains("/things/{id}/on") && draft.contains("\"note\":\"hi\""), "{draft}");
    assert!(!draft.contains("Bearer x"), "{draft}");
    scene.call(&["service", "check", "shop.toml"]).expect(2).says("say what this answer means");
    scene.write("shop.toml", file_of_the_guide());
    scene.call(&["service", "check", "shop.toml"]).expect(0);
    scene.write("things.csv", "id,note\n1,first\n2,second\n3-refused,third\n4,fourth\n");
    let on = ["do", "on", "things.csv", "--service", "shop.toml"];
    scene.call(&[&on[..], &["--sandbox", "-q"]].concat()).expect(1);
    let trial = ["service", "try", "shop.toml", "42", "--action", "on", "--set", "note=hello"];
    let shown = scene.call(&[&trial[..], &["-n"]].concat()).expect(0).stdout;
    assert!(shown.contains("POST https://shop.example.com/things/42/on"), "{shown}");
    assert!(shown.contains(r#"{"note":"hello"}"#), "{shown}");
    let (_sandbox, url) = sandbox(&scene, &["--service", "shop.toml", "--settle", "0s"]);
    scene.write("t", "any-token");
    let there = ["--endpoint", &url, "--token-file", "t"];
    let tried = scene.call(&[&trial[..], &there].concat()).expect(0).stdout;
    assert!(tried.contains("done: the rule in line"), "{tried}");
    let dry = scene.call(&[&on[..], &there, &["-n"]].concat()).expect(0);
    assert!(dry.stdout.contains(&format!("POST {url}/things/{{id}}/on")), "{}", dry.stdout);
    let documents = ["-o", "results.csv", "-q", "--wait"];
    scene.call(&[&on[..], &there, &documents].concat()).expect(1);
    let rows = results(&scene.read("results.csv"));
    let expected = ["succeeded", "succeeded", "failed", "succeeded"];
    assert_eq!(column(&rows, "outcome"), expected);
    let run = scene.runs().iter().map(|run| run[..20].to_owned()).max().unwrap();
    scene.call(&["report", &run]).expect(0).prints("the service carried it out");
    scene.call(&[&["resume", &run][..], &there].concat()).expect(1).says("is finished");
    scene.call(&[&["retry", &run, "--group", "F1", "-q"][..], &there].concat()).expect(1);
    let revert = [&["revert", &run, "-y", "-q", "--wait", "-o", "back.csv"][..], &there].concat();
    scene.call(&revert).expect(0);
    let rows = results(&scene.read("back.csv"));
    assert_eq!(column(&rows, "command"), ["off"; 3]);
    assert_eq!(column(&rows, "outcome"), ["succeeded"; 3]);
}
