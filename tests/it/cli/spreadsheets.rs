//! Results in the hands of others: other readers of CSV find the same rows and cells, no spreadsheet
//! finds a formula, and Prometheus' own tool finds nothing to say.
//!
//! Where a tool is missing the test says so on standard error; with `CI=true` that is a failure.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

/// What a stranger may put into a cell.
const HOSTILE: [&str; 68] = [
    "=1+1",
    "=cmd|'/c calc'!A0",
    "=HYPERLINK(\"http://a\",\"b\")",
    "=SUM(1;2)",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u{a0}=1",
    "\u{200b}=1",
    "\u{feff}=1",
    "=",
    "+",
    "-",
    "@",
    "--1",
    "+-1",
    "=\"007\"",
    "'=1",
    "''=1",
    "'",
    "''",
    "'007",
    "\"",
    "\"\"",
    "\"=1\"",
    "a\"b",
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    "a;=1+1",
    "a\t=1+1",
    "a\n=1+1",
    "a;\"=1+1",
    "a; @SUM(1;2)",
    "a;;-1+1\t+1+1",
    "a;'=1+1",
    ";=HYPERLINK(\"http://a\";\"b\")",
    "a\nb",
    "a\r\nb",
    "a\rb",
    "\n",
    "\r\n",
    ",",
    ",,",
    "\\",
    "\\\"",
    "-5",
    "+5",
    "-0.5",
    "3.14",
    "007",
    "1e5",
    "-1e5",
    "2024-07-05",
    "TRUE",
    "null",
    "NaN",
    "{=1}",
    "%0A=1",
    "＝1",
    "＋1",
    "漢字 🎥",
    "<b>&amp;</b>",
];

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["id", "note"]).unwrap();
    for (number, cell) in HOSTILE.iter().enumerate() {
        table.write_record([&format!("{number:04}"), *cell]).unwrap();
    }
    scene.write("tasks.csv", table.into_inner().unwrap());
    scene
}

/// A service whose messages are hostile, too.
fn hostile() -> Server {
    Server::start(|request| {
        let number: usize = request.id.parse().unwrap();
        Reply::service(400, "=A1", HOSTILE[number])
    })
}

/// Writes the results in both dialects.
fn results(scene: &Scene) {
    let flags = ["--rate", "none", "--max-failures", "100%", "-j", "60", "-o", "plain.csv"];
    scene.call(&[&["stop", "tasks.csv"], &flags[..]].concat()).expect(1);
    scene.call(&["report", "-o", "excel.csv", "--csv-dialect", "excel"]).expect(0);
}

/// Reads a file as the library of this program does: the yardstick for all others.
fn expected(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Tells whether a program is there; where it must be and is not, that is a failure.
#[expect(clippy::print_stderr, reason = "who runs the tests is told what they did not show")]
fn is_there(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = asked.status().is_ok_and(|status| status.success());
    if !is_there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "`{program}` is missing");
        eprintln!("skipped: `{program}` is not installed");
    }
    is_there
}

/// Runs a program and returns what it prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

const DIALECTS: [&str; 2] = ["plain.csv", "excel.csv"];

#[test]
fn python_reads_the_same_cells() {
    if !is_there("python3") {
        return;
    }
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    let script = "import csv, json, sys\n\
        rows = csv.reader(open(sys.argv[1], newline='', encoding='utf-8-sig'), strict=True)\n\
        print(json.dumps(list(rows)))";
    for name in DIALECTS {
        let path = scene.path(name);
        let printed = output("python3", &["-c", script, path.to_str().unwrap()]);
        let rows: Vec<Vec<String>> = serde_json::from_str(&printed).unwrap();
        assert_eq!(rows, expected(&path), "{name}");
    }
}

#[test]
fn sqlite_reads_the_same_cells() {
    if !is_there("sqlite3") {
        return;
    }
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    for name in DIALECTS {
        let path = scene.path(name);
        let expected = expected(&path);
        let columns: Vec<String> = (0..expected[0].len()).map(|at| format!("c{at}")).collect();
        let create = format!("CREATE TABLE t ({} TEXT)", columns.join(" TEXT, "));
        let import = format!(".import --csv {} t", path.display());
        let select = format!("SELECT json_group_array(json_array({})) FROM t", columns.join(", "));
        let printed = output("sqlite3", &["-cmd", &create, "-cmd", &import, ":memory:", &select]);
        let rows: Vec<Vec<String>> = serde_json::from_str(&printed).unwrap();
        assert_eq!(rows, expected, "{name}");
    }
}

/// Has the office suite convert a file, and returns the path of what it makes.
fn converted(scene: &Scene, name: &str, filters: [&str; 2]) -> String {
    let profile = format!("-env:UserInstallation=file://{}", scene.path("office").display());
    let [read_as, write_as] = filters;
    let read_as = format!("--infilter=CSV:{read_as}");
    let made = scene.path("made");
    let flags = ["--headless", "--convert-to", write_as, "--outdir", made.to_str().unwrap()];
    let path = scene.path(name);
    let arguments = [&[&*profile, &*read_as], &flags[..], &[path.to_str().unwrap()]].concat();
    output("soffice", &arguments);
    let ending = write_as.split(':').next().unwrap();
    let file = made.join(Path::new(name).with_extension(ending));
    std::fs::read_to_string(file).unwrap()
}

/// Separator, quote and UTF-8, from the first line on, each column as it looks like.
const AS_IT_LOOKS: &str = "44,34,76,1,,0,false,true,false";

#[test]
fn libreoffice_reads_the_same_cells_and_finds_no_formula() {
    if !is_there("soffice") {
        return;
    }
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    // What is not guarded is a formula to it: otherwise this would show nothing.
    scene.write("control.csv", "id,note\ngate-1,=1+1\n");
    let control = converted(&scene, "control.csv", [AS_IT_LOOKS, "fods"]);
    assert_eq!(control.matches("table:formula=").count(), 1);
    for name in DIALECTS {
        let sheet = converted(&scene, name, [AS_IT_LOOKS, "fods"]);
        assert_eq!(sheet.matches("table:formula=").count(), 0, "{name}");
        if name == "excel.csv" {
            assert!(sheet.contains("<text:p>&apos;0047</text:p>"), "{name}: an id is a number");
        }
        let expected = expected(&scene.path(name));
        let columns: Vec<String> =
            (1..=expected[0].len()).map(|column| format!("{column}/2")).collect();
        let as_text = format!("44,34,76,1,{},0,false,true,false", columns.join("/"));
        let written = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false";
        converted(&scene, name, [&as_text, written]);
        let rows = self::expected(&scene.path("made").join(name));
        assert_eq!(in_one_line_end(rows), in_one_line_end(expected), "{name}");
    }
}

#[test]
fn a_spreadsheet_with_another_separator_finds_no_formula() {
    if !is_there("soffice") {
        return;
    }
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    scene.write("control.csv", "id,note\ngate-1,a;=1+1\n");
    // The semicolon, the tab, and both of them.
    for separators in ["59", "9", "59/9"] {
        let as_it_looks = AS_IT_LOOKS.replacen("44", separators, 1);
        let control = converted(&scene, "control.csv", [&as_it_looks, "fods"]);
        let formulas = usize::from(separators != "9");
        assert_eq!(control.matches("table:formula=").count(), formulas, "{separators}");
        for name in DIALECTS {
            let sheet = converted(&scene, name, [&as_it_looks, "fods"]);
            assert_eq!(sheet.matches("table:formula=").count(), 0, "{name}: {separators}");
        }
    }
}

/// Returns whether a spreadsheet that begins a cell with this text runs it.
fn runs(cell: &str) -> bool {
    let text = cell.trim_start_matches(|c: char| c == '"' || c.is_whitespace() || c.is_control());
    let number = text.strip_prefix(['+', '-']).is_some_and(|rest| rest.parse::<f64>().is_ok());
    !number && text.starts_with(['=', '+', '-', '@'])
}

#[test]
fn no_cell_is_a_formula_whichever_way_a_line_is_cut() {
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    let control = "gate-1,a;=1+1";
    assert!(control.split(';').any(runs));
    for name in DIALECTS {
        let text = scene.read(name);
        for separators in [&[';'][..], &['\t'], &[';', '\t']] {
            let cells = text.split(|c: char| "\r\n".contains(c) || separators.contains(&c));
            let formulas: Vec<&str> = cells.filter(|cell| runs(cell)).collect();
            assert_eq!(formulas, [""; 0], "{name}: {separators:?}");
        }
    }
}

/// The office suite has one kind of line end in cells.
fn in_one_line_end(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let cell = |cell: String| cell.replace("\r\n", "\n").replace('\r', "\n");
    rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect()
}

#[test]
fn hostile_results_go_back_in_byte_for_byte() {
    let server = hostile();
    let scene = scene(&server);
    results(&scene);
    let note = |path: &str| -> Vec<String> {
        let rows = expected(&scene.path(path));
        let at = rows[0].iter().position(|name| name == "note").unwrap();
        rows.into_iter().map(|mut row| row.swap_remove(at)).collect()
    };
    let first = note("plain.csv");
    for input in DIALECTS {
        let flags = ["--rate", "none", "--max-failures", "100%", "-j", "60", "-o", "again.csv"];
        scene.call(&[&["stop", input], &flags[..]].concat()).expect(1);
        assert_eq!(note("again.csv"), first, "{input}");
        let ids = expected(&scene.path("again.csv"));
        assert_eq!(ids[48][0], "0047", "{input}");
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    if !is_there("promtool") {
        return;
    }
    let server = Server::obliging();
    let good = Scene::with(&server);
    let call = ["stop", "--id", "gate-1", "--job", "nightly", "-o", "batchctl.prom"];
    good.call(&call).expect(0);
    check_metrics(&good);
    let success = "batchctl_last_success_timestamp_seconds{job=\"nightly\",command=\"stop\"} 0.000";
    assert!(!good.read("batchctl.prom").contains(success));

    let server = hostile();
    let bad = scene(&server);
    results(&bad);
    bad.call(&["report", "-o", "batchctl.prom"]).expect(0);
    check_metrics(&bad);
    assert!(bad.read("batchctl.prom").contains(",group=\"F10\",kind=\"refused\","));
}

/// Has Prometheus' own tool read the metrics of a run.
#[track_caller]
fn check_metrics(scene: &Scene) {
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(File::open(scene.path("batchctl.prom")).unwrap());
    let output = check.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
