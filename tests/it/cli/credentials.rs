//! Credentials of every kind, from where they are found to when they are renewed or refused.

use crate::support::documents::report;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use batchctl::sandbox::Account;
use batchctl::sandbox::SandboxAuth;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PASSWORD: &str = "hunter2-hunter2";
const SECRET_KEY: &str = "ExampleSecretKey0000000000000000000000001";

/// A sandbox with an account of its own, and a scene that knows where it is.
fn sandbox(auth: SandboxAuth, change: impl FnOnce(&mut Account)) -> (SandboxThread, Scene) {
    let mut account = Account {
        user: "night".into(),
        password: PASSWORD.into(),
        domain: "acme".into(),
        access_key: "EXAMPLEAK00000000001".into(),
        secret_key: SECRET_KEY.into(),
        ..Account::default()
    };
    change(&mut account);
    let latency = Duration::ZERO..=Duration::ZERO;
    let settings = SandboxSettings { auth, account, latency, ..SandboxSettings::default() };
    let sandbox = SandboxThread::start(settings).unwrap();
    let mut scene = Scene::new();
    scene.set("BATCHCTL_ENDPOINT", sandbox.url());
    scene.set("BATCHCTL_IAM_ENDPOINT", sandbox.url());
    scene.set("BATCHCTL_IAM_PROJECT", "cn-north-4");
    (sandbox, scene)
}

fn as_user(scene: &mut Scene, password: &str) {
    scene.set("BATCHCTL_IAM_USER", "night");
    scene.set("BATCHCTL_IAM_DOMAIN", "acme");
    scene.set("BATCHCTL_IAM_PASSWORD", password);
}

fn with_key(scene: &mut Scene, secret: &str) {
    scene.set("HUAWEICLOUD_SDK_AK", "EXAMPLEAK00000000001");
    scene.set("HUAWEICLOUD_SDK_SK", secret);
}

fn write_tasks(scene: &Scene, count: usize) {
    let ids: Vec<String> = (0..count).map(|number| format!("gate-{number:03}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
}

fn tasks(ended: &Ended) -> BTreeMap<String, u64> {
    let report: Value = report(&ended.stdout);
    let counts = report["tasks"].as_object().unwrap().iter();
    let nonzero = counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap()));
    nonzero.filter(|&(_, count)| count > 0).collect()
}

fn counted(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
}

/// A service that accepts the token `one` for so many calls, and after that only `two`.
fn forgetful(calls: usize) -> Server {
    let seen = AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        let good = match &*request.headers["x-auth-token"] {
            "token-one" => number < calls,
            token => token == "token-two",
        };
        let reply = match good {
            true => Reply::trusted(&request.id, 0, 1),
            false => expired(),
        };
        reply.after(Duration::from_millis(20))
    })
}

fn expired() -> Reply {
    let message = "Incorrect IAM authentication information: token expires";
    Reply::gateway(401, "APIGW.0301", message)
}

#[test]
fn a_token_that_ends_with_64_calls_on_the_wire_is_renewed_once_and_no_task_fails() {
    let server = forgetful(100);
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    write_tasks(&scene, 300);
    scene.write(
        "token.sh",
        "echo x >> asked; [ $(wc -l < asked) = 1 ] && echo token-one || echo token-two",
    );
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "64", "--max-attempts", "1", "--json"];
    let ended = scene.call(&[&call[..], &["--token-command", "sh token.sh"]].concat()).expect(0);
    assert_eq!(tasks(&ended), counted(&[("selected", 300), ("succeeded", 300)]));
    assert_eq!(scene.read("asked").lines().count(), 2, "one token at first, one renewal");
    let refused = server.count() - 300;
    assert!((1..=64).contains(&refused), "{refused} calls were refused");
    assert_eq!(server.trusted_counts().total, 300);
}

#[test]
fn a_file_that_was_replaced_meanwhile_is_read_again() {
    let server = forgetful(5);
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    write_tasks(&scene, 20);
    scene.write("token", "token-one\n");
    let call =
        ["stop", "tasks.txt", "-j", "1", "--rate", "20/s", "--json", "--token-file", "token"];
    let running = scene.start(&call);
    server.wait_for(3);
    scene.write("token.new", "token-two\n");
    fs::rename(scene.path("token.new"), scene.path("token")).unwrap();
    running.ended().expect(0);
    assert_eq!(server.count(), 21);
}

#[test]
fn a_token_that_cannot_be_renewed_ends_the_run_with_77_and_resume_goes_on_with_another() {
    let server = forgetful(10);
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_TOKEN", "token-one");
    write_tasks(&scene, 30);
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "1", "--json"];
    let ended = scene.call(&call).expect(77).says("error: BATCHCTL_TOKEN cannot be renewed");
    let ended = ended.says("hint: get a new token, then `batchctl resume`");
    let expected = [("selected", 30), ("succeeded", 10), ("failed", 1), ("not_attempted", 19)];
    assert_eq!(tasks(&ended), counted(&expected));
    scene.set("BATCHCTL_TOKEN", "token-two");
    let ended = scene.call(&["resume", "--json"]).expect(0);
    assert_eq!(tasks(&ended), counted(&[("selected", 30), ("succeeded", 30)]));
    assert_eq!((server.count(), server.trusted_counts().total), (31, 30));
}

#[test]
fn what_is_renewed_and_still_refused_is_not_renewed_again() {
    let server = Server::start(|_| expired());
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    write_tasks(&scene, 30);
    scene.write("token.sh", "echo x >> asked; echo token-number-$(wc -l < asked)");
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "4"];
    scene.call(&[&call[..], &["--token-command", "sh token.sh"]].concat()).expect(77);
    assert_eq!(scene.read("asked").lines().count(), 2);
    assert_eq!(server.count(), 8);
}

#[test]
fn a_user_logs_in_to_the_project_of_a_name_and_again_before_the_token_ends() {
    let short = |account: &mut Account| {
        account.token_life = Duration::from_secs(2);
        account.projects = vec![("cn-north-4".into(), "p-north".into())];
    };
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, short);
    as_user(&mut scene, PASSWORD);
    write_tasks(&scene, 40);
    let ended = scene.call(&["stop", "tasks.txt", "--rate", "10/s", "--json"]).expect(0);
    assert_eq!(tasks(&ended), counted(&[("selected", 40), ("succeeded", 40)]));
    assert_eq!(report(&ended.stdout)["target"]["project_id"], "p-north");
    let logins = sandbox.witness().tally().logins;
    assert!(logins >= 2, "{logins} logins in four seconds");
}

#[test]
fn a_wrong_password_is_tried_once() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, "wrong-password");
    write_tasks(&scene, 3);
    let ended = scene.call(&["stop", "tasks.txt"]).expect(77);
    let ended = ended.says("refused the login of `night`: The username or password is wrong.");
    let ended = ended.says("it was tried once");
    assert!(!ended.stderr.contains("wrong-password"), "{}", ended.stderr);
    let tally = sandbox.witness().tally();
    assert_eq!((tally.logins, tally.requests), (1, 1));
    assert_eq!(scene.runs(), [""; 0], "a run that could not begin is forgotten");
}

/// A login that is not answered.
const UNANSWERED: u16 = 0;
/// A login that is refused, in an answer that breaks off.
const REFUSED_IN_PART: u16 = 1;
/// A login that is to be repeated after a long time.
const MUCH_LATER: u16 = 2;

/// A service that is its own IAM: login by login it answers as `logins` says, and the token of
/// the first is good for ten calls.
fn with_logins(logins: &'static [u16]) -> (Server, Scene) {
    let (calls, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(move |request: &Request| {
        if request.method != "POST" {
            let first = request.headers["x-auth-token"] == "token-number-1";
            let number = calls.fetch_add(1, Ordering::Relaxed);
            return match first && number >= 10 {
                true => expired(),
                false => Reply::trusted(&request.id, 0, 1),
            };
        }
        assert_eq!(request.path, "/v3/auth/tokens?nocatalog=true");
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let status = logins[number];
        let error = r#"{"error":{"code":0,"message":"no reason","title":"No"}}"#;
        let body =
            if status == 201 { r#"{"token":{"project":{"id":"p-1","name":"n"}}}"# } else { error };
        let token = format!("token-number-{}", number + 1);
        match status {
            UNANSWERED => Reply::close(),
            REFUSED_IN_PART => Reply::cut(error).with_status(401),
            MUCH_LATER => Reply::answer(429, error).with_header("retry-after", "301"),
            status => Reply::answer(status, body).with_header("x-subject-token", &token),
        }
    });
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.set("BATCHCTL_IAM_ENDPOINT", &server.url());
    as_user(&mut scene, PASSWORD);
    write_tasks(&scene, 30);
    (server, scene)
}

fn logins(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.method == "POST").count()
}

const ONE_BY_ONE: [&str; 6] = ["stop", "tasks.txt", "--rate", "none", "-j", "1"];

#[test]
fn a_token_of_a_login_that_is_refused_before_its_end_is_renewed_by_another_login() {
    let (server, scene) = with_logins(&[201, 201]);
    scene.call(&ONE_BY_ONE).expect(0);
    assert_eq!((logins(&server), server.trusted_counts().total), (2, 30));
}

#[test]
fn an_iam_that_is_away_is_asked_again_while_the_run_waits() {
    let (server, scene) = with_logins(&[201, 503, 201]);
    let ended = scene.call(&ONE_BY_ONE).expect(0);
    assert!(ended.stderr.contains("the credentials are being renewed"), "{}", ended.stderr);
    assert_eq!((logins(&server), server.trusted_counts().total), (3, 30));
}

#[test]
fn a_password_that_is_wrong_by_now_is_tried_once_and_ends_the_run() {
    let (server, scene) = with_logins(&[201, 401]);
    let ended = scene.call(&ONE_BY_ONE).expect(77);
    ended.says("refused the login of `night`: no reason").says("it was tried once");
    assert_eq!((logins(&server), server.trusted_counts().total), (2, 10));
}

#[test]
fn a_login_that_nobody_answered_is_repeated_twice_at_most() {
    let (server, scene) = with_logins(&[201, UNANSWERED, 201]);
    scene.call(&ONE_BY_ONE).expect(0);
    assert_eq!((logins(&server), server.trusted_counts().total), (3, 30));
    let (server, scene) = with_logins(&[201, UNANSWERED, 503, UNANSWERED, UNANSWERED, 201]);
    scene.call(&ONE_BY_ONE).expect(77).says("gave no answer");
    assert_eq!((logins(&server), server.trusted_counts().total), (5, 10));
}

#[test]
fn a_refused_login_is_never_repeated_whatever_became_of_the_answer() {
    let (server, scene) = with_logins(&[201, REFUSED_IN_PART]);
    scene.call(&ONE_BY_ONE).expect(77).says("refused the login of `night`");
    assert_eq!((logins(&server), server.trusted_counts().total), (2, 10));
}

#[test]
fn an_iam_that_asks_for_a_long_wait_is_not_asked_earlier() {
    let (server, scene) = with_logins(&[201, MUCH_LATER]);
    scene.call(&ONE_BY_ONE).expect(77).says("status 429: no reason; it asks for a wait of 301s");
    assert_eq!((logins(&server), server.trusted_counts().total), (2, 10));
}

#[test]
fn a_login_follows_no_redirect() {
    let elsewhere = Server::obliging();
    let target = format!("{}/v3/auth/tokens", elsewhere.url());
    let server = Server::start(move |_| Reply::answer(307, "").with_header("location", &target));
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.set("BATCHCTL_IAM_ENDPOINT", &server.url());
    as_user(&mut scene, PASSWORD);
    scene.call(&["stop", "--id", "gate-1"]).expect(77).says("status 307");
    assert_eq!((server.count(), elsewhere.count()), (1, 0));
}

#[test]
fn a_password_goes_nowhere_unencrypted_and_nowhere_on_a_guess() {
    let (_sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    scene.set("BATCHCTL_IAM_ENDPOINT", "http://iam.example.com");
    scene.call(&["auth", "check"]).expect(2).says("unencrypted");
    scene.unset("BATCHCTL_IAM_ENDPOINT");
    scene.call(&["auth", "check"]).expect(77).says("name it with `--iam-endpoint URL`");
}

#[test]
fn a_passcode_is_asked_for_beside_the_password() {
    let (_sandbox, mut scene) = sandbox(SandboxAuth::Token, |account| {
        account.passcode = Some("123456".into());
    });
    as_user(&mut scene, PASSWORD);
    scene.call(&["auth", "check"]).expect(77).says("refused the login");
    scene.set("BATCHCTL_IAM_USER_ID", "u-1");
    scene.call(&["auth", "check"]).expect(77).says("BATCHCTL_IAM_PASSCODE");
    scene.set("BATCHCTL_IAM_PASSCODE", "123456");
    scene.call(&["auth", "check"]).expect(0);
}

#[test]
fn a_password_may_stand_in_a_file() {
    let (_sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, "");
    scene.call(&["auth", "check"]).expect(77).says("--iam-password-file FILE");
    scene.write("password", format!("{PASSWORD}\n"));
    scene.set("BATCHCTL_IAM_PASSWORD_FILE", "password");
    scene.call(&["auth", "check"]).expect(0).says("chmod 600 'password'");
    fs::set_permissions(scene.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(scene.call(&["auth", "check"]).expect(0).stderr, "");
}

#[test]
fn every_call_is_signed_and_the_project_looked_up() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Signature, |account| {
        account.projects = vec![("cn-north-4".into(), "p-north".into())];
    });
    with_key(&mut scene, SECRET_KEY);
    write_tasks(&scene, 100);
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "32", "--json"];
    let ended = scene.call(&call).expect(0);
    assert_eq!(tasks(&ended), counted(&[("selected", 100), ("succeeded", 100)]));
    assert_eq!(report(&ended.stdout)["target"]["project_id"], "p-north");
    let statuses = sandbox.witness().tally().by_status;
    // One project list, and the calls.
    assert_eq!(statuses, BTreeMap::from([(200, 101)]));
    scene.call(&["list", "--name", "gate *"]).expect(0);
}

#[test]
fn a_refused_signature_is_sent_once_and_resume_goes_on_with_the_right_key() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Signature, |_| {});
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    with_key(&mut scene, "wrong-secret-key");
    write_tasks(&scene, 100);
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "64"];
    let ended = scene.call(&call).expect(77).says("refused the signature of HUAWEICLOUD_SDK_AK");
    assert!(!ended.stdout.contains("paused"), "{}", ended.stdout);
    assert_eq!(sandbox.witness().tally().actions, 1);
    with_key(&mut scene, SECRET_KEY);
    scene.call(&["resume"]).expect(0);
    assert_eq!(sandbox.witness().tally().carried_out, 100);
}

#[test]
fn a_clock_that_is_wrong_is_told_where_a_signature_was_refused_for_it() {
    let server = Server::start(|_| {
        let message = "Incorrect IAM authentication information: verify aksk signature fail";
        let reply = Reply::gateway(401, "APIGW.0301", message);
        reply.with_header("date", "Fri, 05 Jul 2024 12:00:00 GMT")
    });
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    with_key(&mut scene, SECRET_KEY);
    let ended = scene.call(&["stop", "--id", "gate-1", "-o", "report.json"]).expect(77);
    ended.prints("this machine's clock is");
    let report = report(&scene.read("report.json"));
    let advice = report["failures"][0]["advice"].as_str().unwrap();
    assert!(
        advice.ends_with(
            "ahead of the service's, and a signature is good for 15 minutes: set the clock."
        ),
        "{advice}"
    );
    assert_eq!(server.count(), 1);
    scene.call(&["auth", "check"]).expect(77).prints("signatures are refused for it");
}

#[test]
fn none_or_several_projects_of_a_name_are_listed() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Signature, |account| {
        let named = |name: &str, id: &str| (name.to_owned(), id.to_owned());
        account.projects =
            vec![named("north", "p-1"), named("south", "p-2"), named("south", "p-3")];
    });
    with_key(&mut scene, SECRET_KEY);
    let check = |name: &str, code: i32, says: &str| {
        scene.call(&["auth", "check", "--iam-project", name]).expect(code).says(says);
    };
    check("north", 0, "");
    check("south", 77, "several projects are called `south`: `south` (p-2), `south` (p-3)");
    check("west", 77, "the account has `north` (p-1), `south` (p-2), `south` (p-3)");
    check("south", 77, "--project-id ID");
    drop(sandbox);
}

#[test]
fn a_plan_is_shown_without_asking_anybody_for_the_project() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    write_tasks(&scene, 3);
    scene.call(&["stop", "tasks.txt", "-n"]).expect(0).prints("the-project-of-the-login");
    assert_eq!(sandbox.witness().tally().requests, 0);
}

#[test]
fn a_plan_against_the_live_state_looks_the_project_up() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    write_tasks(&scene, 3);
    let call = ["stop", "tasks.txt", "-n", "--skip-unchanged", "--on-unknown", "send"];
    scene.call(&call).expect(0).prints("/v2/sandbox/");
    let tally = sandbox.witness().tally();
    assert_eq!((tally.logins, tally.actions), (1, 0));
}

#[test]
fn a_login_that_is_kept_serves_later_commands_for_that_endpoint_alone() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    scene.call(&["auth", "login"]).expect(0).prints("logged in as night to project sandbox until");
    for variable in ["BATCHCTL_IAM_USER", "BATCHCTL_IAM_DOMAIN", "BATCHCTL_IAM_PASSWORD"] {
        scene.unset(variable);
    }
    let file = scene.state().join("login-default.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(PASSWORD), "the password is not kept");
    let check =
        scene.call(&["auth", "check"]).expect(0).prints("the login of `night` that was kept");
    assert!(check.stdout.contains("project   sandbox"), "{}", check.stdout);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    assert_eq!(sandbox.witness().tally().logins, 1);
    let elsewhere = Server::obliging();
    let call = ["stop", "--id", "gate-1", "--project-id", "p-1", "--endpoint"];
    let other = elsewhere.url();
    scene.call(&[&call[..], &[&other]].concat()).expect(77).says("there are no credentials");
    assert_eq!(elsewhere.count(), 0);
    scene.call(&["auth", "logout"]).expect(0).prints("forgotten");
    scene.call(&["stop", "--id", "gate-1"]).expect(77).says("there are no credentials");
    scene.call(&["auth", "logout"]).expect(0).prints("no login was kept");
}

#[test]
fn a_kept_login_that_has_ended_is_told_of() {
    let (_sandbox, mut scene) = sandbox(SandboxAuth::Token, |account| {
        account.token_life = Duration::from_millis(1);
    });
    as_user(&mut scene, PASSWORD);
    scene.call(&["auth", "login"]).expect(0);
    scene.unset("BATCHCTL_IAM_USER");
    let ended = scene.call(&["stop", "--id", "gate-1"]).expect(77);
    ended.says("the login of `night` that was kept ended at").says("hint: batchctl auth login");
}

#[test]
fn check_says_who_and_what_in_words_and_in_json() {
    let (_sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    let text = scene.call(&["auth", "check"]).expect(0).stdout;
    let words: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["source", "endpoint", "project", "expires", "clock", "list"]);
    assert!(text.contains("the login of `night` of `acme` at http://127.0.0.1:"), "{text}");
    assert!(text.contains("list      works: 1,000 batch tasks"), "{text}");
    let json: Value =
        serde_json::from_str(&scene.call(&["auth", "check", "--json"]).expect(0).stdout).unwrap();
    assert_eq!((&json["project_id"], &json["list"]["works"]), (&"sandbox".into(), &true.into()));
    assert!((86_000..=86_400).contains(&json["expires_in_s"].as_i64().unwrap()), "{json}");
    assert!(json["clock_skew_s"].as_i64().unwrap().abs() <= 1, "{json}");
    scene.set("BATCHCTL_TOKEN", "a-wrong-token");
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    let refused = scene.call(&["auth", "check", "--json"]).expect(77);
    let json: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(json["source"], "BATCHCTL_TOKEN");
    assert_eq!(json["list"]["error_code"], "APIGW.0301");
    assert_eq!(json["exit"]["code"], 77);
    scene.set("BATCHCTL_ENDPOINT", "http://127.0.0.1:9");
    scene.call(&["auth", "check"]).expect(1).prints("list      fails: ");
}

/// Calls with what is set, and compares the token that the service was sent.
#[track_caller]
fn check_token(server: &Server, scene: &Scene, flags: &[&str], expected: &str) {
    scene.call(&[&["stop", "--id", "gate-1"], flags].concat()).expect(0);
    assert_eq!(server.requests().last().unwrap().headers["x-auth-token"], expected, "{flags:?}");
}

#[test]
fn there_is_one_order_of_sources() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.write(".huaweicloud/credentials", "[basic]\nak = AK1\nsk = official-secret\n");
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    let authorization =
        |server: &Server| server.requests().last().unwrap().headers["authorization"].clone();
    assert!(authorization(&server).starts_with("SDK-HMAC-SHA256 Access=AK1, "));
    scene.configure("token_command = 'echo token-of-the-profile'");
    check_token(&server, &scene, &[], "token-of-the-profile");
    with_key(&mut scene, SECRET_KEY);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    assert!(authorization(&server).starts_with("SDK-HMAC-SHA256 Access=EXAMPLEAK"));
    scene.set("BATCHCTL_TOKEN", "token-of-the-variable");
    check_token(&server, &scene, &[], "token-of-the-variable");
    scene.write("systemd/batchctl-token", "token-of-systemd");
    scene.write("systemd/named", "named-by-systemd");
    let directory = scene.path("systemd");
    scene.set("CREDENTIALS_DIRECTORY", directory.to_str().unwrap());
    check_token(&server, &scene, &[], "token-of-systemd");
    check_token(&server, &scene, &["--token-file", "named"], "named-by-systemd");
    scene.write("token", "token-of-a-file");
    check_token(&server, &scene, &["--token-file", "token"], "token-of-a-file");
    check_token(
        &server,
        &scene,
        &["--token-command", "echo token-of-a-command"],
        "token-of-a-command",
    );
}

#[test]
fn a_token_file_that_others_can_read_is_warned_of() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("token", "token-of-a-file");
    let call = ["stop", "--id", "gate-1", "--token-file", "token"];
    let warning = "`token` holds a secret and others can read it";
    scene.call(&call).expect(0).says(warning).says("hint: chmod 600 'token'");
    fs::set_permissions(scene.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!scene.call(&call).expect(0).stderr.contains(warning));
}

#[test]
fn half_a_key_is_no_key() {
    let mut scene = Scene::with(&Server::obliging());
    scene.unset("BATCHCTL_TOKEN");
    scene.set("HUAWEICLOUD_SDK_AK", "EXAMPLEAK00000000001");
    let ended = scene.call(&["stop", "--id", "gate-1"]).expect(77);
    ended.says("HUAWEICLOUD_SDK_AK is set and HUAWEICLOUD_SDK_SK is not");
}

#[test]
fn a_retry_of_nothing_says_so_without_credentials() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    scene.unset("BATCHCTL_TOKEN");
    scene.call(&["retry"]).expect(0).says("there is nothing to retry in run ");
}

#[test]
fn errors_of_the_input_come_before_any_login() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    scene.write("bad.txt", "gate-1\n?\n");
    scene.write("empty.txt", "# none\n");
    for (call, status) in [
        (&["stop", "bad.txt"][..], 65),
        (&["stop", "empty.txt"], 65),
        (&["stop", "nowhere.txt"], 65),
        (&["run", "bad.txt"], 65),
        (&["stop", "bad.txt", "-n", "--skip-unchanged"], 65),
        (&["stop", "bad.txt", "-n", "--skip-unchanged", "--project-id", "sandbox"], 65),
    ] {
        scene.call(call).expect(status);
        assert_eq!(sandbox.witness().tally().requests, 0, "{call:?}");
    }
    assert_eq!(scene.call_with_input(&["stop", "-"], b"gate-1\n?\n").code, Some(65));
    assert_eq!(sandbox.witness().tally().requests, 0);
}

#[test]
fn what_can_be_read_only_once_is_read_for_the_check_and_for_the_plan() {
    let (sandbox, mut scene) = sandbox(SandboxAuth::Token, |_| {});
    as_user(&mut scene, PASSWORD);
    scene.call_with_input(&["stop", "-"], b"gate-1\ngate-2\n").expect(0);
    scene.write("tasks.txt", "gate-3\n");
    let pipe = "mkfifo pipe; cat tasks.txt > pipe & exec \"$0\" stop pipe";
    scene.start_in_shell(pipe).ended().expect(0);
    let tally = sandbox.witness().tally();
    assert_eq!((tally.logins, tally.actions), (2, 3));
}
