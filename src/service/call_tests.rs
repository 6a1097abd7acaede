//! Values stay where they are put, unchanged, or are refused.

use super::*;
use crate::service::ServiceFile;
use proptest::prelude::*;
use serde_json::json;

const SHOP: &str = r#"format = 1
endpoint = "https://shop.example.com"
auth = "none"
headers = { X-Shared = "a", X-Tenant = "b" }
answer = [{ status = "200..299", means = "done" }]
[id]
pattern = "(?s).*"
[action.on]
method = "POST"
path = "/things/{id}/on.{site}"
query = { note = "{note=}", fixed = "a b" }
headers = { x-tenant = "tenant {tenant=none}" }
body = '{"note":"say {note=}","n":"{n:number=1}","on":"{on:boolean=true}","id":"{id}"}'
"#;

#[derive(Clone, Copy)]
struct Values<'a> {
    id: &'a str,
    cells: &'a [(&'a str, &'a str)],
}

impl CallValues for Values<'_> {
    fn id(&self) -> &str {
        self.id
    }

    fn region(&self) -> Option<&str> {
        None
    }

    fn project_id(&self) -> Option<&str> {
        Some("project-1")
    }

    fn cell(&self, column: &str) -> Option<&str> {
        self.cells.iter().find(|(name, _)| *name == column).map(|(_, cell)| *cell)
    }
}

fn called(id: &str, cells: &[(&str, &str)]) -> Result<ServiceCall, ValueProblem> {
    let service = ServiceFile::read(SHOP).unwrap().service;
    call(&service, &service.actions[0], &Values { id, cells })
}

fn refused(id: &str, cells: &[(&str, &str)]) -> String {
    called(id, cells).unwrap_err().to_string()
}

#[test]
fn a_call_has_its_values_in_their_places() {
    let cells = [("site", "north"), ("note", "a \"b\" ä/?&"), ("n", "-1.5e3"), ("on", "false")];
    let call = called("42", &cells).unwrap();
    assert_eq!(call.method, Method::Post);
    assert_eq!(call.target, {
        "/things/42/on.north?note=a%20%22b%22%20%C3%A4%2F%3F%26&fixed=a%20b"
    });
    let headers =
        [("X-Shared", "a"), ("x-tenant", "tenant none"), ("Content-Type", "application/json")];
    assert_eq!(call.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(call.body.unwrap(), {
        r#"{"note":"say a \"b\" ä/?&","n":-1.5e3,"on":false,"id":"42"}"#
    });
}

#[test]
fn an_empty_cell_and_a_missing_column_have_the_default() {
    for cells in [&[("site", "x"), ("n", "")][..], &[("site", "x")]] {
        let call = called("42", cells).unwrap();
        assert_eq!(call.body.unwrap(), r#"{"note":"say ","n":1,"on":true,"id":"42"}"#);
        assert!(call.target.contains("?note=&"));
    }
    assert_eq!(refused("42", &[]), {
        "`site` cannot stand in the path: there is no such column, and the file has no default for it"
    });
    assert!(refused("42", &[("site", "")]).contains("the cell is empty"));
}

#[test]
fn what_no_escape_helps_is_refused_with_its_place() {
    let with = |name: &str, cell: &str| refused("42", &[("site", "x"), (name, cell)]);
    assert!(with("tenant", "ä").contains("the header `x-tenant`: a header has visible ASCII"));
    assert!(with("tenant", "a\tb").contains("visible ASCII"));
    assert!(with("tenant", "a ").contains("visible ASCII"));
    assert!(with("tenant", &"x".repeat(2_000)).contains("1 KiB"));
    assert!(with("note", "a\nb").contains("a line break or a NUL"));
    assert!(with("note", &"x".repeat(70_000)).contains("64 KiB"));
    assert!(with("n", "1,\"admin\":true").contains("no number"));
    assert!(with("n", "01").contains("no number"));
    assert!(with("n", " 1").contains("no number"));
    assert!(with("on", "True").contains("neither `true`"));
    for id in ["a/b", "a\\b", ".", "..", ""] {
        assert!(refused(id, &[("site", "x")]).starts_with("`id` cannot stand in the path"), "{id}");
    }
    let file = SHOP.replace("/things/{id}/on.{site}", "/things/{id}/%2E{site=}");
    let service = ServiceFile::read(&file).unwrap().service;
    for cell in [".", ""] {
        let values = Values { id: "42", cells: &[("site", cell)] };
        let problem = call(&service, &service.actions[0], &values).unwrap_err();
        assert_eq!(problem.fault, ValueFault::Segment, "{cell:?}");
    }
}

#[test]
fn a_value_that_ends_an_escape_cannot_spoil_its_segment() {
    let path = |template: &str, id: &str| {
        let values = Values { id, cells: &[] };
        Filler { action: "", values: &values }.path(&Template::parse(template).unwrap())
    };
    for (template, id) in
        [("/a/%2{id}", "E"), ("/a/%{id}", "2E"), ("/a/.%2{id}", "e"), ("/a/{id}%2E", ".")]
    {
        let fault = path(template, id).map_err(|problem| problem.fault);
        assert_eq!(fault, Err(ValueFault::Segment), "{template} {id}");
    }
    assert_eq!(path("/a/%2{id}", "E.x").unwrap(), "/a/%2E.x");
    assert_eq!(path("/a/{id}", "ä.b").unwrap(), "/a/%C3%A4.b");
}

/// Checks that a call with a hostile value differs from a tame one in that value alone.
fn check_hostile(value: &str) -> Result<(), TestCaseError> {
    for place in ["id", "site", "note", "tenant", "n", "on"] {
        let id = if place == "id" { value } else { "42" };
        let cells = [("site", "x"), (place, value)];
        // Of two cells of one column the first is found, so the site is left out where it is tried.
        let cells = if place == "site" { &cells[1..] } else { &cells[..] };
        let Ok(call) = called(id, cells) else { continue };
        prop_assert_eq!(call.method, Method::Post);
        let (path, query) = call.target.split_once('?').unwrap();
        let segments: Vec<&str> = path.split('/').collect();
        prop_assert_eq!((segments.len(), segments[1]), (4, "things"), "{}", path);
        let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(decode(segments[2]), id);
        prop_assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)));
        let fields: Vec<_> = query.split('&').map(|field| field.split_once('=').unwrap()).collect();
        prop_assert_eq!(fields.len(), 2);
        prop_assert_eq!((fields[0].0, fields[1]), ("note", ("fixed", "a%20b")));
        let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(names, ["X-Shared", "x-tenant", "Content-Type"]);
        let body: serde_json::Value = serde_json::from_str(&call.body.unwrap()).unwrap();
        let note = if place == "note" { value } else { "" };
        prop_assert_eq!(&body["note"], &json!(format!("say {note}")));
        prop_assert_eq!(&body["id"], &json!(id));
        prop_assert_eq!(body.as_object().unwrap().len(), 4);
        prop_assert!(body["n"].is_number() && body["on"].is_boolean());
    }
    Ok(())
}

#[test]
fn sixty_hostile_values_change_nothing_but_themselves() {
    let long = "x".repeat(60 << 10);
    let hostile = [
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "\\u0022",
        "{",
        "}",
        "{{",
        "}}",
        "{id}",
        "{note}",
        "${x}",
        "[",
        "]",
        ",",
        ":",
        "\",\"admin\":true,\"x\":\"",
        "\"}",
        "\"}{\"a\":1",
        "null",
        "true",
        "1e999",
        "NaN",
        "-0",
        "0x10",
        "1_000",
        "/",
        "//",
        "../",
        "..",
        ".",
        "%2e%2e%2f",
        "%2e%2e",
        "%2F",
        "%",
        "%zz",
        "%00",
        "?",
        "#",
        "&",
        "=",
        "?a=1&b=2#c",
        "&fixed=other",
        "; drop",
        "a b",
        " a",
        "a ",
        "\t",
        "\r\nX-Evil: 1",
        "\n",
        "\0",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}evil",
        "\u{feff}",
        "ä",
        "門",
        "😀",
        "e\u{301}",
        "<script>",
        "=1+1",
        "@SUM",
        "-1",
        "\u{1b}[2J",
        long.as_str(),
    ];
    assert!(hostile.len() >= 60, "{}", hostile.len());
    for value in hostile {
        check_hostile(value).unwrap();
    }
}

proptest! {
    #[test]
    fn no_value_leaves_its_place(value in "\\PC{1,20}|[\\x00-\\x7f]{1,12}") {
        check_hostile(&value)?;
    }
}
