//! A curl command becomes a draft that is right once its meanings are filled in.

use super::*;
use crate::service::{Auth, CallValues, ServiceFile, call};

struct Id(&'static str);

impl CallValues for Id {
    fn id(&self) -> &str {
        self.0
    }

    fn region(&self) -> Option<&str> {
        None
    }

    fn project_id(&self) -> Option<&str> {
        None
    }

    fn cell(&self, _: &str) -> Option<&str> {
        None
    }
}

/// Checks what a draft calls for another id: `METHOD target body`.
#[track_caller]
fn check(line: &str, expected: &str, auth: &Auth) {
    let draft = from_curl(line, "42").unwrap();
    assert!(!format!("{draft:?}").contains("hunter2"), "{draft:?}");
    let problems = ServiceFile::read(&draft.text).unwrap_err();
    assert!(problems.iter().all(|p| p.message.starts_with("say what")), "{problems:#?}");
    let service = ServiceFile::read(&draft.text.replace("\"?\"", "\"refused\"")).unwrap().service;
    assert_eq!(&service.auth, auth, "{line}");
    let call = call(&service, &service.actions[0], &Id("7")).unwrap();
    let body = call.body.map(|body| format!(" {body}")).unwrap_or_default();
    let found = format!("{} {}{body}", call.method.as_str(), call.target);
    assert_eq!(found, expected, "{}", draft.text);
}

#[test]
fn a_command_becomes_an_action_for_every_id() {
    check(
        "curl -X POST https://shop.example.com/things/42/on -H 'Authorization: Bearer hunter2' \
         -d '{\"note\":\"hi\"}'",
        r#"POST /things/7/on {"note":"hi"}"#,
        &Auth::Bearer,
    );
    check("curl -XDELETE shop.example.com/v42/things/42", "DELETE /v42/things/7", &Auth::None);
    check("curl -u me:hunter2 -X PUT https://a.example/42.json", "PUT /7.json", &Auth::Basic);
    check(
        "curl --request PATCH --url 'https://a.example/x?id=42&api_key=hunter2&q=a%20b'",
        "PATCH /x?id=7&q=a%20b",
        &Auth::None,
    );
    check(
        "curl https://a.example/x -H 'X-Api-Key: hunter2' --json '{\"id\": 42, \"n\": 142, \"s\": \"{42}\"}'",
        r#"POST /x {"id": 7, "n": 142, "s": "{42}"}"#,
        &Auth::Header("X-Api-Key".into()),
    );
    check("curl -sS -k -o out -X PUT -G https://a.example/x -d id=42", "PUT /x?id=7", &Auth::None);
    check("curl \\\n  -X PUT \\\n  https://a.example/42", "PUT /7", &Auth::None);
}

#[test]
fn what_is_left_out_is_told() {
    let line = "curl -s -X PUT https://a.example/42 -H 'Cookie: sid=hunter2' -H 'X-Token: hunter2'";
    let notes = from_curl(line, "42").unwrap().notes.join("\n");
    for part in ["`-s`", "`Cookie`", "`X-Token`", "--token-file"] {
        assert!(notes.contains(part), "{notes}");
    }
}

#[test]
fn what_no_service_file_holds_is_noted_with_its_line() {
    let line = "curl -X POST -H '\":x' https://a.example/things/42";
    let draft = from_curl(line, "42").unwrap();
    let problems = ServiceFile::read(&draft.text).unwrap_err();
    let other = problems.iter().find(|problem| !problem.message.starts_with("say what")).unwrap();
    let note = format!("line {} of the draft: {}", other.place.line, other.message);
    assert_eq!(draft.notes, [note.as_str()]);
    assert_eq!(note, "line 12 of the draft: no header has the name `\"`");
}

#[test]
fn a_draft_is_toml_whatever_the_names_of_its_fields() {
    for name in ["X-A\nB", "X-\u{7f}", "X-'\"'\"'", "\\", "é"] {
        let line = format!("curl -X POST -H '{name}: x' 'https://a.example/42?{name}=1'");
        let draft = from_curl(&line, "42").unwrap();
        let toml = toml::from_str::<toml::Table>(&draft.text);
        assert!(toml.is_ok(), "{toml:?}\n{}", draft.text);
    }
}

#[test]
fn a_field_that_stands_twice_is_kept_once_and_noted() {
    let draft = from_curl("curl -X PUT -H 'X: a' -H 'X: b' 'https://a.example/42?q=1&q=2'", "42");
    let draft = draft.unwrap();
    assert!(
        draft.text.contains("query = { \"q\" = \"1\" }\nheaders = { \"X\" = \"a\" }"),
        "{draft:?}"
    );
    let note = |name| format!("`{name}` stands in the call more than once: see the first");
    assert_eq!(draft.notes, [note("q"), note("X")]);
}

#[test]
fn an_action_is_named_by_the_end_of_its_path() {
    let name = |line: &str| from_curl(line, "42").unwrap().text;
    assert!(name("curl -X PUT https://a.example/42/switchOn").contains("[action.switch_on]"));
    assert!(name("curl -X PUT https://a.example/things/42").contains("[action.put]"));
}

#[test]
fn commands_that_are_no_action_say_why() {
    for (line, expected) in [
        ("wget https://a.example/42", "no curl command"),
        ("", "no curl command"),
        ("curl 'https://a.example/42", "open quote"),
        ("curl https://a.example/42 -d $'a'", "`$'…'`"),
        ("curl https://a.example/42", "`GET` is no action"),
        ("curl -X PUT", "no URL"),
        ("curl -X PUT https://a.example/43", "nowhere in the call"),
        ("curl https://a.example/42 -d @body.json", "in a file"),
        ("curl https://a.example/42 -d a=b", "no JSON"),
        ("curl https://a.example/42 -F a=b", "no JSON"),
    ] {
        let error = from_curl(line, "42").unwrap_err();
        assert!(error.message.contains(expected), "{line}: {error:?}");
    }
}
