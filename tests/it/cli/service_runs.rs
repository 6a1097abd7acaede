//! Runs at a service that a file describes: each call, its doubt, its credentials, and going on.

use crate::support::documents::{column, report, results};
use crate::support::program::{Scene, TOKEN};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use std::collections::BTreeMap;

/// A shop whose things are paid once, and switched on as often as one likes.
const SHOP: &str = r#"format = 1
endpoint = "URL"
auth = "bearer"
id.column = "thing"
answer = [
  { status = "200..299", means = "done" },
  { status = 409, code = "ALREADY", means = "unchanged" },
  { status = [404, 422], means = "refused" },
  { status = 429, means = "throttled" },
  { status = 401, means = "unauthorised" },
]
error = { code = "/code", message = "/message" }
[action.pay]
method = "POST"
path = "/things/{id}/payments"
query = { reason = "{reason=none}" }
headers = { X-Tenant = "{tenant=shop}" }
body = '{"note":"{note=none}","amount":"{amount:number}"}'
[action.on]
method = "PUT"
path = "/things/{id}/on"
[action.delete]
method = "DELETE"
path = "/things/{id}"
"#;

/// A home with the file of the shop, and the shop.
fn shop(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Scene, Server) {
    let server = Server::start(reply);
    let mut scene = Scene::new();
    // The address of VIAS must not count for another service.
    scene.set("BATCHCTL_ENDPOINT", "https://vias.example.com");
    scene.set("BATCHCTL_TOKEN", TOKEN);
    scene.write("shop.toml", SHOP.replace("URL", &server.url()));
    (scene, server)
}

fn ok(_: &Request) -> Reply {
    Reply::answer(200, "{}")
}

const FAST: [&str; 6] = ["--rate", "none", "-o", "results.csv", "-o", "report.json"];

fn run_of<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--service", "shop.toml"], &FAST].concat()
}

/// Returns how often each path was called.
fn calls(server: &Server) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in server.requests() {
        *calls.entry(request.path).or_default() += 1;
    }
    calls
}

#[test]
fn each_row_is_one_call_with_its_own_values() {
    let (scene, server) = shop(ok);
    scene.write("things.csv", "thing,note,amount,reason\n42,\"say \"\"hi\"\"\",7,a&b\nA.b,,0.5,\n");
    scene.call(&run_of(&["do", "pay", "things.csv"])).expect(0);
    let mut requests = server.requests();
    requests.sort_by(|one, other| one.path.cmp(&other.path));
    let seen: Vec<_> = requests.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
    let expected = ["/things/42/payments?reason=a%26b", "/things/A.b/payments?reason=none"];
    assert_eq!(seen, expected.map(|path| ("POST", path)));
    assert_eq!(requests[0].body, r#"{"note":"say \"hi\"","amount":7}"#);
    assert_eq!(requests[1].body, r#"{"note":"none","amount":0.5}"#);
    for request in &requests {
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(request.headers["x-tenant"], "shop");
    }
    let rows = results(&scene.read("results.csv"));
    assert_eq!(column(&rows, "id"), ["42", "A.b"]);
    assert_eq!(column(&rows, "command"), ["pay", "pay"]);
    assert_eq!(column(&rows, "outcome"), ["succeeded", "succeeded"]);
    assert_eq!(column(&rows, "total_count"), ["", ""]);
    assert_eq!(column(&rows, "note"), ["say \"hi\"", ""]);
    let report = report(&scene.read("report.json"));
    assert_eq!(report["service"]["name"], "shop");
    assert_eq!(report["run"]["command"], "pay");
    for (path, content) in scene.all_files() {
        let found = content.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn a_run_at_another_service_has_no_sub_tasks_to_list() {
    let (mut scene, server) = shop(|_| Reply::answer(422, "{}"));
    scene.call(&["do", "on", "--id", "42", "--service", "shop.toml"]).expect(1);
    scene.set("BATCHCTL_ENDPOINT", &server.url());
    let ended = scene.call(&["tasks", "--run", "latest"]).expect(2);
    ended.says("is at `shop`, which has no sub-tasks").says("-o results.csv` writes its tasks");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_plan_whose_rows_name_actions_calls_each() {
    let (scene, server) = shop(ok);
    scene.write("plan.csv", "thing,command,amount\n1,on,\n2,delete,\n3,Pay,5\n");
    scene.call(&run_of(&["run", "plan.csv"])).expect(0);
    let seen: BTreeMap<_, _> =
        server.requests().into_iter().map(|request| (request.path, request.method)).collect();
    let of = |path: &str| seen.get(path).map(String::as_str);
    assert_eq!(of("/things/1/on"), Some("PUT"));
    assert_eq!(of("/things/2"), Some("DELETE"));
    assert_eq!(of("/things/3/payments?reason=none"), Some("POST"));
    scene.write("plan.csv", "thing,command,amount\n1,of,\n");
    let ended = scene.call(&run_of(&["run", "plan.csv"])).expect(65);
    ended.says("plan.csv:2:3: `of` is not a command; an action is `pay`, `on` or `delete`");
}

#[test]
fn values_that_cannot_be_sent_are_told_with_their_places_and_nothing_is_sent() {
    let (scene, server) = shop(ok);
    let long = "x".repeat(2_000);
    for (table, expected) in [
        (
            "thing,amount\n1,2\n3,\n",
            "t.csv:3:3: `amount` cannot stand in the body: the cell is empty",
        ),
        ("thing,amount\n1,two\n", "t.csv:2:3: `amount` cannot stand in the body: it is no number"),
        (
            "thing,other\n1,2\n2,3\n",
            "t.csv:1: `amount` cannot stand in the body: there is no such column",
        ),
        (
            "thing,amount,note\n1,2,\"a\nb\"\n",
            "t.csv:2:5: `note` cannot stand in the body: it has a line break",
        ),
        (
            "thing,amount,tenant\n1,2,ä\n",
            "t.csv:2:5: `tenant` cannot stand in the header `X-Tenant`",
        ),
        (format!("thing,amount,tenant\n1,2,{long}\n").as_str(), "it is longer than 1 KiB"),
        ("thing,amount\na/b,2\n", "t.csv:2:1: `a/b` is not an id: it does not match"),
        ("thing,amount\n..,2\n", "t.csv:2:1: `..` is not an id"),
        ("id,amount\n1,2\n", "`thing`"),
    ] {
        scene.write("t.csv", table);
        let ended = scene.call(&run_of(&["do", "pay", "t.csv"])).expect(65);
        let ended = ended.says(expected);
        assert!(!ended.stderr.contains(&format!("{expected}{expected}")));
    }
    assert_eq!(server.count(), 0);
    assert!(scene.runs().is_empty());
}

#[test]
fn hostile_values_stay_in_their_places() {
    let (scene, server) = shop(ok);
    let hostile = [
        "\",\"admin\":true,\"x\":\"",
        "%2e%2e%2f",
        "?a=1&b=2#c",
        "{id}",
        "}}{{",
        "\\u0000",
        "\u{202e}abc",
        "../../x",
        "a b",
        "'; drop table",
        "=1+1",
        "💥",
        "\\",
        "</script>",
    ];
    let mut table = String::from("thing,amount,note,reason\n");
    for (number, value) in hostile.iter().enumerate() {
        let quoted = value.replace('"', "\"\"");
        table.push_str(&format!("t{number},1,\"{quoted}\",\"{quoted}\"\n"));
    }
    scene.write("t.csv", table);
    scene.call(&run_of(&["do", "pay", "t.csv"])).expect(0);
    assert_eq!(server.count(), hostile.len());
    for request in server.requests() {
        let (path, query) = request.path.split_once('?').unwrap();
        let number = path.strip_prefix("/things/t").and_then(|rest| rest.strip_suffix("/payments"));
        let expected = hostile[number.unwrap().parse::<usize>().unwrap()];
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, serde_json::json!({ "note": expected, "amount": 1 }));
        let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let [(name, value)] = &fields[..] else { panic!("{query}") };
        assert_eq!((&**name, &**value), ("reason", expected));
    }
}

#[test]
fn a_call_in_doubt_is_sent_again_only_where_that_does_no_harm() {
    let (scene, server) = shop(|_| Reply::close());
    scene.write("t.csv", "thing,amount\n1,2\n2,3\n");
    let few = ["--max-attempts", "2", "--max-failures", "100%", "--outage-timeout", "2s"];
    scene.call(&[&run_of(&["do", "pay", "t.csv"])[..], &few].concat()).expect(1);
    assert!(calls(&server).values().all(|&count| count == 1), "{:?}", calls(&server));
    let rows = results(&scene.read("results.csv"));
    assert_eq!(column(&rows, "outcome"), ["ambiguous", "ambiguous"]);
    // A retry leaves them out, unless they are asked for.
    let again = ["retry", "--rate", "none", "-n"];
    let ended = scene.call(&again).expect(0);
    ended.says("2 tasks in doubt are left out").says("--outcome ambiguous");
    scene.call(&[&again[..], &["--outcome", "ambiguous"]].concat()).expect(0).prints("2 tasks");
    let on_doubt = [&run_of(&["do", "pay", "t.csv"])[..], &["--on-doubt", "retry"]].concat();
    scene.call(&on_doubt).expect(2).says("repeatable = true").says("`pay`");
    let before = server.count();
    scene.call(&[&run_of(&["do", "on", "t.csv"])[..], &few].concat());
    assert!(server.count() > before + 2, "{:?}", calls(&server));
}

#[test]
fn an_answer_decides_as_its_rule_says() {
    let (scene, _server) = shop(|request| match request.id_of_path() {
        "1" => Reply::answer(409, r#"{"code":"ALREADY"}"#),
        "2" => Reply::answer(422, r#"{"code":"NO","message":"no such thing"}"#),
        "3" => Reply::answer(500, "oops"),
        "4" => Reply::answer(200, "<html>hello</html>"),
        "5" => Reply::answer(307, "").with_header("Location", "http://127.0.0.1:1/x"),
        _ => Reply::answer(204, ""),
    });
    scene.write("t.csv", "thing,amount\n1,1\n2,1\n3,1\n4,1\n5,1\n6,1\n");
    let all = ["--max-failures", "100%"];
    scene.call(&[&run_of(&["do", "pay", "t.csv"])[..], &all].concat()).expect(1);
    let rows = results(&scene.read("results.csv"));
    let expected = ["unchanged", "failed", "ambiguous", "ambiguous", "ambiguous", "succeeded"];
    assert_eq!(column(&rows, "outcome"), expected);
    assert_eq!(rows[1]["error_code"], "NO");
    assert_eq!(rows[1]["error_msg"], "no such thing");
}

#[test]
fn a_run_goes_on_from_its_own_copy_whatever_became_of_the_file() {
    for damage in ["deleted", "edited", "unreadable"] {
        let (mut scene, server) = shop(|request| match request.id_of_path() {
            "5" => Reply::silence(),
            _ => Reply::answer(200, "{}"),
        });
        let ids: String = (0..20).map(|id| format!("{id},1\n")).collect();
        scene.write("t.csv", format!("thing,amount\n{ids}"));
        // With a rate nothing is begun ahead, so that one call alone is in doubt.
        let one = ["--concurrency", "1", "--rate", "500/s", "--service", "shop.toml"];
        let running = scene.start(&[&["do", "pay", "t.csv"][..], &one].concat());
        server.wait_for(6);
        running.kill();
        match damage {
            "deleted" => std::fs::remove_file(scene.path("shop.toml")).unwrap(),
            "edited" => scene.write("shop.toml", SHOP.replace("URL", "http://127.0.0.1:9")),
            _ => {
                std::fs::remove_file(scene.path("shop.toml")).unwrap();
                std::fs::create_dir(scene.path("shop.toml")).unwrap();
                // It is named all the same, and the run does not need it.
                scene.set("BATCHCTL_SERVICE", "./shop.toml");
            }
        }
        std::fs::remove_file(scene.path("t.csv")).unwrap();
        let resume = ["resume", "--rate", "none", "-o", "results.csv"];
        if damage == "edited" {
            let other = [&resume[..], &["--service", "shop.toml"]].concat();
            scene.call(&other).expect(2).says("leave out `--service`");
        }
        scene.call(&resume).expect(1);
        let rows = results(&scene.read("results.csv"));
        let outcomes = column(&rows, "outcome");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == "succeeded").count(), 19);
        assert_eq!(outcomes[5], "ambiguous", "{damage}");
        // What was on the wire is never sent again, because a second payment may do harm.
        assert!(calls(&server).values().all(|&count| count == 1), "{damage}: {:?}", calls(&server));
    }
}

#[test]
fn what_is_about_vias_alone_is_refused_before_anything_is_sent() {
    let (scene, server) = shop(ok);
    scene.write("t.csv", "thing,amount\n1,1\n");
    for (more, expected) in [
        (&["--skip-unchanged"][..], "has no `[state]`"),
        (&["--wait"], "has no `[state]`"),
        (&["--drill"], "no sub-tasks"),
        (&["--level", "task"], "no sub-tasks"),
        (&["--sandbox", "--endpoint", "http://127.0.0.1:1"], "`--endpoint`"),
        (&["--iam-user", "me"], "takes a token alone"),
        (&["--targets", "a"], ""),
    ] {
        let ended = scene.call(&[&run_of(&["do", "pay", "t.csv"])[..], more].concat());
        assert_ne!(ended.code, Some(0), "{more:?}");
        ended.says(expected);
    }
    scene.call(&run_of(&["do", "sell", "t.csv"])).expect(2).says("it has pay, on, delete");
    scene.call(&["do", "pay", "t.csv"]).expect(2).says("VIAS has no action `pay`");
    scene
        .call(&["do", "pay", "t.csv", "--service", "nowhere"])
        .expect(2)
        .says("no service `nowhere`");
    assert_eq!(server.count(), 0);
    scene.call(&run_of(&["do", "pay", "t.csv"])).expect(0);
    for verb in ["revert", "wait", "settle"] {
        scene.call(&[verb]).expect(2).says("needs the states of tasks");
    }
    scene.call(&["report", "latest"]).expect(0).prints("the service carried it out");
    scene.call(&["explain", "1"]).expect(0);
    scene.call(&["runs", "show", "latest"]).expect(0);
}

#[test]
fn a_rehearsal_calls_the_service_of_the_file_on_this_machine() {
    let (mut scene, server) = shop(ok);
    // What was left for the service is not needed, and not sent.
    scene.unset("BATCHCTL_TOKEN");
    for auth in ["bearer", "basic", "header:X-Key", "none"] {
        let text = SHOP.replace("URL", &format!("{}/v1/shop", server.url()));
        scene.write("shop.toml", text.replace("auth = \"bearer\"", &format!("auth = \"{auth}\"")));
        scene.write("t.csv", "thing,amount\n1,1\n2-refused,1\n3-drop,1\n");
        let ended = scene.call(&[&run_of(&["do", "pay", "t.csv"])[..], &["--sandbox"]].concat());
        ended.expect(1);
        let rows = results(&scene.read("results.csv"));
        assert_eq!(column(&rows, "outcome"), ["succeeded", "failed", "ambiguous"], "{auth}");
    }
    // A rehearsal goes on as one.
    let ids: Vec<String> = (1..40).map(|number| format!("{number},1")).collect();
    scene.write("t.csv", format!("thing,amount\n0-refused,1\n{}\n", ids.join("\n")));
    let start = run_of(&["do", "pay", "t.csv"]);
    let more = ["--sandbox", "--max-failures", "0", "-j", "1"];
    scene.call(&[&start[..], &more].concat()).expect(3);
    scene.call(&["resume", "-q", "-o", "results.csv"]).expect(1);
    let rows = results(&scene.read("results.csv"));
    let succeeded = column(&rows, "outcome").iter().filter(|word| **word == "succeeded").count();
    assert_eq!((rows.len(), succeeded, server.count()), (40, 39, 0));
}

#[test]
fn a_dry_run_shows_the_calls_and_sends_nothing() {
    let (scene, server) = shop(ok);
    scene.write("t.csv", "thing,amount\n1,1\n");
    let dry = ["do", "pay", "t.csv", "--service", "shop.toml", "-n"];
    let ended = scene.call(&dry).expect(0);
    ended.prints(&format!("calls       POST {}/things/{{id}}/payments", server.url()));
    assert_eq!(server.count(), 0);
}

#[test]
fn a_token_of_the_configuration_follows_a_run_only_to_the_service_that_it_names() {
    let (mut scene, server) = shop(|request| match request.id_of_path() {
        "2" => Reply::silence(),
        _ => Reply::answer(200, "{}"),
    });
    scene.unset("BATCHCTL_TOKEN");
    scene.write("token", TOKEN);
    let token = scene.path("token").display().to_string();
    scene.configure(&format!("token_file = '{token}'\n"));
    scene.write("t.csv", "thing,amount\n1,1\n2,1\n3,1\n");
    let one = ["--concurrency", "1", "--rate", "500/s", "--service", "shop.toml"];
    let running = scene.start(&[&["do", "pay", "t.csv"][..], &one].concat());
    server.wait_for(2);
    running.kill();
    scene.call(&["resume"]).expect(77).says("no credentials in force are known");
    assert_eq!(server.count(), 2);
    scene.call(&["resume", "--service", "shop.toml"]).expect(1);
    assert_eq!(calls(&server).len(), 3);
    assert_eq!(server.count(), 3);
}

impl Request {
    /// The id in a path of the shop.
    fn id_of_path(&self) -> &str {
        self.path.split('/').nth(2).unwrap_or_default().split('?').next().unwrap_or_default()
    }
}

#[test]
fn two_runs_at_one_service_are_compared_and_events_name_it() {
    let (scene, server) = shop(|request| match request.path.contains("reason=bad") {
        true => Reply::answer(422, r#"{"code":"NO","message":"not today"}"#),
        false => Reply::answer(200, "{}"),
    });
    let long = "x".repeat(128);
    scene.write("one.csv", format!("thing,amount,reason\n1,1,good\n{long},1,bad\nA.b,1,bad\n"));
    scene.write("two.csv", format!("thing,amount\n1,1\n{long},1\nnew,1\n"));
    let events = ["-o", "events.ndjson"];
    scene.call(&[&run_of(&["do", "pay", "one.csv"])[..], &events].concat()).expect(1);
    let text = scene.read("events.ndjson");
    let started: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(started["event"], "run_started");
    assert_eq!(started["service"]["name"], "shop");
    assert_eq!(started["service"]["sha256"].as_str().unwrap().len(), 64);
    scene.call(&run_of(&["do", "pay", "two.csv"])).expect(0);
    let runs: Vec<String> = scene.runs().iter().map(|run| run[..20].to_owned()).collect();
    let mut runs: Vec<&str> = runs.iter().map(String::as_str).collect();
    runs.sort_unstable();
    // Each run has a file of marks beside it.
    runs.dedup();
    let diff = ["report", "diff", runs[0], runs[1], "-o", "changes.csv"];
    scene.call(&diff).expect(0);
    let changes = scene.read("changes.csv");
    let of = |id: &str| changes.lines().find(|line| line.split(',').any(|cell| cell == id));
    let fixed = of(&long).expect("the id stands whole");
    assert!(fixed.contains("failed") && fixed.contains("succeeded"), "{changes}");
    assert!(of("new").is_some() && of("A.b").is_some(), "{changes}");
    scene.write("other.toml", SHOP.replace("URL", &server.url()));
    let other = ["do", "pay", "two.csv", "--service", "other.toml", "--rate", "none"];
    scene.call(&other).expect(0);
    scene.call(&["report", "diff", runs[0], "latest"]).expect(2).says("two services");
}
