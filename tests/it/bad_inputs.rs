//! One bad input a row: what is said of it, where, and what helps. Nothing is sent for any of them.

use crate::support::program::Scene;
use crate::support::server::Server;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is given, and what must be said about it.
struct Bad {
    /// The file; empty if the arguments alone are wrong.
    file: &'static str,
    content: &'static [u8],
    arguments: &'static [&'static str],
    exit: i32,
    /// The place and the beginning of the message.
    says: &'static str,
    /// A part of the hint.
    hint: &'static str,
}

const fn list(content: &'static str, says: &'static str, hint: &'static str) -> Bad {
    bytes("ids.txt", content.as_bytes(), says, hint)
}

const fn table(content: &'static str, says: &'static str, hint: &'static str) -> Bad {
    bytes("in.csv", content.as_bytes(), says, hint)
}

const fn bytes(
    file: &'static str,
    content: &'static [u8],
    says: &'static str,
    hint: &'static str,
) -> Bad {
    Bad { file, content, arguments: &["stop"], exit: 65, says, hint }
}

impl Bad {
    const fn run(self) -> Self {
        Self { arguments: &["run"], ..self }
    }
}

/// With other arguments before the file.
const fn with(
    arguments: &'static [&'static str],
    content: &'static str,
    exit: i32,
    says: &'static str,
    hint: &'static str,
) -> Bad {
    Bad { file: "in.csv", content: content.as_bytes(), arguments, exit, says, hint }
}

/// Without a file.
const fn call(
    arguments: &'static [&'static str],
    exit: i32,
    says: &'static str,
    hint: &'static str,
) -> Bad {
    Bad { file: "", content: b"", arguments, exit, says, hint }
}

const BAD: &[Bad] = &[
    // Ids that a spreadsheet changed.
    list("gate-1\n1.23E+15\n", "ids.txt:2:2: ", "spreadsheet"),
    list("gate-1\n7,34E+02\n", "ids.txt:2:2: ", "spreadsheet"),
    list("gate-1\n#N/A\n", "ids.txt:2:1: ", "formula"),
    list("gate-1\n#REF!\n", "ids.txt:2:1: ", "formula"),
    list("gate-1\n#NAME?\n", "ids.txt:2:1: ", "formula"),
    list("gate-1\n=HYPERLINK(\"gate-2\")\n", "ids.txt:2:1: ", "formula"),
    list("gate-1\n12.0\n", "ids.txt:2:3: ", "into a number"),
    list("gate-1\n5/7/2024\n", "ids.txt:2:2: ", "into a date"),
    list("gate-1\n1,234\n", "ids.txt:2:", ""),
    // Ids that a word processor changed.
    list("gate-1\n\u{201c}gate-2\u{201d}\n", "ids.txt:2:1: ", "gate-2"),
    list("gate-1\ngate\u{2014}2\n", "ids.txt:2:5: ", "gate-2"),
    list("gate-1\ngate\u{2011}2\n", "ids.txt:2:5: ", "gate-2"),
    list("gate-1\ngate\u{ad}-2\n", "ids.txt:2:5: ", "gate-2"),
    list("gate-1\ngate\u{a0}2\n", "ids.txt:2:5: ", ""),
    list("gate-1\ngate\u{200b}-2\n", "ids.txt:2:5: ", "gate-2"),
    list("gate-1\n----\n", "ids.txt:2:1: ", "only separates others"),
    list("gate-1\n\u{ff47}ate-2\n", "ids.txt:2:1: ", ""),
    list("gate-1\ng\u{430}te-2\n", "ids.txt:2:2: ", ""),
    list("gate-1\ngate-\u{1f600}\n", "ids.txt:2:6: ", ""),
    list("gate-1\n\u{95e8}-2\n", "ids.txt:2:1: ", ""),
    // What stands around ids elsewhere.
    list("gate-1\nhttps://host/v2/p/batch-tasks/gate-2\n", "ids.txt:2:", ""),
    list("gate-1\n../gate-2\n", "ids.txt:2:", ""),
    list("gate-1\ngate-2/action/start\n", "ids.txt:2:7: ", ""),
    list("gate-1\ngate-2?x=1\n", "ids.txt:2:7: ", ""),
    list("gate-1\n%67ate-2\n", "ids.txt:2:1: ", ""),
    list("gate-1\ngate 2\n", "ids.txt:2:", ""),
    list("gate-1\ngate-2 gate-3\n", "ids.txt:2:7: ", ""),
    list("gate-1\ngate-2;gate-3\n", "ids.txt:2:", ""),
    list("gate-1\n- gate-2\n", "ids.txt:2:", ""),
    list("gate-1\n{id}\n", "ids.txt:2:1: ", ""),
    list("gate-1\n$ID\n", "ids.txt:2:1: ", ""),
    list("gate-1\n<id>\n", "ids.txt:2:1: ", ""),
    list("gate-1\n.\n", "ids.txt:2:1: ", ""),
    list("gate-1\n..\n", "ids.txt:2:1: ", ""),
    list("gate-1\ngate\\-2\n", "ids.txt:2:5: ", ""),
    list("gate-1\n\"\"\n", "ids.txt:2:1: ", ""),
    list("gate-1\ngate-2\u{1b}[31m\n", "ids.txt:2:7: ", ""),
    list("gate-1\ngate-2\u{7f}\n", "ids.txt:2:7: ", ""),
    list("gate-1\n<<<<<<< HEAD\n", "ids.txt:2:", ""),
    list("gate-1\n+gate-2\n", "ids.txt:2:1: ", ""),
    list("gate-1\n+--------+\n", "ids.txt:2:1: ", ""),
    list("gate-1\n(1 row)\n", "ids.txt:2:1: ", ""),
    list(
        "gate-1\nx123456789x123456789x123456789x123456789x123456789x123456789x123456789x123456789\
          x123456789x123456789x123456789x123456789x123456789\n",
        "ids.txt:2:1: ",
        "",
    ),
    // Files of another kind.
    bytes("ids.txt", b"gate-1\nK\xf6ln\n", "ids.txt:2:2: the byte 0xF6", "iconv"),
    bytes("ids.txt", b"gate-1\n\xe9\x97", "ids.txt:2:1: the byte 0xE9", "iconv"),
    bytes(
        "ids.txt",
        b"g\0a\0t\0e\0-\x001\0\n\0",
        "cannot read `ids.txt`: it is UTF-16",
        "save it as UTF-8",
    ),
    bytes("ids.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0", "compressed by gzip", "gunzip -c"),
    bytes("ids.zip", b"PK\x03\x04\0\0\0\0ids.csv", "a ZIP archive", ""),
    bytes("ids.xlsx", b"PK\x03\x04[Content_Types].xml\0\0xl/workbook.xml", "workbook", "CSV"),
    bytes("ids.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "workbook", "CSV"),
    bytes("ids.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document", ""),
    bytes("ids.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a binary file", "CSV file or a list"),
    bytes("ids.json", b"[{\"id\":\"gate-1\"}]", "it is JSON", "jq -r"),
    bytes("ids.json", b"{\"id\":\"gate-1\"}\n{\"id\":\"gate-2\"}\n", "it is JSON", "jq -r"),
    bytes("ids.html", b"<!DOCTYPE html><html><table><tr><td>gate-1", "ids.html:1:", "web page"),
    bytes(
        "ids.xml",
        b"<?xml version=\"1.0\"?><ids><id>gate-1</id></ids>",
        "ids.xml:1:",
        "web page",
    ),
    bytes("ids.md", b"| id |\n|----|\n| gate-1 |\n", "ids.md:", ""),
    bytes("ids.yml", b"ids:\n  - gate-1\n", "ids.yml:1:", ""),
    // Tables.
    table("", "there is no task in the input", "--if-empty ok"),
    table("id\n", "there is no task in the input", "--if-empty ok"),
    table("site,camera\nnorth,gate-1\n", "in.csv:1:1: no column is named", "--id-column"),
    table("id,site,id\ngate-1,x,gate-2\n", "in.csv:1:9: columns 1 and 3 are both named `id`", ""),
    table("id,site\ngate-1\n", "in.csv:2:7: the row has 1 cell", "its last cells are missing"),
    table("id,site\ngate-1,a,b\n", "in.csv:2:10: the row has 3 cells", "must stand in quotes"),
    table("id,site\ngate-1,\"a\n", "in.csv:2:8: the quote that opens here", "close it"),
    table("id,site\ngate-1,\"a\"b\n", "in.csv:2:11: text after the closing quote", "twice"),
    table("id,site\n,a\n", "in.csv:2:1: ", ""),
    table("id,site\n\"  \",a\n", "in.csv:2:1: ", ""),
    table("id,site\nnull,a\nN/A,b\n", "in.csv:3:1: ", ""),
    table("id,site\nid,site\n", "in.csv:2:1: `id` is the name of a column", ""),
    table("id,site\ngate-1,a\n(1 row),\n", "in.csv:3:1: ", ""),
    table("id;site\ngate-1;a\ngate-2,b\n", "in.csv:3:", ""),
    // Commands and flags.
    with(&["run"], "id\ngate-1\n", 65, "in.csv", "--command-column"),
    bytes("run.txt", b"gate-1\n", "names ids alone and no commands", "column `command`").run(),
    with(&["run"], "id,command\ngate-1,restart\n", 65, "in.csv:2:8: ", "start"),
    with(&["run"], "id,command\ngate-1,\n", 65, "in.csv:2:8: ", ""),
    with(&["run"], "id,command\ngate-1,start\ngate-1,stop\n", 65, "in.csv:3:", ""),
    with(
        &["stop", "--on-duplicate", "error"],
        "id\ngate-1\ngate-1\n",
        65,
        "in.csv:3:1: duplicate of `gate-1`",
        "collapse",
    ),
    with(&["stop", "--id-column", "camera"], "id\ngate-1\n", 65, "in.csv:1:1: ", "--id-column"),
    with(&["stop", "--id-column", "9"], "id,a\ngate-1,b\n", 65, "in.csv:1:1: ", ""),
    with(&["stop", "--no-header", "--id-column", "9"], "gate-1,b\n", 65, "in.csv:1:1: ", ""),
    with(&["stop", "--no-header", "--id-column", "x"], "gate-1,b\n", 65, "in.csv:1:1: ", ""),
    with(&["stop", "--id-column", "id"], "gate-1\n", 65, "no column is named `id`", ""),
    with(&["run", "--command-column", "id"], "id\nstart\n", 65, "in.csv:1:1: ", ""),
    with(&["stop", "--delimiter", "a"], "id\ngate-1\n", 2, "cannot separate cells", "such as `;`"),
    with(
        &["stop", "--where", "site=north"],
        "id,a\ngate-1,b\n",
        65,
        "no column is named `site`",
        "",
    ),
    with(&["stop", "--where", "north"], "id,a\ngate-1,b\n", 2, "--where", ""),
    with(&["stop", "--exclude", "gone.txt"], "gate-1\n", 65, "cannot read `gone.txt`", ""),
    with(&["stop", "--max-tasks", "1"], "id\ngate-1\ngate-2\n", 65, "2 tasks", "--max-tasks"),
    with(&["stop", "--after", "20240101"], "gate-1\n", 2, "20240101", "batchctl runs"),
    with(&["stop", "-", "-"], "gate-1\n", 2, "standard input can be read only once", ""),
    call(&["stop"], 2, "there is no input", "name a file of ids"),
    call(&["stop", "gone.csv"], 65, "cannot read `gone.csv`", ""),
    call(&["stop", "."], 65, "cannot read `.`: it is a directory", ""),
    call(&["stop", "--id", ""], 65, "", ""),
    call(&["stop", "--id", "gate 1"], 65, "`gate 1` is not an id", ""),
    call(&["stop", "--id", "../gate-1"], 65, "`../gate-1` is not an id", ""),
];

/// Returns what is wrong with what is said of a bad input.
fn try_out(bad: &Bad) -> Option<String> {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let mut arguments = bad.arguments.to_vec();
    if !bad.file.is_empty() {
        scene.write(bad.file, bad.content);
        arguments.push(bad.file);
    }
    let ended = scene.call(&arguments);
    let hints = ended.stderr.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("hint: ") || line.starts_with("For more information")
    });
    let hint: String = hints.collect::<Vec<_>>().join("\n");
    let is_said = ended.stderr.contains(bad.says) && !hint.is_empty() && hint.contains(bad.hint);
    let is_clean = server.count() == 0 && scene.runs().is_empty() && ended.stdout.is_empty();
    (ended.code != Some(bad.exit) || !is_said || !is_clean).then(|| {
        let text = String::from_utf8_lossy(bad.content);
        let Bad { says, hint, exit, .. } = bad;
        format!("{arguments:?} {text:?}\n  must  {exit}: {says} / {hint}\n  found {ended:?}")
    })
}

#[test]
fn bad_input_is_told_with_its_place_and_what_helps_before_anything_is_sent() {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(bad) = BAD.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(found) = try_out(bad) {
                        wrong.lock().unwrap().push(found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BAD.len(), wrong.join("\n"));
    assert!(BAD.len() >= 85, "{}", BAD.len());
}
