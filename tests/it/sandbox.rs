//! The simulated service over real HTTP, called by a client that knows nothing of batchctl.

use batchctl::sandbox::Account;
use batchctl::sandbox::Sandbox;
use batchctl::sandbox::SandboxError;
use batchctl::sandbox::SandboxLimit;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use batchctl::sandbox::generated_id;
use batchctl::task::Command;
use batchctl::task::Counts;
use reqwest::Client;
use reqwest::Method;
use reqwest::Response;
use serde_json::Value;
use serde_json::json;
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

const AN_HOUR: Duration = Duration::from_secs(3600);

/// A sandbox that answers at once, and a client of it.
struct SandboxClient {
    sandbox: SandboxThread,
    http: Client,
}

impl SandboxClient {
    fn new(settings: SandboxSettings) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().retry(reqwest::retry::never());
        Self { sandbox: SandboxThread::start(settings).unwrap(), http: http.build().unwrap() }
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>) -> Response {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request = self.http.request(method, url);
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        request.send().await.unwrap()
    }

    async fn action(&self, id: &str, command: &str) -> Answer {
        let path = action_path(id, command);
        Answer::of(self.send(Method::PUT, &path, Some("token")).await).await
    }

    async fn list(&self, query: &str) -> Answer {
        let path = format!("/v2/project-1/batch-tasks?{query}");
        Answer::of(self.send(Method::GET, &path, Some("token")).await).await
    }

    async fn login(&self, user: &str, password: &str) -> Response {
        let url = format!("{}/v3/auth/tokens?nocatalog=true", self.sandbox.url());
        let user = json!({ "name": user, "password": password, "domain": { "name": "sandbox" } });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "cn-north-4" } },
        } });
        self.http.post(url).body(body.to_string()).send().await.unwrap()
    }
}

/// A status and a JSON body.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        Self { status, body }
    }

    fn code(&self) -> &str {
        self.body["error_code"].as_str().unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.body[name].as_u64().unwrap()
    }
}

fn action_path(id: &str, command: &str) -> String {
    format!("/v2/project-1/batch-tasks/{id}/action/{command}")
}

fn prompt() -> SandboxSettings {
    SandboxSettings { latency: Duration::ZERO..=Duration::ZERO, ..SandboxSettings::default() }
}

fn logging_to(path: &Path) -> SandboxSettings {
    SandboxSettings { access_log: Some(path.into()), ..prompt() }
}

#[tokio::test]
async fn a_deleted_batch_task_is_gone_even_if_nobody_heard_of_it() {
    let client = SandboxClient::new(prompt());
    let path = |id: &str| format!("/v2/project-1/batch-tasks/{id}");
    let delete = async |id: &str| {
        Answer::of(client.send(Method::DELETE, &path(id), Some("token")).await).await
    };
    let answer = delete("task-000001").await;
    assert_eq!((answer.status, answer.count("failed_count")), (200, 0));
    assert_eq!(answer.body["id"], "task-000001");
    assert_eq!(client.list("page_size=5").await.count("count"), 999);
    let url = format!("{}{}", client.sandbox.url(), path("gate-drop"));
    let dropped = client.http.delete(url).header("X-Auth-Token", "token").send().await;
    assert!(dropped.is_err(), "{dropped:?}");
    for id in ["task-000001", "gate-drop"] {
        let again = delete(id).await;
        assert_eq!((again.status, again.code()), (400, "VIAS.00010008"));
        assert_eq!(client.action(id, "start").await.code(), "VIAS.00010008");
    }
    let partial = delete("gate-partial").await;
    assert!(partial.count("failed_count") > 0);
    assert_eq!(client.sandbox.witness().tally().deletions, 5);
}

#[tokio::test]
async fn an_action_is_answered_with_counts_that_add_up() {
    let client = SandboxClient::new(prompt());
    let answer = client.action("gate-1", "start").await;
    let (total, succeeded) = (answer.count("total_count"), answer.count("succeed_count"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["id"], "gate-1");
    assert_eq!(answer.body["error_list"], json!([]));
    assert_eq!((answer.count("failed_count"), total), (0, succeeded));
    let tally = client.sandbox.witness().tally();
    assert_eq!(tally.counts, Counts { total, failed: 0, succeeded });
    assert_eq!((tally.requests, tally.actions, tally.carried_out), (1, 1, 1));
}

#[tokio::test]
async fn every_answer_has_a_date_and_an_id_of_its_own() {
    let client = SandboxClient::new(prompt());
    let path = action_path("gate-1", "stop");
    let first = client.send(Method::PUT, &path, Some("token")).await;
    let second = client.send(Method::PUT, "/nowhere", None).await;
    assert!(first.headers().contains_key("date") && second.headers().contains_key("date"));
    assert_ne!(first.headers()["x-request-id"], second.headers()["x-request-id"]);
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_is_ignored() {
    let client = SandboxClient::new(prompt());
    let url = format!("{}{}", client.sandbox.url(), action_path("gate-1", "stop"));
    let request = client.http.put(url).header("X-Auth-Token", "t").body("{}");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

async fn check_gateway(method: Method, path: &str, token: Option<&str>, expected: (u16, &str)) {
    let right = SandboxSettings { token: Some("token".into()), ..prompt() };
    let client = SandboxClient::new(right);
    let response = client.send(method, path, token).await;
    let request_id = response.headers()["x-request-id"].clone();
    let answer = Answer::of(response).await;
    assert_eq!((answer.status, answer.code()), expected, "{path}");
    assert_eq!(answer.body["request_id"], request_id.to_str().unwrap());
    assert_eq!(answer.body.as_object().unwrap().len(), 3);
    assert_eq!(client.sandbox.witness().tally().carried_out, 0);
}

#[tokio::test]
async fn the_gateway_refuses_unknown_paths_and_methods() {
    let right = action_path("gate-1", "start");
    let unknown = (404, "APIGW.0101");
    check_gateway(Method::PUT, &format!("{right}/"), Some("token"), unknown).await;
    check_gateway(Method::POST, &right, Some("token"), unknown).await;
    check_gateway(Method::PUT, "/v1/project-1/batch-tasks", None, unknown).await;
}

#[tokio::test]
async fn the_gateway_refuses_missing_and_wrong_tokens() {
    let path = action_path("gate-1", "start");
    check_gateway(Method::PUT, &path, None, (401, "APIGW.0301")).await;
    check_gateway(Method::PUT, &path, Some(""), (401, "APIGW.0301")).await;
    check_gateway(Method::PUT, &path, Some("other"), (401, "APIGW.0301")).await;
    check_gateway(Method::GET, "/v2/p/batch-tasks", None, (401, "APIGW.0301")).await;
}

async fn check_service(path: &str, expected: (u16, &str)) {
    let client = SandboxClient::new(prompt());
    let response = client.send(Method::PUT, path, Some("token")).await;
    let answer = Answer::of(response).await;
    assert_eq!((answer.status, answer.code()), expected, "{path}");
    assert_eq!(answer.body.as_object().unwrap().len(), 6);
    assert_eq!(client.sandbox.witness().tally().carried_out, 0);
}

#[tokio::test]
async fn the_service_refuses_what_breaks_its_patterns() {
    let invalid = (400, "VIAS.00010001");
    check_service(&action_path("Gate-1", "start"), invalid).await;
    check_service(&action_path("abc", "start"), invalid).await;
    check_service(&action_path("gate-1", "restart"), invalid).await;
    check_service(&action_path("gate-1", "START"), invalid).await;
    check_service("/v2/a_b/batch-tasks/gate-1/action/start", invalid).await;
}

#[tokio::test]
async fn refused_and_missing_ids_are_never_carried_out() {
    check_service(&action_path("gate-refused", "stop"), (500, "VIAS.00010012")).await;
    check_service(&action_path("gate-missing", "stop"), (400, "VIAS.00010008")).await;
}

#[tokio::test]
async fn a_200_can_carry_failures() {
    let client = SandboxClient::new(prompt());
    for id in ["gate-partial", "gate-failed"] {
        let answer = client.action(id, "start").await;
        let failed = answer.count("failed_count");
        let errors = answer.body["error_list"].as_array().unwrap().len() as u64;
        assert_eq!((answer.status, errors), (200, failed), "{id}");
        assert_eq!(failed + answer.count("succeed_count"), answer.count("total_count"));
        assert_eq!(answer.count("succeed_count") > 0, id == "gate-partial");
        assert!(failed > 0);
    }
}

#[tokio::test]
async fn flaky_and_throttled_ids_fail_at_the_first_call_of_each_command() {
    let client = SandboxClient::new(prompt());
    let codes = [("gate-flaky", 500, "VIAS.00010009"), ("gate-throttled", 429, "APIGW.0308")];
    for (id, status, code) in codes {
        for command in ["start", "stop"] {
            let first = client.action(id, command).await;
            assert_eq!((first.status, first.code()), (status, code));
            assert_eq!(client.action(id, command).await.status, 200);
        }
        assert_eq!(client.sandbox.witness().carried_out(id, Command::START), 1);
    }
}

#[tokio::test]
async fn a_garbled_answer_is_a_200_that_is_no_json() {
    let client = SandboxClient::new(prompt());
    let path = action_path("gate-garbled", "start");
    let response = client.send(Method::PUT, &path, Some("token")).await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().starts_with("<html>"));
    let tally = client.sandbox.witness().tally();
    assert_eq!((tally.carried_out, tally.counts), (1, Counts::default()));
}

#[tokio::test]
async fn a_slow_id_takes_its_own_time() {
    // Were the usual latency of an hour used, this would not end.
    let settings = SandboxSettings { latency: AN_HOUR..=AN_HOUR, slow: Duration::ZERO, ..prompt() };
    let client = SandboxClient::new(settings);
    assert_eq!(client.action("gate-slow", "start").await.status, 200);
}

#[tokio::test]
async fn a_dropped_call_is_carried_out_and_its_connection_reset() {
    let client = SandboxClient::new(prompt());
    // The connection has been used before, as those of a pool are.
    client.action("gate-1", "start").await;
    let url = format!("{}{}", client.sandbox.url(), action_path("gate-drop", "start"));
    let request = client.http.put(url).header("X-Auth-Token", "token");
    let error = request.send().await.unwrap_err();
    assert!(!error.is_connect() && is_reset(&error), "{error:?}");
    let witness = client.sandbox.witness();
    assert_eq!(witness.carried_out("gate-drop", Command::START), 1);
    assert_eq!(witness.tally().dropped, 1);
    assert_eq!(client.action("gate-2", "start").await.status, 200);
}

/// Tells whether a reset is among the causes of an error.
fn is_reset(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn a_silent_call_is_carried_out_and_never_answered() {
    let client = SandboxClient::new(prompt());
    let url = format!("{}{}", client.sandbox.url(), action_path("gate-silent", "stop"));
    let request = client.http.put(url).header("X-Auth-Token", "token");
    let waiting = tokio::spawn(request.send());
    let witness = client.sandbox.witness();
    while witness.tally().silent == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(client.action("gate-1", "start").await.status, 200);
    assert!(!waiting.is_finished());
    assert_eq!(witness.carried_out("gate-silent", Command::STOP), 1);
    assert_eq!(witness.tally().peak_on_wire, 2);
    waiting.abort();
}

#[tokio::test]
async fn shares_are_spoiled_as_the_seed_has_it() {
    let settings = SandboxSettings { fail: 0.2, partial: 0.2, drop: 0.1, seed: 11, ..prompt() };
    let seen = spoiled_by(settings.clone()).await;
    assert_eq!(seen, spoiled_by(settings).await);
    assert_eq!((seen.failed, seen.dropped, seen.carried_out), (101, 49, 399));
}

/// How many of 500 calls were spoiled in which way.
#[derive(Debug, PartialEq, Eq)]
struct Spoiled {
    failed: u64,
    dropped: u64,
    carried_out: u64,
    counts: Counts,
}

async fn spoiled_by(settings: SandboxSettings) -> Spoiled {
    let client = SandboxClient::new(settings);
    for number in 1..=500 {
        let path = action_path(&generated_id(number), "start");
        let url = format!("{}{path}", client.sandbox.url());
        // A dropped call is an error here; the witness knows which were.
        let _ = client.http.put(url).header("X-Auth-Token", "token").send().await;
    }
    let tally = client.sandbox.witness().tally();
    Spoiled {
        failed: tally.by_status.iter().filter(|(code, _)| **code >= 400).map(|(_, n)| n).sum(),
        dropped: tally.dropped,
        carried_out: tally.carried_out,
        counts: tally.counts,
    }
}

#[tokio::test]
async fn above_the_limit_the_gateway_asks_for_fewer_calls() {
    let limit = Some(SandboxLimit { count: 2, window: AN_HOUR });
    let retry_after = Some(Duration::from_millis(1500));
    let client = SandboxClient::new(SandboxSettings { limit, retry_after, ..prompt() });
    assert_eq!(client.action("gate-1", "start").await.status, 200);
    assert_eq!(client.list("").await.status, 200);
    let path = action_path("gate-2", "start");
    let refused = client.send(Method::PUT, &path, Some("token")).await;
    assert_eq!(refused.headers()["retry-after"], "2");
    let answer = Answer::of(refused).await;
    assert_eq!((answer.status, answer.code()), (429, "APIGW.0308"));
    let message = answer.body["error_msg"].as_str().unwrap();
    assert!(message.ends_with("policy user over ratelimit,limit:2,time:60 minute"), "{message}");
    assert_eq!(client.sandbox.witness().carried_out("gate-2", Command::START), 0);
}

#[tokio::test]
async fn pages_together_hold_every_task_once() {
    let client = SandboxClient::new(SandboxSettings { tasks: 23, ..prompt() });
    let mut ids = Vec::new();
    for page in 1..=3 {
        let answer = client.list(&format!("page_size=10&page_num={page}")).await;
        assert_eq!(answer.count("count"), 23);
        let entries = answer.body["batch_task_list"].as_array().unwrap();
        ids.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids, (1..=23).map(generated_id).collect::<Vec<String>>());
}

#[tokio::test]
async fn a_list_that_is_asked_for_wrongly_is_refused() {
    let client = SandboxClient::new(prompt());
    let answer = client.list("page_size=1000").await;
    assert_eq!((answer.status, answer.code()), (400, "VIAS.00010001"));
    assert_eq!(answer.body["params"], json!(["page_size"]));
}

async fn check_states(settle: Duration, command: &str, expected: &str) {
    let client = SandboxClient::new(SandboxSettings { tasks: 1, settle, ..prompt() });
    client.action("gate-1", command).await;
    let answer = client.list("type_like=batch_task_name&name_like=gate-1").await;
    let entry = &answer.body["batch_task_list"][0];
    assert_eq!(entry["batch_task_status_info"], json!({ expected: entry["num_task"] }));
}

#[tokio::test]
async fn states_move_after_an_action() {
    check_states(AN_HOUR, "start", "starting").await;
    check_states(Duration::ZERO, "start", "running").await;
    check_states(AN_HOUR, "stop", "stopping").await;
    check_states(Duration::ZERO, "stop", "stopped").await;
}

#[tokio::test]
async fn a_token_from_a_login_opens_the_service() {
    let client = SandboxClient::new(SandboxSettings { token: Some("other".into()), ..prompt() });
    let response = client.login("sandbox", "sandbox").await;
    assert_eq!(response.status(), 201);
    let token = response.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let body = Answer::of(response).await.body;
    assert_eq!(body["token"]["project"]["id"], "sandbox");
    let path = action_path("gate-1", "start");
    assert_eq!(client.send(Method::PUT, &path, Some(&token)).await.status(), 200);
    assert_eq!(client.send(Method::PUT, &path, Some("token")).await.status(), 401);
}

#[tokio::test]
async fn the_longest_token_of_the_definition_is_read() {
    let longest = "t".repeat(32_768);
    let client = SandboxClient::new(SandboxSettings { token: Some(longest.clone()), ..prompt() });
    let path = action_path("gate-1", "start");
    assert_eq!(client.send(Method::PUT, &path, Some(&longest)).await.status(), 200);
}

#[tokio::test]
async fn a_token_past_its_life_is_refused() {
    let account = Account { token_life: Duration::ZERO, ..Account::default() };
    let client = SandboxClient::new(SandboxSettings { account, ..prompt() });
    let response = client.login("sandbox", "sandbox").await;
    let token = response.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let path = action_path("gate-1", "start");
    let refused = client.send(Method::PUT, &path, Some(&token)).await;
    let answer = Answer::of(refused).await;
    assert_eq!((answer.status, answer.code()), (401, "APIGW.0301"));
    assert!(answer.body["error_msg"].as_str().unwrap().contains("token expires, expires_at: "));
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_iams_own_words() {
    let client = SandboxClient::new(prompt());
    let response = client.login("sandbox", "wrong").await;
    assert!(!response.headers().contains_key("x-subject-token"));
    let answer = Answer::of(response).await;
    let message = "The username or password is wrong.";
    let error = json!({ "code": 401, "message": message, "title": "Unauthorized" });
    assert_eq!((answer.status, answer.body), (401, json!({ "error": error })));
    assert_eq!(client.sandbox.witness().tally().logins, 1);
}

#[tokio::test]
async fn the_access_log_has_a_line_for_every_request_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let client = SandboxClient::new(logging_to(&path));
    client.action("gate-1", "start").await;
    client.action("gate-refused", "stop").await;
    client.action("NO-ID", "stop").await;
    client.list("").await;
    client.login("sandbox", "sandbox").await;
    client.send(Method::DELETE, "/nowhere", None).await;
    client.sandbox.stop().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    let times: Vec<u64> = lines.iter().map(|(micros, _)| micros.parse().unwrap()).collect();
    let rest: Vec<&str> = lines.iter().map(|(_, rest)| *rest).collect();
    assert!(times.is_sorted());
    let expected = [
        "PUT\tgate-1\tstart\t200",
        "PUT\tgate-refused\tstop\t500",
        "PUT\t-\tstop\t400",
        "GET\t-\tlist\t200",
        "POST\t-\tlogin\t201",
        "DELETE\t-\t-\t404",
    ];
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn the_access_log_can_be_read_while_the_sandbox_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let client = SandboxClient::new(logging_to(&path));
    client.action("gate-1", "start").await;
    while !std::fs::read_to_string(&path).unwrap().ends_with("\tstart\t200\n") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sandbox_ends_when_its_log_cannot_be_written() {
    let client = SandboxClient::new(logging_to(Path::new("/dev/full")));
    // Whether it still gets an answer is a matter of who is faster.
    let _ = client.http.get(client.sandbox.url()).send().await;
    let error = client.sandbox.stop().unwrap_err();
    assert!(matches!(error, SandboxError::AccessLog { .. }), "{error}");
}

#[tokio::test]
async fn a_sandbox_serves_on_the_callers_runtime_until_it_is_told_to_stop() {
    let sandbox = Sandbox::bind(prompt()).await.unwrap();
    let url = sandbox.url();
    let witness = sandbox.witness();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(sandbox.serve(async {
        let _ = stopped.await;
    }));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build().unwrap();
    client.get(&url).send().await.unwrap();
    drop(stop);
    serving.await.unwrap().unwrap();
    assert_eq!(witness.tally().requests, 1);
}

#[test]
fn an_address_that_others_could_reach_is_refused() {
    let everywhere = SandboxSettings { listen: "0.0.0.0:0".parse().unwrap(), ..prompt() };
    let Err(error) = SandboxThread::start(everywhere) else {
        panic!("it listens to everybody");
    };
    assert!(matches!(error, SandboxError::NotLoopback { .. }), "{error}");
}

#[test]
fn an_address_that_is_taken_is_refused_and_told() {
    let first = SandboxThread::start(prompt()).unwrap();
    let listen = first.url().trim_start_matches("http://").parse().unwrap();
    let Err(error) = SandboxThread::start(SandboxSettings { listen, ..prompt() }) else {
        panic!("two sandboxes on one port");
    };
    assert!(matches!(error, SandboxError::Listen { .. }), "{error}");
    assert!(error.source().is_some());
}
