//! `--notify`: a message to a webhook at the end of a run, whose address is a secret.

use crate::support::program::{Ended, Scene, TOKEN};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The part of the address that must show up nowhere.
const SECRET: &str = "T0AAA/B0BBB/canary0webhook1address2";

fn mixed(request: &Request) -> Reply {
    match request.id.ends_with("bad") {
        true => {
            let message = format!("<!channel> {TOKEN} in {}", request.id);
            Reply::service(400, "VIAS.00010001", &message)
        }
        false => Reply::trusted(&request.id, 0, 1),
    }
}

/// A service, a webhook, and a home that knows both.
struct World {
    server: Server,
    webhook: Server,
    scene: Scene,
}

impl World {
    fn new(webhook: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let (server, webhook) = (Server::start(mixed), Server::start(webhook));
        let mut scene = Scene::with(&server);
        scene.write("good.txt", "gate-1\ngate-2\n");
        scene.write("bad.txt", "gate-1\ngate-2\ngate-bad\n");
        scene.set("BATCHCTL_NOTIFY_URL", &format!("{}/services/{SECRET}", webhook.url()));
        Self { server, webhook, scene }
    }

    fn obliging() -> Self {
        Self::new(|_| Reply::answer(200, r#"{"errcode":0,"code":0}"#))
    }

    fn stop(&self, input: &str, flags: &[&str]) -> Ended {
        let ended = self.scene.call(&[&["stop", input, "--rate", "none"], flags].concat());
        check_absent(&format!("{ended:?}"), "the output");
        ended
    }

    /// Returns the bodies that the webhook got.
    fn messages(&self) -> Vec<Value> {
        let requests = self.webhook.requests();
        requests.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }

    fn events(&self) -> Vec<String> {
        self.messages().iter().map(|it| it["event"].as_str().unwrap().to_owned()).collect()
    }
}

#[track_caller]
fn check_absent(text: &str, place: &str) {
    for needle in [SECRET, "canary0webhook1", "T0AAA/B0BBB"] {
        assert!(!text.contains(needle), "`{needle}` is in {place}: {text}");
    }
}

#[test]
fn a_failure_is_told_with_its_groups_and_the_next_command() {
    let world = World::obliging();
    let job = ["--notify", "failure", "--job", "nightly"];
    world.stop("bad.txt", &job).expect(1);
    let [message] = &world.messages()[..] else { panic!("{:?}", world.messages()) };
    let headline = "batchctl stop, job nightly: 1 of 3 tasks did not succeed (incomplete success, \
                    exit status 1)";
    assert_eq!(message["headline"], headline);
    assert_eq!(message["tasks"]["failed"], 1);
    assert_eq!((&message["exit"]["code"], &message["job"]), (&json!(1), &json!("nightly")));
    let run = message["run"].as_str().unwrap();
    assert_eq!(message["next"], json!(format!("batchctl retry {run}")));
    let text = message["failures"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("F1: 1 task, refused 400 VIAS.00010001: <!channel> [token]"),
        "{text}"
    );
    assert!(!message.to_string().contains(TOKEN), "{message}");
    let request = &world.webhook.requests()[0];
    assert_eq!((&*request.method, &*request.headers["content-type"]), ("POST", "application/json"));
    assert!(!request.headers.contains_key("x-auth-token"));
}

/// Finds the headline in the body of a message.
type Headline = fn(&Value) -> &Value;

#[test]
fn a_message_has_the_shape_that_is_named() {
    let texts: [(&str, Headline); 5] = [
        ("slack", |body| &body["text"]),
        ("dingtalk", |body| &body["text"]["content"]),
        ("wecom", |body| &body["text"]["content"]),
        ("feishu", |body| &body["content"]["post"]["en_us"]["title"]),
        ("teams", |body| &body["attachments"][0]["content"]["body"][0]["inlines"][0]["text"]),
    ];
    for (shape, text_of) in texts {
        let world = World::obliging();
        let ended = world.stop("bad.txt", &["--notify", "failure", "--notify-shape", shape]);
        assert!(!ended.expect(1).stderr.contains("warning"), "{shape}");
        let messages = world.messages();
        let text = text_of(&messages[0]).as_str().unwrap();
        assert!(text.starts_with("batchctl stop: 1 of 3 tasks did not succeed"), "{shape}: {text}");
        assert!(!messages[0].to_string().contains("<!channel>") || shape != "slack");
    }
}

#[test]
fn a_job_that_is_good_again_is_told_once() {
    let world = World::obliging();
    let job = ["--notify", "failure,recovery", "--job", "nightly", "--max-delta", "none"];
    world.stop("good.txt", &job).expect(0);
    assert_eq!(world.events(), [""; 0]);
    world.stop("bad.txt", &job).expect(1);
    world.stop("good.txt", &job).expect(0);
    world.stop("good.txt", &job).expect(0);
    assert_eq!(world.events(), ["failure", "recovery"]);
    let headline = "batchctl stop, job nightly: recovered, 2 tasks succeeded";
    assert_eq!(world.messages()[1]["headline"], headline);
    // Another job has a past of its own.
    let other = ["--notify", "recovery", "--job", "other"];
    world.stop("bad.txt", &["--job", "nightly", "--max-delta", "none"]).expect(1);
    world.stop("good.txt", &other).expect(0);
    assert_eq!(world.webhook.count(), 2);
}

#[test]
fn every_end_is_told_if_that_is_asked_for() {
    let world = World::obliging();
    world.stop("good.txt", &["--notify", "always"]).expect(0);
    world.stop("bad.txt", &["--notify", "always"]).expect(1);
    world.stop("nowhere.txt", &["--notify", "failure"]).expect(65);
    assert_eq!(world.events(), ["success", "failure", "failure"]);
    assert_eq!(world.messages()[2]["run"], Value::Null);
    assert_eq!(
        world.messages()[2]["headline"],
        "batchctl stop: no run was begun (bad input, exit status 65)"
    );
}

#[test]
fn a_run_that_is_resumed_is_told_once() {
    let world = World::obliging();
    let flags = ["stop", "good.txt", "--rate", "1/h", "--notify", "failure,recovery"];
    let running = world.scene.start(&[&flags[..], &["--job", "nightly"]].concat());
    world.server.wait_for(1);
    running.kill();
    assert_eq!(world.webhook.count(), 0);
    let resume = ["resume", "--rate", "none", "--notify", "failure,recovery"];
    world.scene.call(&resume).expect(0);
    assert_eq!(world.events(), ["recovery"]);
}

#[test]
fn the_address_is_found_in_no_output_and_in_no_file() {
    let world = World::new(|_| Reply::answer(404, format!("no /services/{SECRET}")));
    let said = "warning: the webhook was not notified: it answered 404";
    let documents = ["-o", "a.csv", "-o", "a.json", "-o", "a.html", "-o", "a.ndjson", "-vv"];
    let log = ["--log-file", "a.log", "--notify", "failure"];
    let ended = world.stop("bad.txt", &[&documents[..], &log].concat()).expect(1).says(said);
    assert!(!ended.stderr.contains(&world.webhook.url()), "{}", ended.stderr);
    assert_eq!(world.webhook.count(), 1);
    for (path, content) in world.scene.all_files() {
        check_absent(&String::from_utf8_lossy(&content), &path.display().to_string());
    }
    for call in [&["config", "show", "--origin"][..], &["config", "show", "--json"]] {
        check_absent(&format!("{:?}", world.scene.call(call).expect(0)), "config show");
    }
    // A service that knows it cannot make it known.
    let echoing = Server::start(|_| Reply::service(400, "VIAS.1", &format!("/services/{SECRET}")));
    let mut scene = Scene::with(&echoing);
    scene.set("BATCHCTL_NOTIFY_URL", &format!("{}/services/{SECRET}", world.webhook.url()));
    let ended = scene.call(&["stop", "--id", "gate-1", "--notify", "failure"]).expect(1);
    check_absent(&format!("{ended:?}"), "the output");
    check_absent(&world.webhook.requests()[1].body, "the message");
}

#[test]
fn an_address_that_cannot_be_used_is_not_quoted() {
    let mut world = World::obliging();
    // The last one would be a host that nobody named: readers of URLs drop a line break.
    for address in ["http://h.example/", "ftp://h/", "https://me@h/", "", "https://h\n.example/"] {
        world.scene.set("BATCHCTL_NOTIFY_URL", &format!("{address}{SECRET}"));
        let ended = world.stop("good.txt", &["--notify", "failure"]).expect(2);
        ended.says("--notify-url").says("BATCHCTL_NOTIFY_URL");
    }
    world.scene.unset("BATCHCTL_NOTIFY_URL");
    let typed = format!("https://h.example/{SECRET}");
    let ended = world.stop("good.txt", &["--notify", "failure", "--notify-url", &typed]);
    ended.expect(2).says("other users can read a command line").says("BATCHCTL_NOTIFY_URL");
    assert_eq!(world.server.count(), 0);
}

#[test]
fn a_webhook_that_fails_is_tried_twice_and_changes_nothing() {
    let world = World::new(|_| Reply::answer(503, ""));
    let said = "the webhook was not notified: it answered 503";
    world.stop("bad.txt", &["--notify", "failure"]).expect(1).says(said);
    assert_eq!(world.webhook.count(), 2);
    // Cron mails it with the digest, and gets no mail for a good run.
    world.stop("bad.txt", &["--notify", "failure", "--cron"]).expect(1).says(said);
    let ended = world.stop("good.txt", &["--notify", "always", "--cron"]).expect(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let world = World::new(|_| Reply::reset());
    world.stop("good.txt", &["--notify", "always"]).expect(0).says("was not notified");
    let world = World::new(|_| Reply::answer(200, r#"{"errcode":310000,"errmsg":"keywords"}"#));
    let shaped = ["--notify", "failure", "--notify-shape", "dingtalk"];
    world.stop("bad.txt", &shaped).expect(1).says("refused the message with code 310000");
    assert_eq!(world.webhook.count(), 1);
}

#[test]
fn a_monitor_and_a_webhook_that_are_not_reached_are_told_with_the_cause() {
    let mut world = World::obliging();
    // Nothing listens there.
    world.scene.set("BATCHCTL_PING", "http://127.0.0.1:1/uuid-1");
    world.scene.set("BATCHCTL_NOTIFY_URL", &format!("http://127.0.0.1:1/services/{SECRET}"));
    let ended = world.stop("good.txt", &["--notify", "always"]).expect(0);
    let ended = ended.says("127.0.0.1 was not pinged: tcp connect error: Connection refused");
    let ended = ended.says("the webhook was not notified: tcp connect error: Connection refused");
    assert!(!ended.stderr.contains("uuid-1"), "{}", ended.stderr);
}

#[test]
fn a_redirect_of_a_webhook_is_not_followed() {
    let elsewhere = Server::obliging();
    let to = elsewhere.url();
    let world = World::new(move |_| Reply::answer(307, "").with_header("Location", &to));
    let ended = world.stop("bad.txt", &["--notify", "failure"]).expect(1);
    ended.says("it answered 307, a redirect, which is not followed");
    assert_eq!((world.webhook.count(), elsewhere.count()), (1, 0));
}

#[test]
fn the_address_may_be_in_the_config_file_or_in_a_file_of_its_own() {
    let mut world = World::obliging();
    world.scene.unset("BATCHCTL_NOTIFY_URL");
    let address = format!("{}/services/{SECRET}", world.webhook.url());
    world.scene.configure(&format!("notify = ['failure', 'recovery']\nnotify_url = '{address}'\n"));
    world.stop("bad.txt", &[]).expect(1);
    world.scene.configure("notify = 'failure,recovery'\nnotify_url_file = 'webhook.txt'\n");
    world.scene.write("webhook.txt", format!("{address}\n"));
    world
        .stop("bad.txt", &[])
        .expect(1)
        .says("`webhook.txt` holds a secret and others can read it");
    assert_eq!(world.events(), ["failure"; 2]);
    world.scene.write("webhook.txt", format!("x{SECRET}"));
    world.stop("bad.txt", &[]).expect(2).says("holds no address of a webhook");
    world.stop("bad.txt", &["-o", "csv:webhook.txt"]).expect(2);
    assert!(world.scene.read("webhook.txt").contains(SECRET));
    let before = world.server.count();
    let config = world.scene.path(".config/batchctl/config.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    world.stop("bad.txt", &["--cron"]).expect(77).says("decides about `notify_url_file`");
    assert_eq!(world.server.count(), before);
}

#[test]
fn a_dry_run_tells_nobody_and_says_so_where_it_was_typed() {
    let world = World::obliging();
    let ended = world.stop("good.txt", &["--notify", "always", "-n"]).expect(0);
    ended.says("nothing is carried out, so `--notify` has no effect");
    assert_eq!(world.webhook.count(), 0);
}

#[test]
fn a_webhook_is_reached_through_the_proxy_that_the_service_is() {
    let mut world = World::obliging();
    world.scene.set("BATCHCTL_PROXY", &world.webhook.url());
    let flags = ["stop", "--id", "gate-1", "--sandbox", "--notify", "always"];
    let ended = world.scene.call(&flags).expect(2);
    ended.says("the proxy would read the address of the webhook");
    assert_eq!(world.webhook.count(), 0);
}

#[test]
fn messages_are_signed_as_dingtalk_and_feishu_want_them() {
    let mut world = World::obliging();
    world.scene.write("secret.txt", "SECcanary0signing0secret\n");
    let always = ["--notify", "always", "--notify-secret-file", "secret.txt", "--notify-shape"];
    world.stop("good.txt", &[&always[..], &["dingtalk"]].concat()).expect(0);
    let path = world.webhook.requests()[0].path.clone();
    assert!(path.contains("?timestamp=") && path.contains("&sign="), "{path}");
    world.stop("good.txt", &[&always[..], &["feishu"]].concat()).expect(0);
    let body = &world.messages()[1];
    assert!(body["timestamp"].is_string() && body["sign"].is_string(), "{body}");
    assert_eq!(body["msg_type"], "post");
    let refused = world.stop("good.txt", &[&always[..], &["slack"]].concat());
    refused.expect(2).says("takes no signature");
    world.scene.write("empty.txt", " \n");
    let empty = ["--notify", "always", "--notify-secret-file", "empty.txt"];
    let refused = world.stop("good.txt", &[&empty[..], &["--notify-shape", "feishu"]].concat());
    refused.expect(2).says("holds no secret of a webhook: it is empty");
    world.scene.set("BATCHCTL_NOTIFY_SECRET", "SECcanary0signing0secret");
    let always = ["--notify", "always", "--notify-shape", "feishu"];
    world.stop("good.txt", &always).expect(0);
    assert!(world.messages()[2]["sign"].is_string());
    for (path, content) in world.scene.all_files() {
        let is_secret = path.ends_with("secret.txt");
        assert!(is_secret || !String::from_utf8_lossy(&content).contains("canary0signing"));
    }
}
