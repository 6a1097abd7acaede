//! `batchctl sandbox --service`, called by `service try`: files, imported or shipped, are rehearsed.

use crate::support::documents::{column, results};
use crate::support::program::{Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A sandbox that serves a file, and a scene that calls it.
struct Rehearsal {
    scene: Scene,
    sandbox: Running,
    url: String,
}

impl Rehearsal {
    fn new(scene: Scene, file: &str, flags: &[&str]) -> Self {
        let serve = ["sandbox", "--service", file, "--latency", "0ms"];
        let mut sandbox = scene.start(&[&serve, flags].concat());
        let mut url = String::new();
        BufReader::new(sandbox.stdout()).read_line(&mut url).unwrap();
        Self { scene, sandbox, url: url.trim().to_owned() }
    }

    /// Makes one call by a file, and checks its exit status and what is said of it.
    #[track_caller]
    fn check(&self, file: &str, words: &[&str], code: i32, expected: &str) {
        let call = [&["service", "try", file], words, &["--endpoint", &self.url]].concat();
        self.scene.call(&call).expect(code).prints(expected);
    }

    /// Ends the sandbox as an operator does.
    fn end(self) -> Scene {
        self.sandbox.signal(Signal::TERM);
        let ended = self.sandbox.ended().expect(0);
        assert_eq!(ended.stderr, "");
        self.scene
    }
}

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN", "a-token-of-the-test");
    scene
}

fn copy(scene: &Scene, file: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = Path::new(file).file_name().unwrap().to_str().unwrap();
    scene.write(name, std::fs::read(root.join(file)).unwrap());
}

#[test]
fn a_shipped_file_is_rehearsed_with_an_ending_for_each_meaning() {
    let scene = scene();
    copy(&scene, "examples/services/generic-rest.toml");
    let file = "generic-rest.toml";
    let rehearsal = Rehearsal::new(scene, file, &["--access-log", "access.log"]);
    for (id, code, expected) in [
        ("1", 0, "done: the rule in line"),
        ("1", 0, "unchanged: the rule in line"),
        ("2-refused", 1, "message: this action is not allowed"),
        ("2-unchanged", 0, "unchanged: the rule"),
        ("2-throttled", 1, "throttled: the rule"),
        ("2-throttled", 0, "done: the rule"),
        ("2-transient", 1, "transient: the rule"),
        ("2-unauthorised", 77, "unauthorised: the rule"),
        ("2-gone", 1, "refused: the rule"),
        ("2-doubt", 1, "in_doubt: no rule"),
        ("2-garbled", 1, "in_doubt: no rule"),
        ("2-drop", 1, "no answer: "),
    ] {
        rehearsal.check(file, &[id, "--action", "on"], code, expected);
    }
    let scene = rehearsal.end();
    let log = scene.read("access.log");
    let lines: Vec<&str> = log.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    assert_eq!(lines[0], "POST\t1\ton\t200");
    assert_eq!(lines[11], "POST\t2-drop\ton\tdrop");
}

#[test]
fn nova_is_rehearsed_with_its_own_words() {
    let scene = scene();
    copy(&scene, "examples/services/nova-servers.toml");
    let file = "nova-servers.toml";
    let id = "9168b536-cd40-4630-b43f-b259807c6e87";
    let rehearsal = Rehearsal::new(scene, file, &["--running", "100%"]);
    for (action, expected) in [
        ("start", "unchanged: the rule in line"),
        ("stop", "done: the rule in line"),
        ("stop", "message: vm_state stopped"),
        ("start", "done: the rule in line"),
    ] {
        rehearsal.check(file, &[id, "--action", action], 0, expected);
    }
    rehearsal.end();
}

/// Returns the outcome of each task of a run, by its id.
fn outcomes(scene: &Scene) -> Vec<String> {
    let rows = results(&scene.read("results.csv"));
    let pairs = column(&rows, "id").into_iter().zip(column(&rows, "outcome"));
    pairs.map(|(id, outcome)| format!("{id} {outcome}")).collect()
}

#[test]
fn the_built_in_client_agrees_with_the_service_that_the_file_of_vias_describes() {
    let flags = ["--tasks", "30", "--settle", "0s", "--limit", "50/s", "--running", "100%"];
    let mut rehearsal = Rehearsal::new(scene(), "vias", &flags);
    rehearsal.scene.set("BATCHCTL_ENDPOINT", &rehearsal.url);
    rehearsal.scene.set("BATCHCTL_PROJECT_ID", "project-1");
    let ids = ["gate-1", "2-refused", "3-partial", "4-failed", "5-throttled", "6-flaky"];
    rehearsal.scene.write("tasks.txt", ids.join("\n"));
    let scene = &rehearsal.scene;
    let stop = ["stop", "tasks.txt", "--rate", "none", "-q", "-o", "results.csv"];
    scene.call(&stop).expect(1);
    let expected = [
        "gate-1 succeeded",
        "2-refused failed",
        "3-partial partial",
        "4-failed failed",
        "5-throttled succeeded",
        "6-flaky succeeded",
    ];
    assert_eq!(outcomes(scene), expected);
    let listed = scene.call(&["list", "--state", "stopped"]).expect(0).stdout;
    assert_eq!(listed.lines().count(), 6, "{listed}");
    assert_eq!(scene.call(&["list", "--state", "running"]).expect(0).stdout.lines().count(), 32);
    scene.call(&[&stop[..], &["--skip-unchanged"]].concat()).expect(1);
    let unchanged: Vec<_> =
        outcomes(scene).into_iter().filter(|line| !line.ends_with("unchanged")).collect();
    assert_eq!(unchanged, ["2-refused failed"]);
    rehearsal.end();
}

/// Imports a file, and fills in what its answers mean.
fn imported(scene: &Scene, words: &[&str], file: &str, meanings: &[&str]) {
    let draft = [&["service", "import"], words].concat();
    let text = scene.call(&draft).expect(0).stdout;
    let filled = meanings.iter().fold(text, |text, means| {
        assert!(text.contains("means = \"?\""), "{text}");
        text.replacen("means = \"?\"", &format!("means = \"{means}\""), 1)
    });
    scene.write(file, filled);
    scene.call(&["service", "check", file]).expect(0);
}

const CURL: &str = "curl -X PUT 'https://fleet.example.com/v1/vehicles/v-9/status?notify=true' \
    -H 'Authorization: Bearer abc' -H 'X-Fleet: north' -d '{\"status\":\"active\",\"since\":7}'";

#[test]
fn imported_files_call_as_their_documents_say_once_their_meanings_are_filled_in() {
    let scene = scene();
    copy(&scene, "tests/it/openapi/fleet.yaml");
    copy(&scene, "tests/it/openapi/lamps.json");
    let both = ["fleet.yaml", "--operation", "setVehicleStatus", "--operation", "deleteVehicle"];
    let meanings = ["done", "unauthorised", "gone", "unchanged", "throttled"];
    let meanings = [&meanings[..], &["done", "unauthorised", "gone", "throttled"]].concat();
    imported(&scene, &both, "fleet.toml", &meanings);
    let meanings = ["done", "unauthorised", "gone", "throttled", "transient", "refused"];
    imported(&scene, &["lamps.json", "--operation", "dimLamp"], "lamps.toml", &meanings);
    let meanings = ["done", "unauthorised", "gone", "unchanged", "throttled", "transient"];
    imported(&scene, &["--curl", CURL, "--id", "v-9"], "curl.toml", &meanings);
    let set = ["--set", "notify=true", "--set", "X-Fleet=north", "--set", "status=active"];
    let vehicle = [&["v-1", "--action", "set_vehicle_status", "--set", "since=5"], &set[..]];
    let rehearsal = Rehearsal::new(scene, "fleet.toml", &[]);
    rehearsal.check("fleet.toml", &vehicle.concat(), 0, "{\"id\":\"v-1\",\"status\":\"active\"}");
    let delete = ["v-1", "--action", "delete_vehicle"];
    rehearsal.check("fleet.toml", &delete, 0, "HTTP 204");
    let lamps = Rehearsal::new(rehearsal.end(), "lamps.toml", &[]);
    let dim = ["l-1", "--set", "level=7", "--set", "on=true"];
    lamps.check("lamps.toml", &dim, 0, "done: the rule");
    let curl = Rehearsal::new(lamps.end(), "curl.toml", &[]);
    curl.check("curl.toml", &["v-10"], 0, "done: the rule");
    curl.end();
}

#[test]
fn flags_of_the_sandbox_that_mean_nothing_to_a_service_are_refused() {
    let scene = scene();
    copy(&scene, "examples/services/nova-servers.toml");
    copy(&scene, "examples/services/vias.toml");
    let bare = "format = 1\nendpoint = 'https://a.example'\nauth = 'none'\nanswer = [{ status = \
                200, means = 'done' }]\n[action.on]\nmethod = 'PUT'\npath = '/{id}'\n";
    scene.write("bare.toml", bare);
    for (file, flags, expected) in [
        ("nova-servers.toml", &["--tasks", "5"][..], "no `[state.list]`"),
        ("nova-servers.toml", &["--partial", "5%"], "no `[counts]`"),
        ("nova-servers.toml", &["--sub-tasks", "1..2"], "no `[counts]`"),
        ("nova-servers.toml", &["--own-project", "a"], "nobody logs in"),
        ("nova-servers.toml", &["--token-life", "5s"], "nobody logs in"),
        ("nova-servers.toml", &["--auth", "signature"], "no such credentials"),
        ("vias.toml", &["--auth", "token"], "no such credentials"),
        ("bare.toml", &["--settle", "1s"], "no `[state]`"),
        ("bare.toml", &["--running", "5%"], "no `[state]`"),
        ("missing.toml", &[], "cannot read `missing.toml`"),
        ("shopp", &[], "there is no service `shopp`"),
    ] {
        let call = [&["sandbox", "--service", file], flags].concat();
        scene.call(&call).expect(2).says(expected);
    }
    scene.write("bare.toml", bare.replace("means = 'done'", "means = '?'"));
    let ended = scene.call(&["sandbox", "--service", "bare.toml"]).expect(2);
    ended.says("bare.toml:4:").says("1 problem in `bare.toml`");
}

/// A service with one place of each kind.
const PLACES: &str = r#"format = 1
endpoint = "URL"
auth = "none"
answer = [{ status = "200..299", means = "done" }]
[action.on]
method = "POST"
path = "/v1/{site=depot}/things/{id}/on"
query = { reason = "{reason=none}", fixed = "a b" }
headers = { X-Note = "{note=none}" }
body = '{"text":"{text=none}","fixed":[true]}'
"#;

/// Values that would change a request if they were put into it as they are.
fn hostile_values() -> Vec<String> {
    let plain = [
        "a\"b",
        "\"",
        "'",
        "\\",
        "\\\"",
        "\\u0022",
        "`",
        "{",
        "}",
        "{}",
        "{id}",
        "{{id}}",
        "${HOME}",
        "$(id)",
        "[",
        "]",
        "a,b",
        "a:b",
        "null",
        "true",
        "7",
        "-",
        ".",
        "..",
        "...",
        "../admin",
        "%2e%2e%2f",
        "%2e%2e",
        "%00",
        "%",
        "%zz",
        "a/b",
        "/",
        "a\\b",
        "?a=1",
        "&admin=true",
        "#top",
        ";x=1",
        "a=b",
        "a+b",
        "a b",
        " a",
        "a ",
        "\",\"admin\":true,\"x\":\"",
        "\"}",
        "x\r\nHost: b",
        "a\nb",
        "a\rb",
        "a\tb",
        "\u{1b}[31m",
        "\u{7f}",
        "ä",
        "日本",
        "\u{202e}abc",
        "\u{feff}",
        "\u{2028}",
        "e\u{301}",
        "😀",
        "<script>",
        "=cmd()",
        "*",
        "|",
        "^",
        "@",
        "http://evil.example/",
        "//evil.example",
        "text ; DROP TABLE",
    ];
    let long = ["x".repeat(900), "\"".repeat(2_000), "y".repeat(60 << 10)];
    plain.into_iter().map(str::to_owned).chain(long).collect()
}

/// Returns what a request holds in each place, or what is wrong with its shape.
fn places(request: &Request) -> Result<[String; 4], String> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (path, query) = request.path.split_once('?').ok_or("no query")?;
    let ["", "v1", site, "things", "42", "on"] = path.split('/').collect::<Vec<_>>()[..] else {
        return Err(format!("another path: {path}"));
    };
    let fields: Vec<_> = query.split('&').filter_map(|field| field.split_once('=')).collect();
    let [("reason", reason), ("fixed", "a%20b")] = fields[..] else {
        return Err(format!("another query: {query}"));
    };
    let known = [
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-note",
    ];
    if let Some(other) = request.headers.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("another header: {other}"));
    }
    let body: Value = serde_json::from_str(&request.body).map_err(|error| error.to_string())?;
    let text = body["text"].as_str().ok_or("no text")?;
    // Compared as text as well, because a name that stands twice is one after it is read.
    let whole = json!({"text": text, "fixed": [true]});
    if body != whole || request.body.matches("\"fixed\":").count() != 1 {
        return Err(format!("another body: {}", request.body));
    }
    let note = request.headers.get("x-note").ok_or("no header")?;
    Ok([plain(site), plain(reason), note.clone(), text.to_owned()])
}

#[test]
fn hostile_values_stay_unchanged_in_their_places_or_are_refused() {
    let server = Server::start(|_| Reply::answer(200, "{}"));
    let scene = Scene::new();
    scene.write("places.toml", PLACES.replace("URL", &server.url()));
    let values = hostile_values();
    assert!(values.len() >= 60);
    let usual = ["depot", "none", "none", "none"];
    let mut wrong = Vec::new();
    let mut sent = [0; 4];
    for value in &values {
        for (place, column) in ["site", "reason", "note", "text"].iter().enumerate() {
            let before = server.count();
            let set = format!("{column}={value}");
            let ended = scene.call(&["service", "try", "places.toml", "42", "--set", &set]);
            let requests = server.requests();
            let is_right = match (ended.code, &requests[before..]) {
                (Some(0), [request]) => {
                    sent[place] += 1;
                    let mut expected = usual.map(str::to_owned);
                    expected[place].clone_from(value);
                    request.method == "POST" && places(request) == Ok(expected)
                }
                (Some(65), []) => true,
                (_, _) => false,
            };
            if !is_right {
                let shown: String = value.chars().take(40).collect();
                wrong.push(format!("{column}={shown:?}: {:?} {}", ended.code, ended.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A body takes nearly everything, a header the least.
    assert!(
        sent[3] > sent[0] && sent[1] > sent[2] && sent.iter().all(|&sent| sent > 30),
        "{sent:?}"
    );
}
