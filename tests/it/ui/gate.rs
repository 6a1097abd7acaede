//! Who may ask the server: the token, the cookie, the host and the origin, and tricks with paths.

use crate::support::program::Scene;
use crate::ui::{Served, Visitor};
use rustix::process::Signal;
use std::io::Read;

/// The headers that every answer must have, whatever it says.
const ALWAYS: [&str; 5] = [
    "cache-control: no-store",
    "x-content-type-options: nosniff",
    "x-frame-options: deny",
    "referrer-policy: no-referrer",
    "frame-ancestors 'none'",
];

#[test]
fn the_address_works_once_and_leaves_a_cookie() {
    let scene = Scene::new();
    let served = Served::start(&scene, &[]);
    let host = served.host();
    let ask = |path: &str| served.ask(&format!("GET {path}"), &[("host", &host)]);
    assert_eq!(ask("/").status, 401);
    assert_eq!(ask("/?token=").status, 403);
    assert_eq!(ask(&format!("{}x", served.entrance())).status, 403);
    let visitor = Visitor::enter(&served);
    let again = ask(served.entrance());
    assert_eq!(again.status, 403);
    assert!(!again.head.contains("set-cookie"), "{}", again.head);
    // The same browser may follow its link again.
    assert_eq!(visitor.get(served.entrance()).status, 200);
    assert_eq!(visitor.get("/").status, 200);
    served.process.signal(Signal::TERM);
    let ended = served.process.ended().expect(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_foreign_host_or_origin_gets_no_answer_even_with_the_cookie() {
    let scene = Scene::new();
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);
    let (own, port) = (served.host(), served.port);
    let rebound = format!("evil.example:{port}");
    let local = format!("localhost:{port}");
    let own_origin = format!("http://{own}");
    let other_port = "http://127.0.0.1:1".to_owned();
    let cookie = ("cookie", visitor.cookie());
    let host = ("host", own.as_str());
    for (status, headers) in [
        (200, vec![host, cookie]),
        (200, vec![("host", local.as_str()), cookie]),
        (200, vec![host, cookie, ("origin", own_origin.as_str())]),
        (200, vec![host, cookie, ("sec-fetch-site", "same-origin")]),
        (421, vec![("host", rebound.as_str()), cookie]),
        (421, vec![("host", "127.0.0.1"), cookie]),
        (421, vec![host, host, cookie]),
        (421, vec![cookie]),
        (403, vec![host, cookie, ("origin", "https://evil.example")]),
        (403, vec![host, cookie, ("origin", other_port.as_str())]),
        (403, vec![host, cookie, ("origin", "null")]),
        (403, vec![host, cookie, ("sec-fetch-site", "cross-site")]),
        (403, vec![host, cookie, ("sec-fetch-site", "same-site")]),
        (401, vec![host]),
        (401, vec![host, ("cookie", "batchctl-ui=guess")]),
    ] {
        for path in ["/", "/events"] {
            // The events of an allowed request have no end.
            if status == 200 && path == "/events" {
                continue;
            }
            let answer = served.ask(&format!("GET {path}"), &headers);
            assert_eq!(answer.status, status, "{path} {headers:?}");
            for header in ALWAYS {
                assert!(answer.head.contains(header), "{header} is not in {}", answer.head);
            }
            assert!(!answer.head.contains("access-control"), "{}", answer.head);
        }
    }
    let absolute = served.ask("GET http://evil.example/", &[host, cookie]);
    assert_eq!(absolute.status, 421);
}

#[test]
fn no_path_leads_anywhere_but_to_runs() {
    let scene = Scene::new();
    scene.write(".local/state/batchctl/runs/secret", "a secret");
    scene.write(".local/state/batchctl/secret", "a secret");
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);
    for path in [
        "/runs",
        "/runs/secret",
        "/runs/../secret",
        "/runs/%2e%2e/secret",
        "/runs/..%2fsecret",
        "/../secret",
        "//secret",
        "/runs/20240705-120000-kfzq",
        "/runs/20240705-120000-kfzq/../../secret",
        "/runs/20240705-120000-kfzq/events",
        "/runs/20240705-120000-kfzq?x=1",
        "/page.js",
    ] {
        let answer = visitor.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("secret"), "{path}: {}", answer.body);
    }
    let headers = [("host", served.host()), ("cookie", visitor.cookie().to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let own = format!("http://{}", served.host());
    let from_here = [&headers[..], &[("origin", own.as_str())]].concat();
    assert_eq!(served.ask("POST /", &from_here).status, 405);
    assert_eq!(served.ask("POST /", &headers).status, 403);
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(served.ask(&format!("{method} /"), &headers).status, 405, "{method}");
    }
    // What is not HTTP ends its own connection and nothing else.
    let mut rest = Vec::new();
    let _ = served.send("\u{16}\u{3}\u{1}nonsense\r\n\r\n").read_to_end(&mut rest);
    assert_eq!(visitor.get("/").status, 200);
}

#[test]
fn an_address_for_other_machines_needs_a_flag_of_its_own() {
    let scene = Scene::new();
    let refused = scene.call(&["ui", "--listen", "0.0.0.0:0"]).expect(2);
    assert_eq!(refused.stdout, "");
    refused.says("other machines can reach `0.0.0.0:0`").says("`--allow-remote`");
}

#[test]
fn other_machines_are_let_in_with_a_warning_and_by_the_same_gate() {
    let scene = Scene::new();
    for (flag, warning) in [
        (None, "nothing is encrypted: whoever reads the traffic can read the runs"),
        (Some("--control"), "whoever reads the traffic can read and change the runs"),
    ] {
        let flags = [&["--listen", "0.0.0.0:0", "--allow-remote"], flag.as_slice()].concat();
        let mut served = Served::start(&scene, &flags);
        served.process.wait_until_it_says(warning);
        let port = served.port;
        // By whatever number the machine is reached, and by no name that others could bind.
        let by_number = format!("192.0.2.7:{port}");
        let enter = served.ask(&format!("GET {}", served.entrance()), &[("host", &by_number)]);
        assert_eq!(enter.status, 200, "{enter:?}");
        assert!(enter.head.contains("set-cookie: "), "{enter:?}");
        assert_eq!(served.ask("GET /", &[("host", &by_number)]).status, 401);
        for host in [format!("evil.example:{port}"), "192.0.2.7:1".into(), "evil.example".into()] {
            assert_eq!(served.ask("GET /", &[("host", &host)]).status, 421, "{host}");
        }
        let again = served.ask(&format!("GET {}", served.entrance()), &[("host", &by_number)]);
        assert_eq!(again.status, 403, "the token works once");
        served.process.signal(Signal::TERM);
        served.process.ended().expect(0);
    }
}
