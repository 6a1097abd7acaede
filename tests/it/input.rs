//! Inputs through the real binary: what is wrong is told with its place, and nothing is sent.

use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;

/// Calls the program on an input that is wrong; nothing may be sent and nothing be kept.
#[track_caller]
fn refused(scene: &Scene, server: &Server, arguments: &[&str]) -> Ended {
    let ended = scene.call(arguments).expect(65);
    assert_eq!(ended.stdout, "");
    assert_eq!(server.count(), 0, "something was sent");
    assert_eq!(scene.runs(), [""; 0], "a run was kept");
    ended
}

/// Checks what standard error says of a file that is wrong.
#[track_caller]
fn check_refused(name: &str, content: impl AsRef<[u8]>, expected: &[&str]) {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write(name, content);
    let ended = refused(&scene, &server, &["stop", name]);
    assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), expected);
}

const ONE_PROBLEM: &str = "error: the input has 1 problem; nothing was sent";

#[test]
fn what_a_spreadsheet_did_to_ids_is_told_with_its_place_and_what_helps() {
    let table =
        "site,id\nnorth,1.2E+15\nsouth,\"=\"\"007\"\"\"\nwest,12\neast,#N/A\nquay,\nroof,ABCD\n";
    check_refused(
        "tasks.csv",
        table,
        &[
            "tasks.csv:2:8: `1.2E+15` is not an id: the id contains '.'; only a-z, 0-9, `_` and `-` occur in ids",
            "  hint: a spreadsheet turned the id into a number; format the column as text and export it again",
            "tasks.csv:3:7: `007` is not an id: the id has 3 of at least 4 characters",
            "  hint: a spreadsheet may have taken its leading zeros; format the column as text and export it again",
            "tasks.csv:4:6: `12` is not an id: the id has 2 of at least 4 characters",
            "  hint: a spreadsheet may have taken its leading zeros; format the column as text and export it again",
            "tasks.csv:5:6: `#N/A` is not an id: the id contains '#'; only a-z, 0-9, `_` and `-` occur in ids",
            "  hint: a formula of the spreadsheet came to nothing; repair it",
            "tasks.csv:6:6: the id is empty",
            "  hint: every row needs an id; delete the row if it is not meant",
            "tasks.csv:7:6: `ABCD` is not an id: the id contains 'A'; only a-z, 0-9, `_` and `-` occur in ids",
            "  hint: did you mean `abcd`?",
            "error: the input has 6 problems; nothing was sent",
        ],
    );
}

#[test]
fn rows_of_another_length_are_told() {
    check_refused(
        "tasks.csv",
        "id,site\ngate-1,north,more\ngate-2\n",
        &[
            "tasks.csv:2:14: the row has 3 cells, the first row has 2",
            "  hint: a cell that contains the delimiter must stand in quotes",
            "tasks.csv:3:7: the row has 1 cell, the first row has 2",
            "  hint: its last cells are missing; an empty cell needs its delimiter, too",
            "error: the input has 2 problems; nothing was sent",
        ],
    );
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_it_opens() {
    check_refused(
        "tasks.csv",
        "id,site\ngate-1,\"north\ngate-2,south\n",
        &[
            "tasks.csv:2:8: the quote that opens here is never closed",
            "  hint: close it, or write it twice if it belongs to a quoted text",
            ONE_PROBLEM,
        ],
    );
}

#[test]
fn two_columns_of_one_name_are_told() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id,site,id\ngate-1,north,gate-2\n");
    let ended = refused(&scene, &server, &["stop", "tasks.csv"]);
    ended.says("tasks.csv:1:9: columns 1 and 3 are both named `id`").says("hint: ");
}

#[test]
fn a_table_without_a_column_of_ids_is_told_with_the_columns_there_are() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "site,camera\nnorth,gate-1\n");
    let ended = refused(&scene, &server, &["stop", "tasks.csv"]);
    ended.says("tasks.csv:1:").says("there are `site`, `camera`").says("--id-column");
}

#[test]
fn bytes_that_are_no_text_are_told() {
    check_refused(
        "tasks.csv",
        b"id,site\ngate-1,D\xfcsseldorf\n",
        &[
            "tasks.csv:2:9: the byte 0xFC is not valid UTF-8",
            "  hint: export it as UTF-8, or convert it: `iconv -f latin1 -t utf-8 tasks.csv`",
            ONE_PROBLEM,
        ],
    );
    let nul = "id,site\ngate-1,nor\0th\n";
    check_refused(
        "tasks.csv",
        nul,
        &[
            "cannot read `tasks.csv`: it is a binary file, not text",
            "  hint: give a CSV file or a list with one id a line",
            ONE_PROBLEM,
        ],
    );
    let rows: String = (0..20_000).map(|number| format!("task-{number:05},north\n")).collect();
    check_refused(
        "tasks.csv",
        format!("id,site\n{rows}gate-1,nor\0th\n"),
        &[
            "tasks.csv:20002:11: a NUL byte, which no text contains",
            "  hint: the file may be damaged; export it again",
            ONE_PROBLEM,
        ],
    );
}

#[test]
fn what_is_no_table_at_all_is_told() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("folder/tasks.csv", "id\n");
    scene.write("tasks.xlsx", b"PK\x03\x04[Content_Types].xml\0\0xl/workbook.xml");
    scene.write("tasks.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    refused(&scene, &server, &["stop", "folder"]).says("cannot read `folder`: it is a directory");
    refused(&scene, &server, &["stop", "tasks.xlsx"]).says("a spreadsheet's workbook, not text");
    refused(&scene, &server, &["stop", "tasks.csv.gz"]).says("compressed by gzip");
    refused(&scene, &server, &["stop", "nowhere.csv"]).says("cannot read `nowhere.csv`");
}

#[test]
fn a_file_that_is_not_there_is_told_with_the_nearest_that_is() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\ngate-1\n");
    refused(&scene, &server, &["stop", "taks.csv"]).says("did you mean `tasks.csv`?");
}

#[test]
fn an_input_without_a_task_fails_unless_that_is_right() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    for content in ["", "id\n", "# nothing tonight\n\n", "\u{feff}"] {
        scene.write("tasks.csv", content);
        refused(&scene, &server, &["stop", "tasks.csv"]).says("hint: use `--if-empty ok`");
        refused(&scene, &server, &["stop", "tasks.csv", "-n"]).says("there is no task");
        scene.call(&["stop", "tasks.csv", "--if-empty", "ok"]).expect(0);
        scene.call(&["stop", "tasks.csv", "--if-empty", "ok", "-n"]).expect(0);
    }
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn an_empty_input_leaves_empty_documents_where_that_is_right() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\n");
    scene.write("results.csv", "those of yesterday");
    let flags = ["stop", "tasks.csv", "--if-empty", "ok", "--json", "-o", "results.csv"];
    let ended = scene.call(&flags).expect(0);
    assert_eq!(report(&ended.stdout)["tasks"]["selected"], 0);
    assert_eq!(results(&scene.read("results.csv")).len(), 0);
    assert_eq!(server.count(), 0);
}

#[test]
fn twenty_problems_are_told_and_the_rest_is_counted() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let rows: String = (0..1_234).map(|number| format!("NOT {number}\n")).collect();
    scene.write("tasks.txt", format!("gate-1\n{rows}"));
    let ended = refused(&scene, &server, &["stop", "tasks.txt"]);
    let places = ended.stderr.lines().filter(|line| line.starts_with("tasks.txt:")).count();
    assert_eq!(places, 20);
    ended.says("tasks.txt:21:1: `NOT 19` is not an id").says(
        "\n… and 1,214 more problems\nerror: the input has 1,234 problems; nothing was sent\n",
    );
}

#[test]
fn problems_of_all_inputs_are_told_together() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("a.csv", "id\nOOPS\n");
    scene.write("b.txt", "gate-1\nabc\n");
    let ended = refused(&scene, &server, &["stop", "a.csv", "b.txt", "--id", "x"]);
    ended.says("a.csv:2:1: ").says("b.txt:2:1: ").says("--id:1:1: ").says("3 problems");
}

#[test]
fn an_id_with_both_commands_is_an_error_wherever_it_stands() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("a.csv", "id,command\ngate-1,start\ngate-2,stop\n");
    scene.write("b.csv", "command,id\nstop,gate-1\nstop,gate-2\n");
    let ended = refused(&scene, &server, &["run", "a.csv", "b.csv"]);
    ended
        .says("b.csv:2:6: conflicting commands for `gate-1`: stop here, start at a.csv:2:1")
        .says("hint: keep one of the two rows")
        .says(ONE_PROBLEM);
}

#[test]
fn a_command_that_is_none_is_told() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("a.csv", "id,command\ngate-1,strat\ngate-2,\n");
    let ended = refused(&scene, &server, &["run", "a.csv"]);
    ended
        .says("a.csv:2:8: `strat` is not a command")
        .says("did you mean `start`?")
        .says("a.csv:3:8: ");
    scene.write("ids.txt", "gate-1\n");
    refused(&scene, &server, &["run", "ids.txt"]).says("names ids alone and no commands");
}

#[test]
fn a_duplicate_is_an_error_if_it_is_to_be_one() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-1\n");
    let ended = refused(&scene, &server, &["stop", "tasks.txt", "--on-duplicate", "error"]);
    ended.says("tasks.txt:3:1: duplicate of `gate-1` at tasks.txt:1:1").says(ONE_PROBLEM);
}

#[test]
fn foreign_text_reaches_the_terminal_without_its_escape_sequences() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "\u{1b}[2Jgate\u{202e}\n");
    let ended = refused(&scene, &server, &["stop", "tasks.txt"]);
    assert!(!ended.stderr.contains(['\u{1b}', '\u{202e}']), "{}", ended.stderr);
}

/// Calls the program on an input that is right, and checks which ids are called in which order.
#[track_caller]
fn check_called(
    scene: &Scene,
    server: &Server,
    arguments: &[&str],
    input: &[u8],
    expected: &[&str],
) {
    let before = server.ids().len();
    let arguments = [&["stop", "--rate", "none", "-j", "1", "-q"], arguments].concat();
    scene.call_with_input(&arguments, input).expect(0);
    assert_eq!(server.ids()[before..], *expected, "{arguments:?}");
}

#[test]
fn every_form_of_an_input_is_read() {
    let utf16 = |text: &str, mark: &[u8]| {
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
        [mark, &bytes.collect::<Vec<u8>>()].concat()
    };
    let table = "Site;Batch Task ID\r\nD\u{fc}sseldorf;bom8-1\r\n";
    let forms: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("plain.csv", b"id\nplain-1\nplain-2".to_vec(), &["plain-1", "plain-2"]),
        ("bom.csv", format!("\u{feff}{table}").into_bytes(), &["bom8-1"]),
        ("excel.csv", utf16("id\tsite\r\nutf16-1\tx\r\n", b"\xff\xfe"), &["utf16-1"]),
        ("table.tsv", b"site\tid\nnorth, upper\ttsv-1\n".to_vec(), &["tsv-1"]),
        ("tasks.txt", b"# tonight\n\n  list-1  # gate\nlist-2\n".to_vec(), &["list-1", "list-2"]),
        ("noname", b"id|site\npipe-1|north\n".to_vec(), &["pipe-1"]),
        ("quoted.csv", b"\"a,\nb\",\"id\"\n\"x\"\"y\",\" quoted-1 \"\n".to_vec(), &["quoted-1"]),
        ("nbsp.csv", "id,x\n\u{a0}nbsp-1\u{a0},1\n".into(), &["nbsp-1"]),
        ("excel-text.csv", b"id,x\n\"=\"\"0070\"\"\",1\n".to_vec(), &["0070"]),
    ];
    let server = Server::obliging();
    let scene = Scene::with(&server);
    for (name, content, expected) in forms {
        scene.write(name, content);
        check_called(&scene, &server, &[name], b"", expected);
    }
}

#[test]
fn inputs_follow_one_another_and_an_id_is_called_once() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("a.csv", "id,site\ngate-1,north\ngate-2,south\n");
    scene.write("b.txt", "gate-3\ngate-1\n");
    let all = ["gate-1", "gate-2", "gate-3", "gate-4", "gate-5"];
    let arguments = ["a.csv", "b.txt", "-", "--id", "gate-5", "--id", "gate-2", "-o", "r.csv"];
    check_called(&scene, &server, &arguments, b"gate-4\ngate-3\n", &all);
    let rows = results(&scene.read("r.csv"));
    assert_eq!(column(&rows, "id"), all);
    let sources = ["a.csv:2", "a.csv:3", "b.txt:1", "-:1", "--id:1"];
    let unguarded: Vec<&str> =
        column(&rows, "source").into_iter().map(|cell| cell.trim_start_matches('\'')).collect();
    assert_eq!(unguarded, sources);
    assert_eq!(column(&rows, "site"), ["north", "south", "", "", ""]);
}

#[test]
fn flags_say_how_an_input_is_to_be_read() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("a.csv", "gate-1,north\ngate-2,south\n");
    check_called(&scene, &server, &["a.csv", "--no-header"], b"", &["gate-1", "gate-2"]);
    let second = ["--no-header", "--id-column", "2"];
    check_called(&scene, &server, &[&["a.csv"], &second[..]].concat(), b"", &["north", "south"]);
    scene.write("b.csv", "camera,id\ngate-3,abcd\ngate-4,efgh\n");
    check_called(&scene, &server, &["b.csv", "--id-column", "Camera"], b"", &["gate-3", "gate-4"]);
    check_called(&scene, &server, &["b.csv", "--limit", "1"], b"", &["abcd"]);
    let tilde = ["-", "--format", "csv", "--delimiter", "~"];
    check_called(&scene, &server, &tilde, b"x~id\n1,2~tilde-1\n", &["tilde-1"]);
    check_called(&scene, &server, &["-", "--format", "list"], b"list-1\n", &["list-1"]);
}

#[test]
fn a_delimiter_that_cannot_be_one_is_a_wrong_flag() {
    let scene = Scene::new();
    let call = ["stop", "--id", "abcd", "--sandbox", "--delimiter", ";;"];
    scene.call(&call).expect(2).says("a delimiter is one character such as `;`");
}

#[test]
fn the_limit_takes_the_first_tasks_and_tells_of_the_rest() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-1\ngate-2\ngate-3\n");
    scene
        .call(&["stop", "tasks.txt", "--limit", "2", "-n"])
        .expect(0)
        .prints("4 rows; left out: 1 duplicate, 1 beyond the limit");
    let nothing = scene.call(&["stop", "tasks.txt", "--limit", "0"]).expect(65);
    nothing.says("no task is selected: 3 rows beyond the limit");
    check_called(&scene, &server, &["tasks.txt", "--limit", "2"], b"", &["gate-1", "gate-2"]);
    scene.call(&["stop", "--id", "gate-1", "--limit", "0"]).expect(65);
}

#[test]
fn each_row_of_a_run_gets_its_own_command() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("plan.csv", "id,todo\ngate-1,start\ngate-2, STOP \ngate-3,stop\n");
    let call = ["run", "plan.csv", "--command-column", "todo", "--rate", "none", "-o", "r.csv"];
    scene.call(&call).expect(0);
    let mut called: Vec<String> =
        server.requests().iter().map(|request| request.path.clone()).collect();
    called.sort();
    let path = |id, command| format!("/v2/project-1/batch-tasks/{id}/action/{command}");
    assert_eq!(called, [path("gate-1", "start"), path("gate-2", "stop"), path("gate-3", "stop")]);
    assert_eq!(column(&results(&scene.read("r.csv")), "command"), ["start", "stop", "stop"]);
}

/// The flags of a run that sends all at once and writes its results.
const EAGER: [&str; 5] = ["--rate", "none", "--max-failures", "100%", "-q"];

fn header(scene: &Scene, name: &str) -> String {
    let text = scene.read(name);
    text.trim_start_matches('\u{feff}').lines().next().unwrap().to_owned()
}

#[test]
fn results_keep_their_width_however_often_they_are_fed_in_again() {
    let server = Server::start(|request| match request.id.as_str() {
        "gate-1" => Reply::counted("gate-1", 1, 0, 1),
        _ => Reply::service(400, "VIAS.1", "no;=HYPERLINK(1)"),
    });
    let scene = Scene::with(&server);
    scene.write(
        "tasks.csv",
        "id,source,in_source,in_in_note,note,Outcome\n\
         gate-1,a;=1,b,c,\"d\n=1\",e\ngate-2,'=f,g,h,i,j\n",
    );
    let first = [&["stop", "tasks.csv", "-o", "round.csv"], &EAGER[..]].concat();
    scene.call(&first).expect(1);
    let names = header(&scene, "round.csv");
    let own = "in_in_source,in_source,in_in_note,note,in_Outcome";
    assert!(names.ends_with(own), "{names}");
    let cells = |name: &str| -> Vec<String> {
        let rows = results(&scene.read(name));
        own.split(',').flat_map(|it| column(&rows, it)).map(str::to_owned).collect()
    };
    let own_cells = cells("round.csv");
    for round in 0..4 {
        let dialect = ["plain", "excel"][round % 2];
        let call = ["stop", "round.csv", "-o", "next.csv", "--csv-dialect", dialect];
        scene.call(&[&call[..], &EAGER].concat()).expect(1);
        assert_eq!(header(&scene, "next.csv"), names, "round {round}");
        let text = scene.read("next.csv");
        scene.write("next.csv", text.trim_start_matches('\u{feff}'));
        assert_eq!(cells("next.csv"), own_cells, "round {round}");
        scene.write("round.csv", text);
    }
    for call in [
        &["run", "round.csv", "-o", "next.csv"][..],
        &["retry", "latest", "-o", "next.csv"],
        &["stop", "round.csv", "--after", "latest", "-o", "next.csv"],
        // Together with the file it was made of.
        &["stop", "round.csv", "tasks.csv", "-o", "next.csv"],
    ] {
        let ended = scene.call(&[call, &EAGER].concat());
        assert!(scene.path("next.csv").exists(), "{call:?}: {}", ended.stderr);
        assert_eq!(header(&scene, "next.csv"), names, "{call:?}");
        std::fs::remove_file(scene.path("next.csv")).unwrap();
    }
}

#[test]
fn results_that_a_user_rearranged_keep_the_users_columns_alone() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let table = "site,failure_group,outcome,id,error_kind,source,in_id\n\
                 north,F1,failed,gate-1,refused,x.csv:2,mine\n";
    scene.write("tasks.csv", table);
    scene.call(&[&["stop", "tasks.csv", "-o", "r.csv"], &EAGER[..]].concat()).expect(0);
    let names = header(&scene, "r.csv");
    assert!(names.ends_with(",error_advice,site,in_id"), "{names}");
    let rows = results(&scene.read("r.csv"));
    assert_eq!(column(&rows, "source"), ["tasks.csv:2"]);
    // A file of another program may have a few of our names.
    scene.write("own.csv", "id,source,attempts,outcome\ngate-1,mine,7,good\n");
    scene.call(&[&["stop", "own.csv", "-o", "r.csv"], &EAGER[..]].concat()).expect(0);
    let names = header(&scene, "r.csv");
    assert!(names.ends_with(",in_source,in_attempts,in_outcome"), "{names}");
}

#[test]
fn every_line_end_and_end_mark_is_read_from_a_file_and_from_standard_input() {
    let forms: [(&str, &[u8], &[&str]); 6] = [
        ("old.csv", b"id,x\rold-1,a\rold-2,b\r", &["old-1", "old-2"]),
        ("old.txt", b"# tonight\rold-3 # gate\r\rold-4", &["old-3", "old-4"]),
        ("mark.csv", b"id,x\r\nmark-1,a\x1a", &["mark-1"]),
        ("mark.txt", b"mark-2\r\n\x1a\x1a", &["mark-2"]),
        ("mixed.txt", b"mix-1\nmix-2\rmix-3\r\n", &["mix-1", "mix-2", "mix-3"]),
        ("rows.csv", b"id,x\nrow-1,a\n\n\n,,\nrow-2,b\n", &["row-1", "row-2"]),
    ];
    for (name, content, expected) in forms {
        for (argument, input) in [(name, &b""[..]), ("-", content)] {
            let server = Server::obliging();
            let scene = Scene::with(&server);
            scene.write(name, content);
            check_called(&scene, &server, &[argument], input, expected);
        }
    }
    check_refused(
        "old.csv",
        "id,x\rgate-1,north\rGATE,south\r",
        &[
            "old.csv:3:1: `GATE` is not an id: the id contains 'G'; only a-z, 0-9, `_` and `-` occur in ids",
            "  hint: did you mean `gate`?",
            ONE_PROBLEM,
        ],
    );
}

#[test]
fn two_million_blank_lines_are_no_row() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let blank = "\n".repeat(2_000_000);
    scene.write("tasks.csv", format!("{blank}id,x\n{blank}gate-1,north\n"));
    check_called(&scene, &server, &["tasks.csv", "-o", "r.csv"], b"", &["gate-1"]);
    assert_eq!(column(&results(&scene.read("r.csv")), "source"), ["tasks.csv:4000002"]);
}

#[test]
fn json_is_told_once_with_a_filter_that_works() {
    let forms = [
        ("{\"id\":\"gate-1\"}\n{\"id\":\"gate-2\"}\n", ".id"),
        ("[{\"id\":\"gate-1\"},{\"id\":\"gate-2\"}]", ".[].id"),
        ("[\n  \"gate-1\",\n  \"gate-2\"\n]\n", ".[]"),
        ("{\"count\":2,\"batch-tasks\":[{\"task_id\":\"gate-1\"}]}", ".\"batch-tasks\"[].task_id"),
    ];
    for (text, filter) in forms {
        for name in ["tasks.json", "tasks.txt", "tasks.csv"] {
            check_refused(
                name,
                text,
                &[
                    &format!("cannot read `{name}`: it is JSON, not a table or a list"),
                    &format!(
                        "  hint: take the ids out of it: `jq -r '{filter}' {name} | batchctl … -`"
                    ),
                    ONE_PROBLEM,
                ],
            );
        }
    }
}

#[test]
fn rows_of_the_wrong_width_get_a_hint_for_what_they_are() {
    let hint = |row: &str| {
        let server = Server::obliging();
        let scene = Scene::with(&server);
        scene.write("tasks.csv", format!("id,site,floor\ngate-1,north,1\n{row}\n"));
        let said = refused(&scene, &server, &["stop", "tasks.csv"]).stderr;
        said.lines().find_map(|line| line.strip_prefix("  hint: ")).unwrap_or_default().to_owned()
    };
    assert_eq!(
        hint("gate-2,north"),
        "its last cells are missing; an empty cell needs its delimiter, too"
    );
    assert_eq!(
        hint("# tonight"),
        "this looks like a comment; delete the line, because only lists have comments"
    );
    assert_eq!(
        hint("(1 row)"),
        "this looks like the row count of a database client; delete the line"
    );
    assert_eq!(
        hint("(12 rows)"),
        "this looks like the row count of a database client; delete the line"
    );
    assert_eq!(hint("Total,2"), "this looks like a line of totals; delete it");
    assert_eq!(
        hint("gate-2,the\nsouth gate,2"),
        "a cell that contains a line break must stand in quotes"
    );
    assert_eq!(hint("Gate 2"), "every row needs as many cells as the first");
}

#[test]
fn an_id_from_a_word_processor_is_guessed() {
    for id in
        ["ga\u{ad}te-1", "“gate-1”", "«gate-1»", "‘gate-1’", "gate–1", "ga\u{2060}te\u{2011}1"]
    {
        let server = Server::obliging();
        let scene = Scene::with(&server);
        scene.write("tasks.csv", format!("id\n{id}\n"));
        let ended = refused(&scene, &server, &["stop", "tasks.csv"]);
        ended.says("  hint: did you mean `gate-1`?");
        refused(&scene, &server, &["stop", "--id", id]).says("did you mean `gate-1`?");
    }
}

#[test]
fn invisible_characters_are_shown_by_number_and_messages_are_bounded() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "Ä\u{ad}\u{2064}\u{206a}\u{fffb}\u{e0041}x\n");
    refused(&scene, &server, &["stop", "tasks.txt"])
        .says(r"`Ä\u{ad}\u{2064}\u{206a}\u{fffb}\u{e0041}x` is not an id");
    let marks = "\u{301}".repeat(400_000);
    scene.write("marks.csv", format!("id,{marks}\na{marks},x\n"));
    let said = refused(&scene, &server, &["stop", "marks.csv"]).stderr;
    assert!(said.chars().count() < 1_000, "{} characters", said.chars().count());
    scene.write("marks.csv", format!("name,{marks}\na{marks},x\n"));
    let said = refused(&scene, &server, &["stop", "marks.csv"]).stderr;
    assert!(said.chars().count() < 1_000, "{} characters", said.chars().count());
}

#[test]
fn very_many_other_columns_are_kept() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let names: Vec<String> = (0..80_000).map(|number| format!("c{number}")).collect();
    scene.write("tasks.csv", format!("id,{}\ngate-1{}\n", names.join(","), ",x".repeat(80_000)));
    check_called(&scene, &server, &["tasks.csv", "-o", "r.csv"], b"", &["gate-1"]);
    assert!(header(&scene, "r.csv").ends_with(&format!(",{}", names.join(","))));
}

#[test]
fn a_heading_is_never_called_as_a_task() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    for (name, heading) in [
        ("a.txt", "batch_task_id # of the north"),
        ("b.dat", "task_id # north, south"),
        ("c.txt", "'batch_task_id"),
        ("d.txt", "=\"task_id\""),
        ("e.ids", "  Task-Id  # x"),
    ] {
        scene.write(name, format!("{heading}\ngate-1\n"));
        let ended = scene.call(&["stop", name, "-n"]).expect(0);
        ended.prints("1 batch task would be called").prints(&format!("{name}:2"));
    }
    // As where two lists were put into one file.
    for (name, text) in [
        ("a.txt", "task_id\ngate-1\ntask_id\ngate-2\n"),
        ("b.csv", "task_id,site\ngate-1,a\ntask_id,site\ngate-2,b\n"),
        ("c.txt", "gate-1\ngate-2\nbatch_task_id\n"),
        ("d.csv", "id,site\ngate-1,a\nid,site\ngate-2,b\n"),
    ] {
        scene.write(name, text);
        let ended = scene.call(&["stop", name]).expect(65);
        ended.says(&format!("{name}:3:1: ")).says("is the name of a column, not an id");
    }
    scene.call(&["stop", "--id", "task_id"]).expect(65).says("is the name of a column");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_column_that_a_list_does_not_have_is_refused_if_it_was_typed() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.write("list.txt", "gate-1\n");
    scene.write("headed.txt", "Camera\ngate-1\n");
    let column = ["--id-column", "camera"];
    let refused = scene.call(&[&["stop", "list.txt"][..], &column].concat()).expect(2);
    refused.says("`list.txt` is a list and has no column `camera`").says("`--format csv`");
    scene.call(&[&["stop", "headed.txt"][..], &column].concat()).expect(0);
    assert_eq!(server.ids(), ["gate-1"]);
    scene.set("BATCHCTL_ID_COLUMN", "camera");
    scene.call(&["stop", "list.txt"]).expect(0);
}
