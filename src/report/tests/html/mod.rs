//! The HTML page: its structure, its data, and that nothing in it can act.

mod charts;
mod live;

use super::*;
use crate::report::format::html::write_part;
use crate::report::write_html;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::Value;

fn page(run: &TestRun) -> String {
    page_of(&run.reader(), &run.report())
}

fn page_of(reader: &RunReader, report: &Report) -> String {
    let mut page = Vec::new();
    write_html(reader, report, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// Returns the text between two marks, and the whole text with `…` in its place.
fn cut_out<'a>(page: &'a str, from: &str, until: &str) -> (&'a str, String) {
    let begin = page.find(from).unwrap_or_else(|| panic!("no {from}")) + from.len();
    let end = begin + page[begin..].find(until).unwrap_or_else(|| panic!("no {until}"));
    (&page[begin..end], format!("{}…{}", &page[..begin], &page[end..]))
}

fn data(page: &str) -> Value {
    let json = cut_out(page, "<script type=\"application/json\" id=\"data\">", "</script>").0;
    serde_json::from_str(json).unwrap()
}

/// Returns the tags and texts of a part of the page, one a line, without drawings and details.
fn outline(part: &str) -> String {
    let mut outline = String::new();
    let mut hidden = 0;
    for piece in part.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        let opens = tag.starts_with("svg") || tag.starts_with("details");
        let closes = tag.starts_with("/svg") || tag.starts_with("/details");
        hidden -= i32::from(closes);
        if hidden == 0 && !tag.starts_with('/') {
            outline.push_str(&format!("<{tag}> {}\n", text.trim()).replace("> \n", ">\n"));
        }
        hidden += i32::from(opens);
    }
    outline
}

#[test]
fn a_page_has_its_parts_in_the_order_of_reading() {
    let page = page(&every_outcome());
    let main = cut_out(&page, "<a class=\"skip\"", "<section aria-labelledby=\"charts-title\">").0;
    insta::assert_snapshot!("page", outline(main));
}

#[test]
fn every_task_is_in_the_data_in_the_order_of_the_input() {
    let page = page(&every_outcome());
    let json = cut_out(&page, "id=\"data\">", "</script>").0;
    insta::assert_snapshot!(json, @r#"
    {"head":{"run":"20240705-120000-kfzq","base":1720180800000,"tasks":6,"commands":["start","stop","delete"],"outcomes":["succeeded","partial","failed","ambiguous","unchanged","not_attempted"],"kinds":["dns","connect","tls","timeout","reset","throttled","auth","refused","service","body","not_reached","not_sent"],"groups":["F1","F2","F3"],"sources":["cameras.csv"]},
    "rows":[
    ["gate-north",1,0,1,0,100,200,0,0,2],
    ["gate-south",1,1,1,100,100,200,1,0,3,[8,0,1,0,0,2,"request-2",[4,1,3],17,0,0]],
    ["dock-1",1,2,1,200,100,500,2,0,4,[7,3,4,5,6,0,"request-3",null,17,0,0]],
    ["dock-2",1,3,2,300,200,null,3,0,5,[3,0,7,0,0,0,null,null,17,0,0]],
    ["ramp-1",1,4,1,500,100,200,0,0,6],
    ["ramp-2",1,5,0,null,null,null,0,0,7]],
    "attempts":[
    [3,300,17,429,5,8,9],
    [3,400,17,null,3,0,7]],
    "texts":["","some sub-tasks failed","camera cam-1: no licence; camera 9: off","VIAS.00010012","This operation is not allowed.","The task is being deleted.","Wait until it is gone.","no answer in 60 s","APIGW.0308","policy user over ratelimit,limit:10,time:1 second"]}
    "#);
}

#[test]
fn a_page_allows_its_own_style_and_script_and_nothing_else() {
    let page = page(&every_outcome());
    let policy = cut_out(&page, "Content-Security-Policy\" content=\"", "\"").0;
    let policy = policy.replace("&#39;", "'");
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let style = cut_out(&page, "<style>", "</style>").0;
    let script = cut_out(&page, "</script>\n<script>", "</script>").0;
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(style),
        hash(script)
    );
    assert_eq!(policy, expected);
    // An attribute of style would be refused by that policy, and an address is never needed.
    let markup = cut_out(&cut_out(&page, "<style>", "</style>").1, "id=\"data\">", "</html>").1;
    for forbidden in [" style=", " src=", "http://www", "@import", " onclick="] {
        assert!(!markup.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile =
        "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>&\u{2028}\u{202e}";
    let tables = [("<img src=x>.csv", "id\nevil-1\nevil-2\n")];
    let mut run = TestRun::planned(&tables, |run, _| {
        run.reason = Some(hostile.into());
        run.job = Some("\"><b>".into());
    });
    run.begin();
    run.settle(0, refused(hostile), Outcome::Failed);
    run.call(1, refused(hostile));
    run.settle(1, lost(FailureKind::Timeout), Outcome::Ambiguous);
    run.end(None);
    let page = page(&run);
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    let markup = cut_out(&page, "<script>", "</script>").1;
    for forbidden in ["<img", "<b>", "<i>", "<!--", "\u{2028}", "\u{202e}alert"] {
        assert!(!markup.contains(forbidden), "{forbidden}");
    }
    let texts = data(&page)["texts"].clone();
    assert!(texts.as_array().unwrap().iter().any(|text| text == hostile), "{texts}");
}

#[test]
fn of_too_many_tasks_those_that_did_not_succeed_come_first() {
    let mut run = TestRun::with_tasks(12);
    run.begin();
    (0..6).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
    (6..9).for_each(|task| run.settle(task, refused("no"), Outcome::Failed));
    run.end(Some(StopReason::Interrupted));
    let ids = |tasks| {
        let mut page = Vec::new();
        write_part(&run.reader(), &run.report(), (tasks, 10), &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let rows = data(&page)["rows"].as_array().unwrap().clone();
        let ids: Vec<String> = rows.iter().map(|row| row[0].as_str().unwrap().into()).collect();
        (ids, page.contains(&format!("This page holds {tasks} of 12 tasks")))
    };
    assert!(!ids(12).1);
    let (shown, says_so) = ids(7);
    let expected = [6, 7, 8, 9, 10, 11, 0].map(|number| format!("task-{number:04}"));
    assert_eq!((shown.as_slice(), says_so), (expected.as_slice(), true));
    assert_eq!(ids(2).0, ["task-0006", "task-0007"]);
}

#[test]
fn attempts_are_there_for_tasks_that_were_sent_more_than_once_up_to_a_limit() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    (0..4).for_each(|_| run.call(2, throttled()));
    run.settle(2, counted(0, 1), Outcome::Succeeded);
    run.end(Some(StopReason::Interrupted));
    let attempts = |most| {
        let mut page = Vec::new();
        write_part(&run.reader(), &run.report(), (10, most), &mut page).unwrap();
        let data = data(&String::from_utf8(page).unwrap());
        let attempts = data["attempts"].as_array().unwrap().clone();
        attempts.iter().map(|attempt| attempt[0].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(attempts(10), [2, 2, 2, 2, 2]);
    assert_eq!(attempts(3), [2, 2, 2]);
}

#[test]
fn a_run_that_sent_nothing_says_so_in_place_of_charts_and_failures() {
    let run = TestRun::with_tasks(3);
    let unsent = page(&run);
    for text in [
        "stop: none of 3 tasks succeeded",
        "Nothing was sent, so nothing failed.",
        "Nothing was sent, so there is nothing to draw.",
        "<strong>Planned</strong>",
        "not begun",
        "batchctl resume 20240705-120000-kfzq",
    ] {
        assert!(unsent.contains(text), "{text}");
    }
    let empty = page(&TestRun::from_table("id\n"));
    assert!(empty.contains("No task was selected."), "{empty}");
}

#[test]
fn a_run_in_which_everything_succeeded_says_that_nothing_failed() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    (0..2).for_each(|task| run.settle(task, counted(0, 3), Outcome::Succeeded));
    run.end(None);
    let page = page(&run);
    assert!(page.contains("stop: all 2 tasks succeeded"));
    assert!(page.contains("Nothing failed: every task is where it was sent."));
    assert!(page.contains("<body class=\"good\">"));
}

#[test]
fn a_running_run_offers_nothing_to_type_for_its_groups() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, refused("no"), Outcome::Failed);
    let reader = run.reader();
    let page = page_of(&reader, &Report::read(&reader, StillRunning::Yes).unwrap());
    assert!(page.contains("still running"), "{page}");
    assert!(!page.contains("--group"));
}

#[test]
fn the_script_escapes_the_characters_that_every_display_escapes() {
    let script = include_str!("../../format/html/page.js");
    let class = script.split_once("const MISLEADING").unwrap().1.split_once("\"gu\"").unwrap().0;
    // The number of every `\\u{…}`, and whether it begins a range.
    let numbers: Vec<(u32, bool)> = class
        .split(r"\\u{")
        .skip(1)
        .map(|part| part.split_once('}').unwrap())
        .map(|(digits, rest)| (u32::from_str_radix(digits, 16).unwrap(), rest.starts_with('-')))
        .collect();
    let mut escaped = std::collections::BTreeSet::new();
    let mut begins = None;
    for (number, is_begin) in numbers {
        escaped.extend(begins.take().unwrap_or(number)..=number);
        begins = is_begin.then_some(number);
    }
    // Tabs and line feeds are left alone, because the page's styles show them.
    let expected = ('\0'..=char::MAX)
        .filter(|&c| crate::text::is_misleading(c) && !matches!(c, '\t' | '\n'))
        .map(u32::from)
        .collect();
    assert_eq!(escaped, expected);
}
