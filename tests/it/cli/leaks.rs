//! Canaries: secrets of every kind are echoed by a service in every spelling, and then nothing that
//! the program wrote, started or called may hold one.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

/// The secrets, by their variables.
const CANARIES: [(&str, &str); 4] = [
    ("BATCHCTL_TOKEN", "canary+token/MIIF-0123456789=="),
    ("BATCHCTL_IAM_PASSWORD", "canary&password>\"1"),
    ("HUAWEICLOUD_SDK_SK", "canarySecretKey0123456789abcdef"),
    ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "canary?security#token"),
];

/// Returns a text as it is, in base64, and in a URL.
fn spellings(secret: &str) -> Vec<String> {
    let encoded = |write: fn(u8) -> String| secret.bytes().map(write).collect();
    vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("me:{secret}")),
        URL_SAFE_NO_PAD.encode(secret),
        encoded(|byte| format!("%{byte:02X}")),
        encoded(|byte| format!("%{byte:02x}")),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
    ]
}

fn all_spellings() -> Vec<String> {
    CANARIES.iter().flat_map(|(_, secret)| spellings(secret)).collect()
}

/// What must be found nowhere: the spellings, as they are and as JSON has them.
fn needles() -> Vec<String> {
    let mut needles = all_spellings();
    let escaped = |text: &String| json!(text).to_string().trim_matches('"').to_owned();
    needles.extend(all_spellings().iter().map(escaped));
    // The first and last bits of base64 stand with those of a neighbour.
    needles.extend(CANARIES.iter().map(|(_, s)| STANDARD.encode(format!("me:{s}"))[4..20].into()));
    needles
}

#[track_caller]
fn check_absent(place: &str, content: &[u8]) {
    for needle in needles() {
        let found = content.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!found, "`{needle}` is in {place}: {}", String::from_utf8_lossy(content));
    }
}

/// Echoes one spelling, which the id tells, in every field there is.
fn echo(request: &Request) -> Reply {
    let (place, number) = request.id.split_once('-').unwrap();
    let text = all_spellings()[number.parse::<usize>().unwrap()].clone();
    let said = format!("you sent {text} to us");
    match place {
        "error" => Reply::answer(
            400,
            json!({
                "error_code": text, "error_msg": said, "detail": said, "reason": said,
                "advice": said, "request_id": text, "params": [text],
            })
            .to_string(),
        )
        .with_header("x-request-id", &text),
        "list" => Reply::answer(
            200,
            json!({
                "total_count": 1, "failed_count": 1, "succeed_count": 0, "id": request.id,
                "error_list": [said],
            })
            .to_string(),
        ),
        "page" => Reply::answer(200, format!("<html>{text}</html>")),
        "else" => Reply::answer(302, "").with_header("location", &format!("https://x/?{text}")),
        other => panic!("no echo for {other}"),
    }
}

#[test]
fn a_canary_that_the_service_echoes_is_found_nowhere() {
    let server = Server::start(echo);
    let mut scene = Scene::with(&server);
    for (variable, secret) in CANARIES {
        scene.set(variable, secret);
    }
    let count = all_spellings().len();
    let ids = |place: &str| (0..count).map(|n| format!("{place}-{n}\n")).collect::<String>();
    scene.write("tasks.txt", ["error", "list", "page", "else"].map(ids).concat());
    let flags = ["--rate", "none", "--max-attempts", "1", "--max-failures", "100%", "-vvv"];
    let kinds = ["a.csv", "a.json", "a.html", "a.md", "a.xml", "a.prom", "a.ndjson"];
    let documents = kinds.into_iter().flat_map(|name| ["-o", name]);
    let documents: Vec<&str> = documents.chain(["--log-file", "a.log"]).collect();
    let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..], &documents].concat()).expect(1);
    assert_eq!(server.count(), 4 * count);
    assert!(scene.read("a.csv").contains("you sent [token] to us"));
    check_absent("standard output", ended.stdout.as_bytes());
    check_absent("standard error", ended.stderr.as_bytes());
    for command in [&["report"][..], &["report", "--json"], &["runs", "show"], &["runs", "list"]] {
        check_absent("a report", scene.call(command).stdout.as_bytes());
    }
    let files = scene.all_files();
    assert!(files.iter().any(|(path, _)| path.ends_with("a.log")));
    for (path, content) in files {
        check_absent(&path.display().to_string(), &content);
    }
}

#[test]
fn a_command_and_the_list_of_processes_see_no_secret_and_nobody_can_dump_one() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    let outside = tempfile::tempdir().unwrap();
    let token = outside.path().join("token");
    std::fs::write(&token, CANARIES[0].1).unwrap();
    for (variable, secret) in &CANARIES[1..] {
        scene.set(variable, secret);
    }
    scene.unset("BATCHCTL_TOKEN");
    let look = format!(
        "tr '\\0' '\\n' < /proc/self/environ > seen.environ; \
         tr '\\0' ' ' < /proc/$PPID/cmdline > seen.cmdline; \
         cat /proc/$PPID/limits > seen.limits; cat {}",
        token.display()
    );
    scene.set("BATCHCTL_TOKEN_COMMAND", &look);
    let script = "ulimit -c \"$(ulimit -H -c)\"; exec \"$0\" stop --id gate-1";
    let ended = scene.start_in_shell(script).ended().expect(0);
    check_absent("standard error", ended.stderr.as_bytes());
    assert_eq!(server.requests()[0].headers["x-auth-token"], CANARIES[0].1);
    assert!(scene.read("seen.cmdline").contains("stop --id gate-1"));
    let limits = scene.read("seen.limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    assert!(scene.read("seen.environ").contains("PATH="));
    for (path, content) in scene.all_files() {
        check_absent(&path.display().to_string(), &content);
    }
}

#[test]
fn what_was_typed_wrong_is_not_repeated_with_its_password() {
    let scene = Scene::new();
    let url = "https://me:hunter2-hunter2@example.com";
    let ended = scene.call(&["stop", "--id", "gate-1", "--endpoint", url]).expect(2);
    let ended = ended.says("the value of '--endpoint' cannot be used").says("a user name or");
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}
