//! A service of a file, simulated, over real HTTP, called by a client that knows nothing of batchctl.

use batchctl::sandbox::{SandboxLimit, SandboxSettings, SandboxThread};
use batchctl::service::ServiceFile;
use batchctl::task::{Command, Repetition};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = r#"format = 1
endpoint = "https://shop.example.com/api"
auth = "bearer"
headers = { X-Tenant = "shop" }
answer = [
  { status = "200..299", means = "done" },
  { status = 409, code = "ALREADY", means = "unchanged" },
  { status = [404, 422], means = "refused" },
  { status = 429, means = "throttled" },
  { status = 503, asks_to_wait = true, means = "throttled" },
  { status = 503, text = "busy (today|tomorrow)", means = "transient" },
  { status = 401, means = "unauthorised" },
]
error = { code = "/code", message = ["/message", "/detail"] }
[action.on]
method = "POST"
path = "/things/{id}/on"
query = { reason = "{reason=none}" }
body = '{"note":"{note=none}","level":"{level:number=1}"}'
leads_to = "on"
opposite = "off"
[action.off]
method = "DELETE"
path = "/things/{id}/on"
leads_to = "off"
opposite = "on"
[action.remove]
method = "DELETE"
path = "/things/{id}"
leads_to = "gone"
[state]
get = { path = "/things/{id}", word = "/thing/power" }
words = { on = ["ON"], off = ["OFF"], to_off = ["ENDING"], changing = ["BOOTING"] }
[[state.answer]]
status = 404
means = "gone"
"#;

const A_NOTE: &str = "{\"note\":\"hi\",\"level\":1}";

/// A simulated service, and a client of it.
struct Shop {
    sandbox: SandboxThread,
    http: Client,
}

impl Shop {
    fn new(file: &str, settings: SandboxSettings) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
        let service = ServiceFile::read(file).unwrap().service;
        let prompt = Duration::ZERO..=Duration::ZERO;
        let settings =
            SandboxSettings { service: Some(Arc::new(service)), latency: prompt, ..settings };
        Self { sandbox: SandboxThread::start(settings).unwrap(), http }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.sandbox.url()));
        let request = request.header("Authorization", "Bearer t").header("X-Tenant", "shop");
        let request = request.header("Content-Type", "application/json");
        read(request.body(body.to_owned()).send().await.unwrap()).await
    }

    async fn on(&self, id: &str) -> (u16, Value) {
        self.send(Method::POST, &format!("/things/{id}/on?reason=none"), A_NOTE).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, "").await
    }

    /// Returns the state of an id, or the status without one.
    async fn power(&self, id: &str) -> String {
        let (status, body) = self.get(&format!("/things/{id}")).await;
        let power = body.pointer("/thing/power").and_then(Value::as_str);
        power.map_or(status.to_string(), str::to_owned)
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

fn at_once() -> SandboxSettings {
    SandboxSettings { settle: Duration::ZERO, ..SandboxSettings::default() }
}

#[tokio::test]
async fn each_id_has_a_word_that_actions_change() {
    let shop = Shop::new(SHOP, at_once());
    assert!(shop.sandbox.url().ends_with("/api"));
    assert_eq!(shop.power("1").await, "OFF");
    assert_eq!(shop.on("1").await.0, 200);
    assert_eq!(shop.power("1").await, "ON");
    assert_eq!(shop.power("2").await, "OFF");
    // The second call finds the thing there already, and the file says how the service tells.
    let (status, body) = shop.on("1").await;
    assert_eq!((status, &body["code"]), (409, &json!("ALREADY")));
    assert_eq!(shop.send(Method::DELETE, "/things/1/on", "").await.0, 200);
    assert_eq!(shop.power("1").await, "OFF");
    assert_eq!(shop.send(Method::DELETE, "/things/1", "").await.0, 200);
    assert_eq!(shop.power("1").await, "404");
    assert_eq!(shop.on("1").await.0, 404);
    let witness = shop.sandbox.witness();
    let on = Command::of_action("on", Repetition::Harmful).unwrap();
    assert_eq!(witness.carried_out("1", on), 1);
    assert_eq!(witness.carried_out_by_id()["1"], 3);
    assert_eq!((witness.tally().actions, witness.tally().carried_out), (5, 3));
    assert_eq!(witness.tally().looks, 5);
}

#[tokio::test]
async fn a_change_takes_its_time_and_may_never_end() {
    let slow = SandboxSettings { settle: Duration::from_secs(3600), ..SandboxSettings::default() };
    let shop = Shop::new(SHOP, slow);
    shop.on("1").await;
    assert_eq!(shop.power("1").await, "BOOTING");
    shop.send(Method::DELETE, "/things/1/on", "").await;
    assert_eq!(shop.power("1").await, "ENDING");
    let late = SandboxSettings { stale: Duration::from_secs(3600), ..at_once() };
    let shop = Shop::new(SHOP, late);
    shop.on("1").await;
    assert_eq!(shop.power("1").await, "OFF");
    let shop = Shop::new(SHOP, SandboxSettings { running: 1.0, ..at_once() });
    assert_eq!(shop.power("1").await, "ON");
    shop.on("1-stuck").await;
    assert_eq!(shop.power("1-stuck").await, "ON");
    shop.send(Method::DELETE, "/things/1-stuck/on", "").await;
    assert_eq!(shop.power("1-stuck").await, "ENDING");
}

#[tokio::test]
async fn the_ending_of_an_id_picks_the_answer_of_a_rule() {
    let shop = Shop::new(SHOP, at_once());
    let text = |body: &Value| body["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(shop.on("1-refused").await.0, 422);
    assert_eq!(shop.on("1-unchanged").await.1["code"], "ALREADY");
    assert_eq!(shop.on("1-unauthorised").await.0, 401);
    assert_eq!(shop.on("1-throttled").await.0, 429);
    assert_eq!(shop.on("1-throttled").await.0, 200);
    let (status, body) = shop.on("1-transient").await;
    assert_eq!((status, text(&body).as_str()), (503, "busy today"));
    assert_eq!(shop.on("1-transient").await.0, 200);
    // No rule is for these, so the usual status of the meaning is sent.
    assert_eq!(shop.on("1-gone").await.0, 404);
    assert_eq!(shop.on("1-doubt").await.0, 500);
    assert_eq!(shop.power("1-gone").await, "404");
    // Nothing was done for any of them.
    assert_eq!(shop.power("1-refused").await, "OFF");
    assert_eq!(shop.sandbox.witness().tally().carried_out, 2);
}

#[tokio::test]
async fn what_the_file_does_not_describe_is_refused_with_what_is_wrong() {
    let shop = Shop::new(SHOP, at_once());
    let path = "/things/1/on?reason=none";
    for (path, body, status, expected) in [
        ("/things/1/off?reason=none", A_NOTE, 404, "no POST with this path"),
        ("/things/1/on", A_NOTE, 400, "no query field `reason`"),
        ("/things/1/on?reason=a&admin=1", A_NOTE, 400, "no query field `admin`"),
        ("/things/1/on?reason=a&reason=b", A_NOTE, 400, "another query field `reason`"),
        (path, "", 400, "no JSON"),
        (path, "{\"note\":\"hi\",\"level\":1,\"admin\":true}", 400, "another body"),
        (path, "{\"note\":\"hi\",\"level\":\"1\"}", 400, "another body"),
        ("/things/%2E%2E%2Fadmin/on?reason=a", A_NOTE, 404, "no POST with this path"),
        ("/things/a%20b/on?reason=a", A_NOTE, 404, "no POST with this path"),
    ] {
        let (found, answer) = shop.send(Method::POST, path, body).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(expected), "{path} {body}: {found} {answer}");
    }
    let url = format!("{}{path}", shop.sandbox.url());
    let without = |name: &'static str| {
        let headers = [
            ("Authorization", "Bearer t"),
            ("X-Tenant", "shop"),
            ("Content-Type", "application/json"),
        ];
        let kept = headers.into_iter().filter(move |(kept, _)| *kept != name);
        let request =
            kept.fold(shop.http.post(&url), |request, (name, value)| request.header(name, value));
        async move { read(request.body(A_NOTE).send().await.unwrap()).await.0 }
    };
    assert_eq!(without("Authorization").await, 401);
    assert_eq!(without("X-Tenant").await, 400);
    assert_eq!(without("Content-Type").await, 400);
    assert_eq!(without("nothing").await, 200);
}

#[tokio::test]
async fn limits_and_shares_hold_as_for_vias() {
    let hour = Duration::from_secs(3600);
    let limit = Some(SandboxLimit { count: 1, window: hour });
    let settings =
        SandboxSettings { limit, retry_after: Some(Duration::from_millis(6_500)), ..at_once() };
    let shop = Shop::new(SHOP, settings);
    assert_eq!(shop.on("1").await.0, 200);
    let request = shop.http.get(format!("{}/things/1", shop.sandbox.url()));
    let request = request.header("X-Tenant", "shop").header("Authorization", "Bearer t");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    let shop = Shop::new(SHOP, SandboxSettings { fail: 1.0, ..at_once() });
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..40 {
        seen.insert(shop.on(&number.to_string()).await.0);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [422, 503]);
    let shop = Shop::new(SHOP, SandboxSettings { drop: 1.0, ..at_once() });
    let request = shop.http.delete(format!("{}/things/1/on", shop.sandbox.url()));
    let request = request.header("X-Tenant", "shop").header("Authorization", "Bearer t");
    assert!(request.send().await.is_err());
    assert_eq!(shop.sandbox.witness().tally().dropped, 1);
    assert_eq!(shop.sandbox.witness().tally().carried_out, 1);
}

/// Returns the file with a list in the place of single states, in these pages.
fn with_list(page: &str) -> String {
    let get = "get = { path = \"/things/{id}\", word = \"/thing/power\" }\n";
    let list = "list = { path = \"/things\", query = { sort = \"id\" }, each = \"/data/things\", \
                id = \"/id\", word = \"/power\", name = \"/name\", total = \"/count\"";
    let page = if page.is_empty() { String::new() } else { format!(", page = {page}") };
    let file = SHOP.replace(get, &format!("{list}{page} }}\n"));
    assert_ne!(file, SHOP);
    file
}

/// Returns the query for the page behind one, by the number of pages so far and the last one.
type Next<'a> = &'a dyn Fn(usize, &Value) -> Option<String>;

/// Reads a list to its end; `next` says how the page behind one is asked for.
async fn walk(shop: &Shop, first: &str, next: Next<'_>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut query = Some(first.to_owned());
    let mut pages = 0;
    while let Some(asked) = query {
        let (status, body) = shop.get(&format!("/things?{asked}")).await;
        assert_eq!(status, 200, "{asked}: {body}");
        assert_eq!(body["count"], 25);
        let entries = body["data"]["things"].as_array().unwrap();
        ids.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        pages += 1;
        assert!(pages < 30, "the list has no end");
        query = next(pages, &body).filter(|_| !entries.is_empty());
    }
    ids
}

#[tokio::test]
async fn a_list_is_served_with_each_way_of_asking_for_its_pages() {
    let expected: Vec<String> = (1..=25).map(|number| format!("thing-{number:06}")).collect();
    let settings = || SandboxSettings { tasks: 25, ..at_once() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let last_id = |body: &Value| {
        let entries = body["data"]["things"].as_array().unwrap();
        entries.last().and_then(|entry| text(&entry["id"]))
    };
    let sized = |rest: &str| format!("{{ {rest}, size_param = \"n\", size = 10 }}");
    let cases: [(String, Next<'_>); 6] = [
        (String::new(), &|_, _| None),
        (sized("by = \"number\", param = \"page\", first = 0"), &|page, _| {
            Some(format!("sort=id&n=7&page={page}"))
        }),
        (sized("by = \"offset\", param = \"skip\""), &|page, _| {
            Some(format!("sort=id&skip={}", page * 10))
        }),
        (sized("by = \"cursor\", param = \"from\", from = \"last_id\""), &|_, body| {
            last_id(body).map(|id| format!("sort=id&from={id}"))
        }),
        (sized("by = \"cursor\", param = \"from\", from = \"/next\""), &|_, body| {
            text(&body["next"]).map(|mark| format!("sort=id&from={mark}"))
        }),
        (sized("by = \"next\", from = \"json /links/next\""), &|_, body| {
            let link = text(&body["links"]["next"])?;
            Some(link.split_once('?').unwrap().1.to_owned())
        }),
    ];
    for (page, next) in cases {
        let shop = Shop::new(&with_list(&page), settings());
        // The size of the request counts, on every page.
        let first = if page.contains("first") { "sort=id&n=7&page=0" } else { "sort=id" };
        let ids = walk(&shop, first, next).await;
        assert_eq!(ids, expected, "{page}");
    }
}

#[tokio::test]
async fn a_link_in_a_header_leads_to_the_next_page() {
    let page = "{ by = \"next\", from = \"header Link\", size = 20 }";
    let shop = Shop::new(&with_list(page), SandboxSettings { tasks: 25, ..at_once() });
    let get = |url: String| {
        let request = shop.http.get(url).header("X-Tenant", "shop");
        request.header("Authorization", "Bearer t").send()
    };
    let first = get(format!("{}/things?sort=id", shop.sandbox.url())).await.unwrap();
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let url = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert!(url.starts_with(shop.sandbox.url()), "{link}");
    let second = get(url.to_owned()).await.unwrap();
    assert!(!second.headers().contains_key("link"));
    let body: Value = serde_json::from_slice(&second.bytes().await.unwrap()).unwrap();
    assert_eq!(body["data"]["things"].as_array().unwrap().len(), 5);
    assert_eq!(body["data"]["things"][0]["power"], "OFF");
}

#[tokio::test]
async fn an_example_of_the_file_is_sent_with_the_id_and_counts_of_the_call() {
    let file = SHOP
        .replace(
            "{ status = \"200..299\", means = \"done\" }",
            "{ status = 207, means = \"counted\", example = { status = 207, body = \
             '{\"thing\":{\"id\":\"0\",\"colour\":\"red\"}}', headers = { X-Trace = \"t-1\" } } }",
        )
        .replace("[action.on]", "[counts]\ntotal = \"/n/all\"\nfailed = \"/n/bad\"\n[action.on]")
        .replace("body = '{\"note", "answer_id = \"/thing/id\"\nbody = '{\"note");
    let shop = Shop::new(&file, SandboxSettings { sub_tasks: 4..=4, ..at_once() });
    let (status, body) = shop.on("7").await;
    assert_eq!(status, 207);
    let expected = json!({"thing": {"id": "7", "colour": "red"}, "n": {"all": 4, "bad": 0}});
    assert_eq!(body, expected);
    assert_eq!(shop.on("7-failed").await.1["n"], json!({"all": 4, "bad": 4}));
    let partial = shop.on("7-partial").await.1["n"]["bad"].as_u64().unwrap();
    assert!((1..4).contains(&partial), "{partial}");
    let counts = shop.sandbox.witness().tally().counts;
    assert_eq!((counts.total, counts.failed), (12, 4 + partial));
}
