//! The way to the service: TLS with an authority of one's own, a proxy that was asked for, and plain
//! HTTP only where nobody is on the way.

use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::tls::Proxy;
use crate::support::tls::TlsFront;

const STOP: [&str; 5] = ["stop", "--id", "gate-1", "--max-attempts", "1"];

/// A service behind TLS, and a scene that calls it.
fn behind_tls() -> (Server, TlsFront, Scene) {
    let server = Server::obliging();
    let front = TlsFront::before(&server.url());
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_ENDPOINT", &front.url());
    scene.write("ca.pem", &front.authority);
    (server, front, scene)
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (server, _front, scene) = behind_tls();
    let untrusted = [&STOP[..], &["--outage-timeout", "1ms", "--json"]].concat();
    let ended = scene.call(&untrusted).expect(1).prints("\"tls\"");
    ended.prints("its authority is not trusted here: name the file of that with `--ca-file`");
    let report = scene.call(&["report"]).expect(0).prints("remove the cause, then send again");
    assert!(!report.stdout.contains("may help"), "{}", report.stdout);
    assert_eq!(server.count(), 0);
    scene.call(&[&STOP[..], &["--ca-file", "ca.pem"]].concat()).expect(0);
    assert_eq!((server.count(), &*server.requests()[0].headers["x-auth-token"]), (1, TOKEN));
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (server, front, mut scene) = behind_tls();
    scene.set("BATCHCTL_ENDPOINT", &front.url().replace("localhost", "127.0.0.1"));
    let ended = scene.call(&[&STOP[..], &["--ca-file", "ca.pem", "--json"]].concat()).expect(1);
    ended.prints("\"tls\"").prints("the endpoint has to be a name that it is for");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_service_that_wants_a_certificate_of_its_clients_charges_no_task_as_ambiguous() {
    let server = Server::obliging();
    let front = TlsFront::for_clients_with_certificates(&server.url());
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_ENDPOINT", &front.url());
    scene.write("ca.pem", &front.authority);
    let ended = scene.call(&[&STOP[..], &["--ca-file", "ca.pem", "--json"]].concat()).expect(1);
    ended.prints("\"tls\"").prints("it wants a certificate of its clients");
    scene.call(&["report", "--json"]).expect(0).prints("\"ambiguous\": 0");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_machine_without_authorities_says_how_to_name_one() {
    let (server, _front, mut scene) = behind_tls();
    scene.set("SSL_CERT_FILE", "/nowhere.pem");
    scene.set("SSL_CERT_DIR", "/nowhere");
    scene.call(&STOP).expect(74).says("No CA certificates").says("`--ca-file FILE`");
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
    scene.call(&[&STOP[..], &["--ca-file", "ca.pem"]].concat()).expect(0);
    scene.write("marked.pem", format!("\u{feff}{}", scene.read("ca.pem")));
    scene.call(&[&STOP[..], &["--ca-file", "marked.pem"]].concat()).expect(0);
}

#[test]
fn a_file_without_certificates_is_refused_before_anything_is_sent() {
    let (server, _front, scene) = behind_tls();
    scene.write("key.pem", "no certificate");
    let with = |file: &str| scene.call(&[&STOP[..], &["--ca-file", file]].concat()).expect(2);
    with("key.pem").says("there is no certificate in `key.pem`");
    with("nowhere.pem")
        .says("cannot read the certificates in what `--ca-file` names: No such file");
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn a_proxy_is_used_only_when_it_is_named_and_sees_no_token() {
    let (server, front, mut scene) = behind_tls();
    let proxy = Proxy::start();
    scene.set("BATCHCTL_CA_FILE", "ca.pem");
    for name in ["http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        scene.set(name, &format!("http://{}", proxy.address()));
    }
    scene.call(&STOP).expect(0);
    assert!(proxy.heads().is_empty());
    let address = format!("http://{}", proxy.address());
    scene.call(&[&STOP[..], &["--proxy", &address]].concat()).expect(0);
    let heads = proxy.heads();
    let target = front.url().trim_start_matches("https://").to_owned();
    assert!(heads[0].starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{heads:?}");
    assert!(!heads[0].to_lowercase().contains("x-auth-token"), "{heads:?}");
    assert_eq!((server.count(), heads.len()), (2, 1));
}

#[test]
fn a_proxy_may_be_reached_over_tls_itself() {
    let (server, service, scene) = behind_tls();
    let proxy = Proxy::start();
    let front = TlsFront::before(&format!("http://{}", proxy.address()));
    scene.write("both.pem", format!("{}{}", service.authority, front.authority));
    let through = |authorities: &str| {
        let flags = ["--proxy", &front.url(), "--ca-file", authorities];
        scene.call(&[&STOP[..], &flags, &["--outage-timeout", "1ms"]].concat())
    };
    through("ca.pem").expect(1).prints("tls");
    assert_eq!((server.count(), proxy.heads().len()), (0, 0));
    through("both.pem").expect(0);
    assert_eq!((server.count(), proxy.heads().len()), (1, 1));
    let target = service.url().trim_start_matches("https://").to_owned();
    assert!(proxy.heads()[0].starts_with(&format!("CONNECT {target} ")), "{:?}", proxy.heads());
}

#[test]
fn a_dry_run_names_the_proxy() {
    let (_server, _front, scene) = behind_tls();
    let flags = ["-n", "--proxy", "http://proxy.example.com:3128"];
    let ended = scene.call(&[&STOP[..], &flags].concat()).expect(0);
    ended.prints("/action/{command} through http://proxy.example.com:3128");
}

#[test]
fn the_password_of_a_proxy_comes_from_its_variable_alone_and_is_shown_nowhere() {
    let (server, _front, mut scene) = behind_tls();
    let proxy = Proxy::start();
    scene.set("BATCHCTL_CA_FILE", "ca.pem");
    let address = format!("http://me:hunter2-hunter2@{}", proxy.address());
    let typed = scene.call(&[&STOP[..], &["--proxy", &address]].concat()).expect(2);
    let typed = typed.says("password of the proxy").says("BATCHCTL_PROXY");
    scene.configure(&format!("proxy = '{address}'"));
    let in_file = scene.call(&STOP).expect(2).says("BATCHCTL_PROXY");
    scene.configure("");
    scene.set("BATCHCTL_PROXY", &address);
    let ended = scene.call(&[&STOP[..], &["-vv", "-o", "report.json"]].concat()).expect(0);
    let shown = scene.call(&["config", "show", "--origin"]).expect(0);
    let planned = scene.call(&[&STOP[..], &["-n"]].concat()).expect(0);
    scene.set("BATCHCTL_PROXY", &format!("{address}/path"));
    let refused = scene.call(&STOP).expect(2).says("a proxy looks like");
    for ended in [typed, in_file, ended, shown, planned, refused] {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains("hunter2"), "{all}");
    }
    for (path, content) in scene.all_files() {
        let is_in = content.windows(7).any(|window| window == b"hunter2");
        assert!(!is_in, "{}", path.display());
    }
    // base64 of `me:hunter2-hunter2`
    assert!(proxy.heads()[0].contains("Basic bWU6aHVudGVyMi1odW50ZXIy\r\n"));
    assert_eq!(server.count(), 1);
}

#[test]
fn plain_http_to_another_machine_needs_a_flag_that_is_named() {
    let mut scene = Scene::with(&Server::obliging());
    scene.set("BATCHCTL_ENDPOINT", "http://vias.example.com");
    let refused = scene.call(&STOP).expect(2);
    refused.says("`http://vias.example.com` would be sent the token").says("`--insecure-http`");
    assert_eq!(scene.runs().len(), 0);
    let ended = scene.call(&[&STOP[..], &["-n", "--insecure-http"]].concat()).expect(0);
    ended.says("warning: `http://vias.example.com` is sent the token unencrypted");
    for (endpoint, part) in [
        ("https://me:hunter2@example.com", "a user name or password"),
        ("https://example.com/?a=hunter2", "a query"),
        ("https://example.com/#hunter2", "a fragment"),
        ("ftp://example.com", "neither https nor http"),
    ] {
        scene.set("BATCHCTL_ENDPOINT", endpoint);
        scene.call(&[&STOP[..], &["--insecure-http"]].concat()).expect(2).says(part);
    }
}

/// Checks that a call is refused because a proxy would read a secret, and that nothing was sent.
#[track_caller]
fn check_read_by_proxy(scene: &Scene, server: &Server, proxy: &Server, call: &[&str]) {
    scene.call(call).expect(2).says("unencrypted").says("`--insecure-http`");
    assert_eq!((server.count(), proxy.count()), (0, 0), "{call:?}");
}

#[test]
fn no_plain_endpoint_is_local_behind_a_proxy() {
    let (server, proxy) = (Server::obliging(), Server::obliging());
    let mut scene = Scene::with(&server);
    let url = proxy.url();
    let through = ["--proxy", &*url];
    let calls: [&[&str]; 5] = [
        &STOP,
        &["list"],
        &["auth", "check"],
        &["stop", "--id", "g", "-n"],
        &["stop", "--id", "g", "--skip-unchanged"],
    ];
    for call in calls {
        check_read_by_proxy(&scene, &server, &proxy, &[call, &through].concat());
    }
    scene.set("BATCHCTL_PROXY", &url);
    check_read_by_proxy(&scene, &server, &proxy, &STOP);
    scene.unset("BATCHCTL_PROXY");
    scene.configure(&format!("proxy = '{url}'"));
    check_read_by_proxy(&scene, &server, &proxy, &STOP);
    scene.configure("");
    for host in ["localhost", "127.0.0.2", "[::1]"] {
        scene.set("BATCHCTL_ENDPOINT", &format!("http://{host}:9"));
        check_read_by_proxy(&scene, &server, &proxy, &[&STOP[..], &through].concat());
    }
    scene.set("BATCHCTL_ENDPOINT", &server.url());
    let allowed = [&STOP[..], &through, &["--insecure-http"]].concat();
    scene.call(&allowed).expect(0).says("is sent the token unencrypted");
    assert_eq!(proxy.count(), 1);
}

#[test]
fn a_proxy_that_asks_who_forwards_a_call_ends_the_run_and_charges_no_task() {
    let proxy = Server::start(|_| Reply::answer(407, "<html>who are you?</html>"));
    let mut scene = Scene::with(&Server::obliging());
    scene.set("BATCHCTL_PROXY", &proxy.url());
    let flags = ["--insecure-http", "-j", "1", "--rate", "none", "-o", "report.json"];
    let tasks = ["stop", "--id", "gate-1", "--id", "gate-2", "--id", "gate-3"];
    let ended = scene.call(&[&tasks[..], &flags].concat()).expect(77);
    ended.says("0 of 3 tasks settled");
    let report: serde_json::Value = serde_json::from_str(&scene.read("report.json")).unwrap();
    assert_eq!(report["stopped"]["reason"], "proxy_refused");
    let detail = report["stopped"]["detail"].as_str().unwrap();
    let advice = "with status 407; name the user and the password it wants in BATCHCTL_PROXY";
    assert!(detail.contains(advice), "{detail}");
    assert_eq!(proxy.count(), 1);
    let flags = ["list", "--insecure-http", "--rate", "none"];
    scene.call(&flags).expect(1).says("with status 407; name the user");
}

#[test]
fn a_port_for_tls_that_answers_in_plain_http_is_named_and_charges_no_task() {
    for page in [
        "<center>The plain HTTP request was sent to HTTPS port</center>",
        "Client sent an HTTP request to an HTTPS server.\n",
        "You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ] {
        let server = Server::start(move |_| Reply::answer(400, page));
        let scene = Scene::with(&server);
        let flags = ["--rate", "none", "-j", "4", "--outage-timeout", "1ms"];
        let ids: Vec<String> = (0..200).map(|number| format!("gate-{number}")).collect();
        scene.write("tasks.txt", ids.join("\n"));
        let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..]].concat());
        let ended = ended.expect(3).says("0 of 200 tasks settled").prints("speaks TLS");
        assert!(ended.stdout.contains("http: use"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("ambiguous"), "{}", ended.stdout);
        scene.call(&["list"]).expect(1).says("use https");
    }
}

#[test]
fn a_password_is_not_shown_to_a_proxy() {
    let (iam, proxy) = (Server::obliging(), Server::obliging());
    let mut scene = Scene::new();
    for (name, value) in [("USER", "u"), ("DOMAIN", "d"), ("PASSWORD", "hunter2-hunter2")] {
        scene.set(&format!("BATCHCTL_IAM_{name}"), value);
    }
    scene.set("BATCHCTL_IAM_ENDPOINT", &iam.url());
    scene.set("BATCHCTL_ENDPOINT", "https://vias.example.com");
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    scene.set("BATCHCTL_PROXY", &proxy.url());
    for call in [&STOP[..], &["auth", "login"], &["auth", "check"], &["list"]] {
        let ended = scene.call(call).expect(2).says("would be sent the password unencrypted");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    assert_eq!((iam.count(), proxy.count()), (0, 0));
}

#[test]
fn a_password_goes_to_no_iam_on_a_guess() {
    let mut scene = Scene::new();
    for (name, value) in [("USER", "u"), ("DOMAIN", "d"), ("PASSWORD", "hunter2-hunter2")] {
        scene.set(&format!("BATCHCTL_IAM_{name}"), value);
    }
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    let proxy = Proxy::start();
    scene.set("BATCHCTL_PROXY", &format!("http://{}", proxy.address()));
    scene
        .call(&[&STOP[..], &["--endpoint", "https://vias.x.myhuaweicloud.cn"]].concat())
        .expect(77);
    let heads = proxy.heads();
    assert!(heads.iter().all(|head| head.starts_with("CONNECT iam.x.myhuaweicloud.cn:443 ")));
    assert!(!heads.is_empty());
    scene.set("BATCHCTL_REGION", "x");
    for endpoint in ["https://vias.x.myhuaweicloud.eu", "https://gateway.example.com"] {
        let ended = scene.call(&[&STOP[..], &["--endpoint", endpoint]].concat()).expect(77);
        ended.says("the address of IAM is missing").says("`--iam-endpoint URL`");
    }
    assert_eq!(proxy.heads().len(), heads.len());
}

#[test]
fn no_refusal_quotes_an_address_that_may_hold_a_secret() {
    let scene = Scene::new();
    for flag in ["endpoint", "iam-endpoint", "proxy", "ping"] {
        for value in [
            "https://hunter2@h",
            "https://me:hunter2@h:99999",
            "https://h/?token=hunter2",
            "https://h/#hunter2",
            "ftp://h/hunter2",
            "h/hunter2",
            "hunter2",
        ] {
            if flag == "ping" && value.starts_with("https://") && !value.contains("99999") {
                // A whole address of a monitor is a right one.
                continue;
            }
            check_not_quoted(scene.command(&["stop", "--id", "g", &format!("--{flag}"), value]));
            check_not_quoted(scene.command(&["stop", "--id", "g", &format!("--{flag}={value}")]));
            let mut by_variable = scene.command(&["stop", "--id", "g"]);
            let name = format!("BATCHCTL_{}", flag.to_uppercase().replace('-', "_"));
            by_variable.env(name, value);
            check_not_quoted(by_variable);
            scene.configure(&format!("{} = '{value}'", flag.replace('-', "_")));
            check_not_quoted(scene.command(&["stop", "--id", "g"]));
            scene.configure("");
        }
    }
    for flag in ["--region", "--project-id", "--rate", "--color", "--unknown"] {
        let value = format!("{flag}=https://h/?token=hunter2");
        check_not_quoted(scene.command(&["stop", "--id", "g", &value]));
    }
    check_not_quoted(scene.command(&["https://h/?token=hunter2"]));
    check_not_quoted(scene.command(&["list", "https://h/?token=hunter2"]));
}

#[track_caller]
fn check_not_quoted(mut command: std::process::Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    assert!(!said.contains("hunter2"), "{command:?}: {said}");
}

#[test]
fn authorities_of_the_environment_are_obeyed_and_named() {
    let (server, _front, mut scene) = behind_tls();
    scene.set("SSL_CERT_FILE", scene.path("ca.pem").to_str().unwrap().to_owned().as_str());
    let warning = "`SSL_CERT_FILE` replaces the certificate authorities of this machine";
    scene.call(&STOP).expect(0).says(warning);
    assert_eq!(server.count(), 1);
    scene.set("SSL_CERT_DIR", "/etc/ssl/certs");
    let warning = "`SSL_CERT_FILE` and `SSL_CERT_DIR` replace the certificate authorities";
    scene.call(&STOP).expect(0).says(warning);
    scene.unset("SSL_CERT_DIR");
    assert_eq!(server.count(), 2);
    scene.unset("SSL_CERT_FILE");
    let untrusted = [&STOP[..], &["--outage-timeout", "1ms"]].concat();
    let ended = scene.call(&untrusted).expect(1);
    assert!(!ended.stderr.contains("SSL_CERT"), "{}", ended.stderr);
    assert_eq!(server.count(), 2);
}
