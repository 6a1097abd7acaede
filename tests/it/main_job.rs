//! The main job: 2,000 batch tasks against a service that does everything wrong that can be done.

use crate::support::documents::ResultRow;
use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many attempts a task may have.
const ATTEMPTS: u32 = 2;
const TASKS: usize = 2_000;
/// The kinds of which there are few, for they hold a slot or the whole run for a while.
const RARE: usize = 4;

/// What the service does to ids of one kind, and what must become of them.
struct Kind {
    name: &'static str,
    reply: fn(&Request) -> Reply,
    outcome: &'static str,
    /// Empty if nothing came back.
    status: &'static str,
    error_kind: &'static str,
    attempts: u32,
}

fn kind(
    name: &'static str,
    (outcome, status, error_kind, attempts): (&'static str, &'static str, &'static str, u32),
    reply: fn(&Request) -> Reply,
) -> Kind {
    Kind { name, reply, outcome, status, error_kind, attempts }
}

fn well(request: &Request) -> Reply {
    Reply::trusted(&request.id, 0, 3)
}

/// The kinds of which there are many.
fn common_kinds() -> Vec<Kind> {
    let doubtful = ("ambiguous", "200", "body", ATTEMPTS);
    vec![
        kind("right", ("succeeded", "200", "", 1), well),
        kind("without-sub-tasks", ("succeeded", "200", "", 1), |r| Reply::trusted(&r.id, 0, 0)),
        kind("partial", ("partial", "200", "service", 1), |r| Reply::trusted(&r.id, 1, 2)),
        kind("nothing", ("failed", "200", "service", 1), |r| Reply::trusted(&r.id, 3, 0)),
        kind("sums", doubtful, |r| Reply::counted(&r.id, 3, 1, 1)),
        kind("negative", doubtful, |_| {
            Reply::answer(200, r#"{"total_count":-1,"failed_count":0,"succeed_count":-1}"#)
        }),
        kind("other-id", doubtful, |_| Reply::counted("somebody-else", 3, 0, 3)),
        kind("no-counts", doubtful, |r| Reply::answer(200, format!(r#"{{"id":"{}"}}"#, r.id))),
        kind("empty", doubtful, |_| Reply::answer(200, "")),
        kind("html", doubtful, |_| Reply::answer(200, "<html><h1>It works!</h1></html>")),
        kind("list", doubtful, |_| Reply::answer(200, "[1,0,1]")),
        kind("latin1", doubtful, |_| Reply::answer(200, b"{\"id\":\"\xe4\"}")),
        kind("cut-character", ("failed", "500", "refused", 1), |_| {
            Reply::answer(500, b"{\"error_msg\":\"\xe4\xbd\",\"error_code\":\"VIAS.00010012\"}")
        }),
        kind("double-byte", ("failed", "500", "refused", 1), |_| {
            Reply::answer(500, b"{\"error_msg\":\"\xd5\\\",\"error_code\":\"VIAS.00010012\"}")
        }),
        kind("lone-surrogate", ("failed", "500", "refused", 1), |_| {
            Reply::answer(500, r#"{"error_msg":"\ud83d","error_code":"VIAS.00010012"}"#)
        }),
        kind("byte-order-mark", ("succeeded", "200", "", 1), |r| {
            well(r).with_body(|body| [b"\xef\xbb\xbf", body].concat())
        }),
        kind("utf16", ("succeeded", "200", "", 1), |r| {
            well(r).with_body(|body| {
                let units = String::from_utf8_lossy(body).into_owned();
                [0xff, 0xfe]
                    .into_iter()
                    .chain(units.encode_utf16().flat_map(u16::to_le_bytes))
                    .collect()
            })
        }),
        kind("trailing-bytes", ("succeeded", "200", "", 1), |r| {
            well(r).with_body(|body| [body, b"\n\0-- end"].concat())
        }),
        kind("folded-head", ("succeeded", "200", "", 1), |r| {
            well(r).with_header("x-a", "a\r\n  b").with_header("x-b ", "c")
        }),
        kind("many-headers", ("succeeded", "200", "", 1), |r| {
            (0..150).fold(well(r), |reply, _| reply.with_header("x-filler", "1"))
        }),
        kind("interim", ("succeeded", "200", "", 1), |r| {
            well(r).with_before("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        }),
        kind("identity", ("succeeded", "200", "", 1), |r| {
            well(r).with_header("content-encoding", "identity")
        }),
        kind("not-compressed", ("succeeded", "200", "", 1), |r| {
            well(r).with_header("content-encoding", "gzip")
        }),
        kind("error-in-200", doubtful, |_| Reply::service(200, "VIAS.00010001", "no")),
        kind("gzip", doubtful, |r| {
            Reply::counted(&r.id, 1, 0, 1)
                .with_header("content-encoding", "gzip")
                .with_body(|_| b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00".to_vec())
        }),
        kind("cut", doubtful, |_| Reply::cut(r#"{"total_count":3,"#)),
        kind("bad-request", ("failed", "400", "refused", 1), |_| {
            Reply::service(400, "VIAS.00010001", "The parameter is invalid.")
        }),
        kind("not-allowed", ("failed", "500", "refused", 1), |_| {
            Reply::service(500, "VIAS.00010012", "This operation is not allowed.")
        }),
        kind("downstream", ("failed", "500", "service", ATTEMPTS), |_| {
            Reply::service(500, "VIAS.00010009", "A downstream service failed.")
        }),
        kind("internal", ("ambiguous", "500", "service", ATTEMPTS), |_| {
            Reply::service(500, "VIAS.00010006", "Internal error.")
        }),
        kind("not-found", ("failed", "404", "refused", 1), |_| {
            Reply::gateway(404, "APIGW.0101", "The API does not exist.")
        }),
        kind("forbidden", ("failed", "403", "auth", 1), |_| {
            Reply::gateway(403, "APIGW.0302", "The IAM user is not allowed.")
        }),
        kind("bad-gateway", ("ambiguous", "502", "service", ATTEMPTS), |_| {
            Reply::gateway(502, "APIGW.0201", "Backend unavailable.")
        }),
        kind("gateway-timeout", ("ambiguous", "504", "timeout", ATTEMPTS), |_| {
            Reply::answer(504, "<html>upstream timed out</html>")
        }),
        kind("moved", ("failed", "302", "refused", 1), |_| {
            Reply::answer(302, "").with_header("location", "http://127.0.0.1:9/elsewhere")
        }),
        kind("reset", ("ambiguous", "", "reset", ATTEMPTS), |_| Reply::reset()),
        kind("close", ("ambiguous", "", "reset", ATTEMPTS), |_| Reply::close()),
        kind("reset-once", ("succeeded", "200", "", 2), |request| match request.attempt {
            1 => Reply::reset(),
            _ => well(request),
        }),
        kind("doubt-then-no", ("ambiguous", "400", "refused", 2), |request| {
            match request.attempt {
                1 => Reply::reset(),
                _ => Reply::service(400, "VIAS.00010008", "No such task."),
            }
        }),
    ]
}

/// The kinds of which there are few.
fn rare_kinds() -> Vec<Kind> {
    vec![
        kind("silence", ("ambiguous", "", "timeout", ATTEMPTS), |_| Reply::silence()),
        kind("trickle", ("ambiguous", "", "timeout", ATTEMPTS), |_| Reply::trickle()),
        kind("huge", ("ambiguous", "200", "body", ATTEMPTS), |_| {
            Reply::answer(200, vec![b' '; 2 << 20])
        }),
        kind("blank-before-colon-of-length", ("ambiguous", "", "body", ATTEMPTS), |_| {
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\n{}")
        }),
        kind("long-head", ("ambiguous", "", "body", ATTEMPTS), |_| {
            Reply::answer(200, "{}").with_header("x-a", &"x".repeat(70_000))
        }),
        kind("ten-thousand-texts", ("failed", "200", "service", 1), |r| {
            Reply::long_list(&r.id, 10_000, 120)
        }),
        kind("interim-flood", ("ambiguous", "", "body", ATTEMPTS), |_| {
            Reply::flood("", "HTTP/1.1 100 Continue\r\n\r\n")
        }),
        kind("tiny-chunks", ("ambiguous", "", "timeout", ATTEMPTS), |_| {
            Reply::steady_flood(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "1\r\nx\r\n",
            )
        }),
        kind("too-early", ("succeeded", "200", "", 2), |request| match request.attempt {
            1 => Reply::answer(425, ""),
            _ => well(request),
        }),
        // Throttled answers use up no attempt.
        kind("throttled", ("succeeded", "200", "", 4), |request| match request.attempt {
            1..=3 => Reply::gateway(429, "APIGW.0308", "The throttling threshold has been reached")
                .with_header("retry-after", "0"),
            _ => well(request),
        }),
    ]
}

struct Job {
    server: Server,
    ended: Ended,
    rows: Vec<ResultRow>,
    report: Value,
    ids: Vec<String>,
}

/// Deals the ids out to the kinds, the rare ones spread among the others.
fn ids() -> Vec<String> {
    let (common, rare) = (common_kinds(), rare_kinds());
    let few = (0..RARE).flat_map(|number| rare.iter().map(move |kind| (kind.name, number)));
    let many = (0..).flat_map(|number| common.iter().map(move |kind| (kind.name, number)));
    few.chain(many).take(TASKS).map(|(name, number)| format!("{name}-{number:02}")).collect()
}

fn kind_of<'a>(kinds: &'a BTreeMap<&'static str, Kind>, id: &str) -> &'a Kind {
    &kinds[id.rsplit_once('-').unwrap().0]
}

fn kinds() -> BTreeMap<&'static str, Kind> {
    let all = common_kinds().into_iter().chain(rare_kinds());
    all.map(|kind| (kind.name, kind)).collect()
}

fn carry_out() -> Job {
    let kinds = kinds();
    let server = Server::start(move |request| (kind_of(&kinds, &request.id).reply)(request));
    let scene = Scene::with(&server);
    let ids = ids();
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["site", "id", "camera group"]).unwrap();
    for (number, id) in ids.iter().enumerate() {
        let site = format!("site {number}");
        table.write_record([&site, id, "Quay, \"north\"\nlower deck"]).unwrap();
    }
    scene.write("tasks.csv", table.into_inner().unwrap());
    let ended = scene.call(&[
        "stop",
        "tasks.csv",
        "--rate",
        "none",
        "-j",
        "64",
        // Long enough for a large answer on a busy machine; a silent service costs it twice.
        "--timeout",
        "12s",
        "--max-attempts",
        &ATTEMPTS.to_string(),
        "--max-failures",
        "100%",
        "-o",
        "results.csv",
        "-o",
        "report.json",
    ]);
    assert!(ended.stdout.contains("2,000 tasks"), "{ended:?}");
    let rows = results(&scene.read("results.csv"));
    let report = report(&scene.read("report.json"));
    Job { server, ended, rows, report, ids }
}

#[test]
fn every_task_of_a_service_that_does_everything_wrong_has_its_outcome() {
    let job = carry_out();
    assert_eq!(job.ended.code, Some(1));
    check_order_and_other_columns(&job);
    check_outcomes(&job);
    check_sums(&job);
    check_requests(&job);
}

fn check_order_and_other_columns(job: &Job) {
    assert_eq!(column(&job.rows, "id"), job.ids);
    for (number, row) in job.rows.iter().enumerate() {
        assert_eq!(row["site"], format!("site {number}"));
        assert_eq!(row["camera group"], "Quay, \"north\"\nlower deck");
        // Every row takes two lines of the input.
        assert_eq!(row["source"], format!("tasks.csv:{}", 2 * number + 2));
    }
}

fn check_outcomes(job: &Job) {
    let kinds = kinds();
    for row in &job.rows {
        let kind = kind_of(&kinds, &row["id"]);
        let found =
            (&*row["outcome"], &*row["http_status"], &*row["error_kind"], &*row["attempts"]);
        let expected = (kind.outcome, kind.status, kind.error_kind, &*kind.attempts.to_string());
        assert_eq!(found, expected, "{row:?}");
        assert_eq!(row["command"], "stop");
        assert!(!row["started_at"].is_empty() && !row["finished_at"].is_empty(), "{row:?}");
    }
}

fn number(row: &ResultRow, column: &str) -> u64 {
    row[column].parse().unwrap_or_default()
}

fn check_sums(job: &Job) {
    let tasks = &job.report["tasks"];
    for outcome in ["succeeded", "partial", "failed", "ambiguous", "unchanged", "not_attempted"] {
        let rows = job.rows.iter().filter(|row| row["outcome"] == outcome).count();
        assert_eq!(tasks[outcome], rows, "{outcome}");
    }
    assert_eq!(tasks["selected"], TASKS);
    let sent = job.server.trusted_counts();
    let trusted = |row: &&ResultRow| row["outcome"] != "ambiguous";
    let sum = |column| job.rows.iter().filter(trusted).map(|row| number(row, column)).sum::<u64>();
    for (column, expected) in [
        ("total_count", sent.total),
        ("failed_count", sent.failed),
        ("succeed_count", sent.succeeded),
    ] {
        assert_eq!(sum(column), expected, "{column} of results.csv");
        assert_eq!(job.report["counts"][column], expected, "{column} of report.json");
    }
}

fn check_requests(job: &Job) {
    let requests = job.server.requests();
    let mut by_id: BTreeMap<&str, u32> = BTreeMap::new();
    for request in &requests {
        *by_id.entry(&request.id).or_default() += 1;
        let id = &request.id;
        let path = format!("/v2/project-1/batch-tasks/{id}/action/stop");
        assert_eq!((&*request.method, &request.path), ("PUT", &path));
    }
    for row in &job.rows {
        assert_eq!(row["attempts"], by_id[&*row["id"]].to_string(), "{row:?}");
    }
    assert_eq!(job.report["calls"]["attempts"], requests.len());
    assert_eq!(job.report["calls"]["retries"], requests.len() - TASKS);
    assert_eq!(job.report["calls"]["throttled"], 3 * RARE);
    let by_status = job.report["calls"]["by_status"].as_object().unwrap();
    let answered: u64 = by_status.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(answered, requests.len() as u64);
}
