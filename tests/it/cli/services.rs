//! Files that describe services: what is wrong with them is told with its line, all at once.

use crate::support::program::{Scene, TOKEN};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A file that is right. Every broken file of the tests is this one with one change.
const RIGHT: &str = r#"format = 1
endpoint = "https://shop.example.com"
auth = "bearer"
about = "the shop"
answer = [
  { status = "200..299", means = "done" },
  { status = 409, code = "ALREADY", means = "unchanged" },
  { status = [404, 422], means = "refused" },
  { status = 429, means = "throttled" },
  { status = 401, means = "unauthorised" },
]
error = { code = "/code", message = ["/message", "/detail"] }
request_id = ["header X-Request-Id"]
[action.on]
method = "POST"
path = "/things/{id}/on"
query = { reason = "{reason=none}" }
headers = { X-Tenant = "shop" }
body = '{"note":"{note=none}"}'
leads_to = "on"
opposite = "off"
[action.off]
method = "DELETE"
path = "/things/{id}/on"
leads_to = "off"
opposite = "on"
[state]
get = { path = "/things/{id}", word = "/power" }
words = { on = ["ON"], off = ["OFF"], changing = ["BOOTING"] }
"#;

/// What is written in the place of what, the line of the first problem, and what is said of it.
const BROKEN: &[(&str, &str, u32, &str)] = &[
    ("format = 1", "", 1, "`format` is missing"),
    ("format = 1", "format = 2", 1, "this version reads format 1, not 2"),
    ("format = 1", "format = 0", 1, "`format` is the number 1"),
    ("format = 1", "format = '1'", 1, "`format` is the number 1"),
    ("format = 1", "format =", 1, "the file is TOML"),
    ("about = \"the shop\"", "about = \"a\"\nabout = \"b\"", 5, "duplicate key"),
    ("about =", "abuot =", 4, "did you mean `about`"),
    ("about = \"the shop\"", "about = ['a']", 4, "`about` is no text"),
    ("about = \"the shop\"", "token = 'hunter2'", 4, "`token` is a secret"),
    ("about = \"the shop\"", "password = 'hunter2'", 4, "--token-file FILE"),
    ("about = \"the shop\"", "ids_per_call = 100", 4, "many ids in one call"),
    ("about = \"the shop\"", "form = 'a'", 4, "bodies that are no JSON"),
    ("about = \"the shop\"", "include = 'a'", 4, "parts of other files"),
    ("about = \"the shop\"", "vars = { a = 1 }", 4, "values of the file's own"),
    ("about = \"the shop\"", "job = { get = '/' }", 4, "jobs that are polled"),
    ("about = \"the shop\"", "hosts = []", 4, "an empty list"),
    ("about = \"the shop\"", "hosts = ['*.example.com']", 4, "is no host"),
    ("about = \"the shop\"", "hosts = ['https://a.example.com']", 4, "is no host"),
    ("about = \"the shop\"", "id = { pattern = '(' }", 4, "regular expression"),
    ("about = \"the shop\"", "id = { pattern = 'a{99}{99}{99}' }", 4, "regular expression"),
    ("about = \"the shop\"", "id = { column = '' }", 4, "names no column"),
    ("about = \"the shop\"", "id = { patern = 'a' }", 4, "did you mean `pattern`"),
    (
        "about = \"the shop\"",
        "counts = { total = '/t', failed = '/f' }",
        4,
        "no rule says `counted`",
    ),
    ("about = \"the shop\"", "counts = { total = '/t' }", 4, "needs two places"),
    ("about = \"the shop\"", "headers = { Authorization = 'x' }", 4, "may set the header"),
    ("about = \"the shop\"", "headers = { Host = 'x' }", 4, "batchctl sets it itself"),
    ("endpoint = \"https://shop.example.com\"", "", 1, "`endpoint` is missing"),
    ("https://shop", "ftp://shop", 2, "neither https nor http"),
    ("https://shop.example.com", "shop", 2, "`endpoint` is no URL"),
    ("https://shop.example", "https://shop\\n.example", 2, "`endpoint` is no URL"),
    ("https://shop", "https://me:pw@shop", 2, "has a user in it"),
    ("example.com\"", "example.com/?a=1\"", 2, "a query or a fragment"),
    ("https://shop", "https://{site}", 2, "only `{region}`"),
    ("example.com\"", "example.com/{region}\"", 2, "a part of the host alone"),
    ("auth = \"bearer\"", "", 1, "`auth` is missing"),
    ("\"bearer\"", "\"oauth\"", 3, "`auth` is `huawei`"),
    ("\"bearer\"", "\"header:\"", 3, "`auth` is `huawei`"),
    ("\"bearer\"", "\"header:X-Tenant\"", 14, "`auth` sets the header `X-Tenant`"),
    ("\"200..299\"", "\"200..600\"", 6, "a number from 200 to 599"),
    ("\"200..299\"", "\"299..200\"", 6, "a number from 200 to 599"),
    ("\"200..299\"", "199", 6, "a number from 200 to 599"),
    ("\"200..299\"", "[]", 6, "an empty list"),
    ("status = \"200..299\", ", "", 6, "`status` is missing"),
    ("means = \"done\"", "means = \"?\"", 6, "say what this answer means: done"),
    ("means = \"done\"", "means = \"dnoe\"", 6, "did you mean `done`"),
    ("means = \"done\"", "means = \"accepted\"", 6, "a job that is polled"),
    ("means = \"done\"", "means = \"counted\"", 6, "needs the table `[counts]`"),
    (", means = \"done\"", "", 6, "`means` is missing"),
    ("means = \"done\"", "means = \"done\", each = \"/a\"", 6, "each id of an answer"),
    ("code = \"ALREADY\"", "code = []", 7, "an empty list"),
    ("code = \"ALREADY\"", "json = { a = 1 }", 7, "begins with `/`"),
    ("code = \"ALREADY\"", "json = { '/a~' = 1 }", 7, "`~` is written `~0`"),
    ("code = \"ALREADY\"", "json = { '/a' = { presnt = true } }", 7, "{ present = true }"),
    ("code = \"ALREADY\"", "text = '(?<a'", 7, "regular expression"),
    ("code = \"ALREADY\"", "body = 'html'", 7, "`body` is `json`"),
    ("code = \"ALREADY\"", "wait = ['Retry-After']", 7, "neither a header nor a place"),
    ("code = \"ALREADY\"", "wait = ['text [0-9]+']", 7, "no group `wait`"),
    ("code = \"ALREADY\"", "asks_to_wait = false", 7, "is `true` or left out"),
    (
        "code = \"ALREADY\"",
        "example = { status = 200 }",
        7,
        "line 7 is taken by the rule in line 6",
    ),
    ("code = \"ALREADY\"", "example = { status = 408 }", 7, "does not match it"),
    ("code = \"/code\"", "code = \"code\"", 12, "begins with `/`"),
    ("error = {", "error = { msg = \"/m\",", 12, "there is no key `msg`"),
    ("header X-Request-Id", "X-Request-Id", 13, "neither a header nor a place"),
    ("header X-Request-Id", "header X Request Id", 13, "no header has such a name"),
    ("[action.on]", "[action.On]", 14, "no name of an action"),
    ("method = \"POST\"", "method = \"GET\"", 15, "cannot only read"),
    ("method = \"POST\"", "method = \"post\"", 15, "`method` is `PUT`"),
    ("/things/{id}/on\"\nquery", "things/{id}/on\"\nquery", 16, "does not begin with `/`"),
    ("/things/{id}/on\"\nquery", "/things//{id}\"\nquery", 16, "an empty segment"),
    ("/things/{id}/on\"\nquery", "/things/{id}/%2E./on\"\nquery", 16, "a segment `.` or `..`"),
    ("/things/{id}/on\"\nquery", "/things/{id}/%zz\"\nquery", 16, "no escape"),
    ("/things/{id}/on\"\nquery", "/things/{id}?a=1\"\nquery", 16, "belongs into `query`"),
    ("/things/{id}/on\"\nquery", "/things/{id}#a\"\nquery", 16, "never sent"),
    ("/things/{id}/on\"\nquery", "/things/{id}/a b\"\nquery", 16, "write it as an escape"),
    ("/things/{id}/on\"\nquery", "/things/on\"\nquery", 14, "has `{id}` in neither"),
    ("/things/{id}/on\"\nquery", "/things/{ids}/on\"\nquery", 16, "many ids in one call"),
    ("/things/{id}/on\"\nquery", "/things/{id\"\nquery", 16, "has no `}`"),
    ("/things/{id}/on\"\nquery", "/things/{id}/{n:number}\"\nquery", 16, "which only a body knows"),
    ("{ reason =", "{ \"{x}\" =", 17, "has a place in it"),
    ("X-Tenant = \"shop\"", "X-Tenant = \"schön\"", 18, "no header may have such a value"),
    ("X-Tenant =", "Cookie =", 18, "may set the header `Cookie`"),
    ("X-Tenant =", "\"X Tenant\" =", 18, "no header has the name"),
    ("'{\"note\":", "'{\"note\"", 19, "the body is no JSON"),
    ("'{\"note\":", "'{\"{note}\":", 19, "has a place in it"),
    ("note=none}", "note", 19, "has no `}`"),
    ("leads_to = \"on\"", "leads_to = \"onn\"", 20, "did you mean `on`"),
    ("leads_to = \"on\"", "", 21, "`opposite` needs `leads_to`"),
    ("leads_to = \"on\"", "repeatable = 1\nleads_to = \"on\"", 20, "`true` or `false`"),
    ("opposite = \"off\"", "opposite = \"of\"", 21, "did you mean `off`"),
    ("opposite = \"off\"", "opposite = \"on\"", 21, "cannot undo itself"),
    ("opposite = \"on\"", "", 21, "has another `opposite`, or none"),
    ("opposite = \"on\"", "opposite = \"on\"\ncontent_type = 'text/plain'", 27, "ends in `/json`"),
    ("[state]\n", "[states]\n", 20, "`leads_to` needs the table `[state]`"),
    ("get = { path = \"/things/{id}\"", "get = { path = \"/things\"", 28, "has `{id}` neither"),
    (", word = \"/power\"", "", 28, "`word` is missing"),
    ("get = {", "bet = {", 27, "neither `get` nor `list`"),
    ("get = {", "batch = 1\nget = {", 28, "many ids in one call"),
    ("get = {", "believed_after = '3 days'\nget = {", 28, "no span up to `1h`"),
    ("off = [\"OFF\"]", "off = [\"on\"]", 29, "stands for `on` already"),
    ("changing = [\"BOOTING\"]", "unknown = [\"X\"]", 29, "batchctl's own"),
    ("changing = [\"BOOTING\"]", "to_mars = [\"X\"]", 29, "leads to no word"),
    ("changing = [\"BOOTING\"]", "Booting = [\"X\"]", 29, "is no word for a state"),
    ("words = {", "wordz = {", 27, "`words` is missing"),
];

/// Returns what is wrong with what is said of a broken file.
fn check_broken(scene: &Scene, text: &str, line: u32, expected: &str) -> Option<String> {
    scene.write("shop.toml", text);
    let ended = scene.call(&["service", "check", "shop.toml"]);
    let first = ended.stderr.lines().next().unwrap_or_default();
    let is_right = ended.code == Some(2)
        && first.starts_with(&format!("shop.toml:{line}:"))
        && ended.stderr.contains(expected)
        && !ended.stderr.contains("hunter2")
        && ended.stdout.is_empty();
    (!is_right).then(|| format!("line {line}, {expected}: {}", ended.stderr))
}

#[test]
fn each_broken_file_says_its_line_and_what_to_write() {
    let scene = Scene::new();
    scene.write("shop.toml", RIGHT);
    scene.call(&["service", "check", "shop.toml"]).expect(0).prints("2 actions (on, off)");
    assert!(BROKEN.len() >= 80, "{}", BROKEN.len());
    let check = |(old, new, line, expected): &(&str, &str, u32, &str)| {
        let text = RIGHT.replacen(old, new, 1);
        assert_ne!(text, RIGHT, "{old}");
        check_broken(&scene, &text, *line, expected)
    };
    let wrong: Vec<String> = BROKEN.iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let scene = Scene::new();
    scene
        .write("a.toml", RIGHT.replace("means = \"done\"", "means = \"?\"").replace("POST", "GET"));
    scene.write("b.toml", RIGHT);
    scene.write("c.toml", RIGHT.replace("bearer", "none at all"));
    let ended = scene.call(&["service", "check", "a.toml", "b.toml", "c.toml"]).expect(2);
    let ended = ended
        .says("a.toml:6:")
        .says("a.toml:15:")
        .says("c.toml:3:")
        .says("3 problems in 2 of 3 files");
    assert!(ended.stdout.starts_with("b.toml: 2 actions"), "{}", ended.stdout);
}

#[test]
fn an_answer_that_no_rule_is_for_is_warned_of() {
    let scene = Scene::new();
    let open = RIGHT.replace("  { status = 429, means = \"throttled\" },\n", "");
    scene.write("shop.toml", open);
    let ended = scene.call(&["service", "check", "shop.toml"]).expect(0);
    ended.says("shop.toml:13:").says("warning: no rule of `on` is for 429");
    let hidden = RIGHT.replace("status = 409, code = \"ALREADY\"", "status = \"400..599\"");
    scene.write("shop.toml", hidden.replace("means = \"unchanged\"", "means = \"refused\""));
    let ended = scene.call(&["service", "check", "shop.toml"]).expect(0);
    ended.says("the rule in line 8 never matches `on`: the one in line 7 takes its answers");
}

#[test]
fn a_service_is_found_by_its_name_or_its_file() {
    let scene = Scene::new();
    scene.write(".config/batchctl/services/shop.toml", RIGHT);
    scene.write("here.toml", RIGHT);
    assert_eq!(scene.call(&["service", "show", "shop"]).expect(0).stdout, RIGHT);
    assert_eq!(scene.call(&["service", "show", "here.toml"]).expect(0).stdout, RIGHT);
    assert_eq!(scene.call(&["service", "show", "./here.toml"]).expect(0).stdout, RIGHT);
    let vias = scene.call(&["service", "show", "vias"]).expect(0).stdout;
    scene.write("vias.toml", &vias);
    scene.call(&["service", "check", "vias.toml"]).expect(0).prints("2 actions (start, stop)");
    scene.call(&["service", "show", "shopp"]).expect(2).says("did you mean `shop`");
    scene.call(&["service", "show", "other"]).expect(2).says("services/other.toml");
    scene.call(&["service", "show", "Shop"]).expect(2).says("neither the name of a service");
    scene.call(&["service", "show", "missing.toml"]).expect(2).says("cannot read `missing.toml`");
}

#[test]
fn services_are_listed_with_what_they_can_do() {
    let scene = Scene::new();
    scene.write(".config/batchctl/services/shop.toml", RIGHT);
    scene.write(".config/batchctl/services/broken.toml", "format = 1");
    scene.write(".config/batchctl/services/notes.txt", "no service");
    let ended = scene.call(&["service", "list"]).expect(0);
    assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stdout);
    let ended = ended
        .prints("shop,")
        .prints("https://shop.example.com,on off,id,the shop")
        .prints("vias,,");
    ended.says("batchctl service check").says("broken.toml");
    let json = scene.call(&["service", "list", "--json"]).expect(0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["name"], "vias");
    assert_eq!(rows[0]["file"], serde_json::Value::Null);
    assert_eq!(rows[1]["actions"], serde_json::json!(["on", "off"]));
}

#[test]
fn a_file_that_others_can_change_is_not_read() {
    let scene = Scene::new();
    let services = ".config/batchctl/services";
    scene.write(&format!("{services}/shop.toml"), RIGHT);
    let set_mode = |name: &str, mode: u32| {
        fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for mode in [0o666, 0o620, 0o602] {
        set_mode(&format!("{services}/shop.toml"), mode);
        let ended = scene.call(&["service", "show", "shop"]).expect(2);
        ended.says("others may change").says("chmod go-w ");
    }
    set_mode(&format!("{services}/shop.toml"), 0o644);
    set_mode(services, 0o777);
    let ended = scene.call(&["service", "show", "shop"]).expect(2);
    ended.says("others may change").says("chmod go-w ");
    // A file that is named by its path is judged by itself, and by where a link leads.
    scene.write("open.toml", RIGHT);
    set_mode("open.toml", 0o666);
    std::os::unix::fs::symlink("open.toml", scene.path("link.toml")).unwrap();
    scene.call(&["service", "check", "link.toml"]).expect(2).says("others may change");
}

#[test]
fn what_is_no_file_of_text_is_refused_at_once() {
    let scene = Scene::new();
    scene.write("large.toml", format!("{RIGHT}# {}", "x".repeat(256 << 10)));
    scene.write("latin.toml", b"# \xe4\n");
    fs::create_dir(scene.path("folder.toml")).unwrap();
    for (file, expected) in [
        ("large.toml", "larger than 256 KiB"),
        ("latin.toml", "is no UTF-8"),
        ("folder.toml", "is no regular file"),
        ("/dev/zero", "is no regular file"),
    ] {
        scene.call(&["service", "check", file]).expect(2).says(expected);
    }
}

/// A home with the file of a service, and the service.
fn shop(auth: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Scene, Server) {
    let server = Server::start(reply);
    let mut scene = Scene::new();
    // The address of VIAS and its project must not count for another service.
    scene.set("BATCHCTL_ENDPOINT", "https://vias.example.com");
    scene.set("BATCHCTL_TOKEN", TOKEN);
    let text = RIGHT.replace("https://shop.example.com", &server.url());
    scene.write("shop.toml", text.replace("\"bearer\"", &format!("\"{auth}\"")));
    (scene, server)
}

const TRY: [&str; 6] = ["service", "try", "shop.toml", "42", "--action", "on"];

#[test]
fn a_trial_makes_the_one_call_that_its_dry_run_shows() {
    let (scene, server) = shop("bearer", |_| Reply::answer(200, "{\"power\":\"ON\"}"));
    let with_note = [&TRY[..], &["--set", "note=say \"hi\""]].concat();
    let dry = scene.call(&[&with_note[..], &["-n"]].concat()).expect(0);
    assert_eq!(server.count(), 0);
    let ended = scene.call(&with_note).expect(0);
    assert!(ended.stdout.starts_with(&dry.stdout), "{}\n{}", dry.stdout, ended.stdout);
    let ended = ended.prints("HTTP 200").prints("done: the rule in line 6 of shop.toml");
    assert!(!ended.stdout.contains(TOKEN) && !ended.stderr.contains(TOKEN));
    let [request] = &server.requests()[..] else { panic!("one call: {:?}", server.requests()) };
    let line = (request.method.as_str(), request.path.as_str());
    assert_eq!(line, ("POST", "/things/42/on?reason=none"));
    assert_eq!(request.body, "{\"note\":\"say \\\"hi\\\"\"}");
    assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["content-length"], request.body.len().to_string());
    assert_eq!(request.headers["x-tenant"], "shop");
    assert!(!request.headers.contains_key("x-auth-token"));
}

#[test]
fn credentials_go_where_the_file_says_and_no_token_is_shown() {
    let cases = [
        ("huawei", Some(("x-auth-token", TOKEN))),
        ("header:X-Api-Key", Some(("x-api-key", TOKEN))),
        ("basic", Some(("authorization", "Basic TUlJRitzZWNyZXQvdG9rZW49PQ=="))),
        ("none", None),
    ];
    for (auth, expected) in cases {
        // The service echoes all it was sent.
        let (scene, server) =
            shop(auth, |request| Reply::answer(404, format!("{:?}", request.headers)));
        let ended = scene.call(&TRY).expect(1);
        for secret in [TOKEN, "TUlJRitzZWNyZXQvdG9rZW49PQ"] {
            assert!(!ended.stdout.contains(secret), "{auth}: {}", ended.stdout);
        }
        let headers = &server.requests()[0].headers;
        let sent = ["x-auth-token", "x-api-key", "authorization"];
        for name in sent {
            let wanted = expected.filter(|(header, _)| *header == name).map(|(_, value)| value);
            assert_eq!(headers.get(name).map(String::as_str), wanted, "{auth}: {name}");
        }
    }
}

#[test]
fn a_call_without_a_body_says_so_and_a_redirect_is_not_followed() {
    let (scene, server) = shop("bearer", |_| {
        Reply::answer(307, "").with_header("Location", "http://127.0.0.1:1/elsewhere")
    });
    let ended = scene.call(&["service", "try", "shop.toml", "42", "--action", "off"]).expect(1);
    ended.prints("HTTP 307").prints("in_doubt: no rule of shop.toml is for this answer");
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("DELETE", "/things/42/on"));
    assert_eq!(request.headers["content-length"], "0");
    assert!(!request.headers.contains_key("content-type"));
}

#[test]
fn a_trial_says_what_an_answer_means() {
    for (status, body, code, expected) in [
        (409, "{\"code\":\"ALREADY\"}", 0, "unchanged: the rule in line 7"),
        (422, "{\"code\":\"X\",\"message\":\"no such thing\"}", 1, "message: no such thing"),
        (401, "", 77, "unauthorised: the rule in line 10"),
        (500, "oops", 1, "in_doubt: no rule"),
        (200, "<html>hello</html>", 1, "in_doubt: no rule"),
    ] {
        let (scene, _server) = shop("bearer", move |_| Reply::answer(status, body));
        scene.call(&TRY).expect(code).prints(expected);
    }
    let (scene, server) = shop("bearer", |_| Reply::answer(200, ""));
    drop(server);
    scene.call(&TRY).expect(1).prints("no answer: ").prints("nothing was sent");
}

#[test]
fn a_trial_that_cannot_be_made_sends_nothing() {
    let (scene, server) = shop("bearer", |_| Reply::answer(200, ""));
    let refused = |more: &[&str], code: i32, expected: &str| {
        let ended = scene.call(&[&TRY[..], more].concat()).expect(code);
        ended.says(expected);
    };
    refused(&["--set", "note=a\nb"], 65, "`note` cannot stand in the body");
    refused(&["--set", "note"], 2, "COLUMN=VALUE");
    refused(&["--set", "note=a", "--set", "nite=b"], 2, "has no column `nite`, so `--set`");
    refused(&["--set", "nite=b"], 2, "hint: it has note");
    refused(&["--set", "note=a", "--set", "note=b"], 2, "gives the column `note` twice");
    refused(&["--sandbox"], 2, "batchctl sandbox --service FILE");
    refused(&["--iam-user", "me"], 2, "takes a token alone");
    let call = |words: &[&str], code: i32, expected: &str| {
        scene.call(&[&["service", "try", "shop.toml"], words].concat()).expect(code).says(expected);
    };
    call(&["42"], 2, "more than one action");
    call(&["42", "--action", "of"], 2, "it has on, off");
    call(&["a/b", "--action", "on"], 65, "does not match");
    call(&["..", "--action", "on"], 65, "never ids");
    assert_eq!(server.count(), 0);
}

#[test]
fn logins_and_keys_of_huawei_cloud_stay_away_from_other_hosts() {
    let (mut scene, server) = shop("bearer", |_| Reply::answer(200, ""));
    scene.unset("BATCHCTL_TOKEN");
    scene.set("HUAWEICLOUD_SDK_AK", "access-key-1");
    scene.set("HUAWEICLOUD_SDK_SK", "secret-key-of-the-test");
    scene.call(&TRY).expect(77).says("there is no token");
    assert_eq!(server.count(), 0);
    let text = scene.read("shop.toml").replace("\"bearer\"", "\"huawei\"");
    scene.write("shop.toml", text.replace(&server.url(), "https://shop.example.com"));
    scene.call(&TRY).expect(77).says("there is no token");
    // This machine is where a rehearsal runs, and a key signs the body as well.
    scene.write("shop.toml", text);
    scene.call(&TRY).expect(0);
    let headers = &server.requests()[0].headers;
    let signed = "SignedHeaders=content-type;host;x-sdk-date,";
    assert!(headers["authorization"].contains(signed), "{headers:?}");
}

#[test]
fn a_curl_command_becomes_a_file_that_calls_the_same() {
    let (scene, server) = shop("bearer", |_| Reply::answer(200, "{}"));
    let line = format!(
        "curl -X POST {}/things/42/on -H 'Authorization: Bearer {TOKEN}' -d '{{\"note\":\"hi\"}}'",
        server.url()
    );
    let import = ["service", "import", "--curl", &line, "--id", "42", "-o", "new.toml"];
    let ended = scene.call(&import).expect(0);
    let ended = ended.says("`Authorization` was left out").says("service check new.toml");
    assert!(!ended.stderr.contains(TOKEN));
    assert_eq!(ended.stdout, "");
    let text = scene.read("new.toml");
    assert!(!text.contains(TOKEN), "{text}");
    let ended = scene.call(&["service", "check", "new.toml"]).expect(2);
    ended.says("say what this answer means").says("6 problems in 1 of 1 file");
    scene.call(&import).expect(2).says("`new.toml` is there already");
    let answers = ["done", "unauthorised", "refused", "refused", "throttled", "transient"];
    let filled =
        answers.iter().fold(text, |text, means| text.replacen("\"?\"", &format!("\"{means}\""), 1));
    scene.write("filled.toml", filled);
    scene.call(&["service", "check", "filled.toml"]).expect(0).prints("1 action (on)");
    scene.call(&["service", "try", "filled.toml", "43"]).expect(0).prints("done: the rule");
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/things/43/on"));
    assert_eq!(request.body, "{\"note\":\"hi\"}");
    assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
    // The secret of a command on standard input is in no list of processes.
    let from_stdin = ["service", "import", "--curl", "-", "--id", "42"];
    let ended = scene.call_with_input(&from_stdin, line.as_bytes()).expect(0);
    ended.prints("path = \"/things/{id}/on\"");
}

const OPENAPI: &str = r##"openapi: "3.1.0"
info: { title: Things, version: 1.0.0 }
servers:
  - url: https://things.example.com/api
paths:
  /things/{thing}/power:
    put:
      operationId: setPower
      parameters:
        - { name: thing, in: path, required: true, schema: { type: string } }
      requestBody:
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Power" }
      responses:
        200: { description: It is set }
        409: { description: "It is: busy" }
        default: { description: any other }
components:
  schemas:
    Power:
      type: object
      required: [power]
      properties:
        power: { type: string }
        mode: { type: string, enum: [no, yes] }
"##;

#[test]
fn an_operation_of_openapi_becomes_a_file_that_can_be_tried() {
    let scene = Scene::new();
    scene.write("things.yaml", OPENAPI);
    let import = ["service", "import", "things.yaml", "--operation", "setPower"];
    let text = scene.call(&import).expect(0).stdout;
    assert!(text.contains("# It is: busy\nstatus = 409"), "{text}");
    scene.write("things.toml", text.replace("\"?\"", "\"refused\""));
    let dry = ["service", "try", "things.toml", "7", "--set", "power=on", "--dry-run"];
    let shown = scene.call(&dry).expect(0).stdout;
    let expected = "PUT https://things.example.com/api/things/7/power\n  Content-Type: \
                    application/json\n  {\"power\":\"on\"}\n";
    assert_eq!(shown, expected);
    let import = |words: &[&str]| scene.call(&[&["service", "import"], words].concat()).expect(2);
    import(&["things.yaml", "--operation", "setPowr"]).says("did you mean `setPower`");
    import(&["things.yaml"]).says("--operation");
    import(&["missing.yaml", "--operation", "a"]).says("cannot read `missing.yaml`");
    scene.write("bad.yaml", "a: [1, 2");
    import(&["bad.yaml", "--operation", "a"]).says("neither YAML nor JSON");
    import(&["--curl", "curl -X PUT https://a.example/42"]).says("--id");
    import(&[]).says("Usage");
}
