//! Every key has its type and its default.

use super::{SMALLEST, problems, read};
use crate::policy::AnswerMeaning;
use crate::service::{
    Auth, BodyKind, CursorFrom, EntryState, Method, PageBy, Service, StateList, StateSource,
    TextSource, WaitSource,
};
use std::time::Duration;

/// Reads the smallest file with more at its top.
#[track_caller]
fn with_top(more: &str) -> Service {
    read(&SMALLEST.replacen("auth", &format!("{more}\nauth"), 1))
}

/// Reads the smallest file with more in its action.
#[track_caller]
fn with_action(more: &str) -> Service {
    read(&format!("{SMALLEST}{more}\n"))
}

/// Reads the smallest file with more in its rule.
#[track_caller]
fn with_rule(more: &str) -> Service {
    read(&SMALLEST.replacen("means", &format!("{more}, means"), 1))
}

const STATE: &str = "
[state]
get = { path = '/things/{id}', word = '/power' }
words = { on = ['ON'], off = ['OFF'] }
";

#[test]
fn what_is_not_said_has_a_default() {
    let service = read(SMALLEST);
    assert_eq!(service.about, None);
    assert_eq!(service.endpoint, "https://shop.example.com");
    assert_eq!((service.hosts.len(), service.headers.len()), (0, 0));
    assert_eq!(service.auth, Auth::None);
    assert_eq!(service.id.column, None);
    assert_eq!(service.id.pattern, "^[A-Za-z0-9._~-]{1,128}$");
    assert_eq!(service.request_id, [TextSource::Header("X-Request-Id".into())]);
    assert!(service.counts.is_none() && service.state.is_none());
    assert_eq!(service.errors.within[0].at.as_str(), "");
    assert!(service.errors.code.is_empty());
    let action = &service.actions[0];
    assert_eq!((action.query.len(), action.headers.len()), (0, 0));
    assert_eq!((action.content_type.as_str(), &action.body), ("application/json", &None));
    assert_eq!((&action.leads_to, &action.opposite, &action.answer_id), (&None, &None, &None));
    assert!(action.reached.is_empty() && action.rules.is_empty());
    let rule = &service.rules[0];
    assert!(rule.code.is_empty() && rule.json.is_empty() && rule.text.is_none());
    assert!(matches!(&rule.wait[..], [WaitSource::Header(name)] if name == "Retry-After"));
    assert!(!rule.asks_to_wait && rule.advice.is_none() && rule.example.is_none());
    assert_eq!(rule.line, 4);
}

#[test]
fn a_second_call_changes_nothing_more_where_the_method_says_so() {
    for (method, expected) in
        [(Method::Put, true), (Method::Delete, true), (Method::Post, false), (Method::Patch, false)]
    {
        let text = SMALLEST.replace("POST", method.as_str());
        assert_eq!(read(&text).actions[0].repeatable, expected, "{method:?}");
    }
    assert!(with_action("repeatable = true").actions[0].repeatable);
}

#[test]
fn a_body_is_asked_for_by_what_an_answer_means() {
    for means in AnswerMeaning::ALL {
        let text = SMALLEST.replace("'done'", &format!("'{}'", means.as_str()));
        let text = match means {
            AnswerMeaning::Counted => format!("{text}[counts]\ntotal = '/t'\nfailed = '/f'\n"),
            _ => text,
        };
        let expected = if means.is_good() { BodyKind::JsonOrEmpty } else { BodyKind::Any };
        assert_eq!(read(&text).rules[0].body, expected, "{means:?}");
    }
}

#[test]
fn keys_of_the_service_are_read() {
    assert_eq!(with_top("about = 'a shop'").about.as_deref(), Some("a shop"));
    assert_eq!(with_top("hosts = ['b.example.com:8443']").hosts, ["b.example.com:8443"]);
    assert_eq!(with_top("hosts = 'b.example.com'").hosts, ["b.example.com"]);
    assert_eq!(with_top("headers = { X-A = '{site}' }").headers[0].0, "X-A");
    let id = with_top("id = { column = 'thing', pattern = '[0-9]+|all' }").id;
    assert_eq!(id.column.as_deref(), Some("thing"));
    assert!(id.id("42").is_ok() && id.id("all").is_ok());
    assert!(id.id("42x").is_err() && id.id("xall").is_err() && id.id(" 42").is_err());
    let from = with_top("request_id = ['json /r', 'header X-R']").request_id;
    assert!(matches!(&from[..], [TextSource::Json(_), TextSource::Header(_)]));
    for (auth, expected) in [
        ("huawei", Auth::Huawei),
        ("bearer", Auth::Bearer),
        ("basic", Auth::Basic),
        ("header:X-Api-Key", Auth::Header("X-Api-Key".into())),
    ] {
        assert_eq!(read(&SMALLEST.replace("'none'", &format!("'{auth}'"))).auth, expected);
    }
    let region = SMALLEST.replace("shop.", "shop.{region}.");
    assert_eq!(read(&region).endpoint, "https://shop.{region}.example.com");
    assert_eq!(with_top("ids_per_call = 1").actions.len(), 1);
}

#[test]
fn keys_of_an_action_are_read() {
    let action = |more| with_action(more).actions.remove(0);
    assert_eq!(action("query = { b = '{x}', a = '1' }").query[1].0, "a");
    assert_eq!(action("headers = { X-B = '1' }").headers[0].0, "X-B");
    assert_eq!(action("body = '{\"a\":\"{id}\"}'").body.unwrap().parts.len(), 3);
    let typed = "body = '{}'\ncontent_type = 'application/merge-patch+json; charset=utf-8'";
    assert!(action(typed).content_type.starts_with("application/merge-patch+json"));
    assert_eq!(action("answer_id = '/id'").answer_id.unwrap().as_str(), "/id");
    let rules = action("answer = [{ status = 202, means = 'unchanged' }]").rules;
    assert_eq!(rules[0].means, AnswerMeaning::Unchanged);
    let off = "[action.off]\nmethod = 'DELETE'\npath = '/things/{id}/on'\nleads_to = 'off'
opposite = 'on'";
    let text =
        format!("leads_to = 'on'\nopposite = 'off'\nreached = ['DIM', 7, true]\n{off}{STATE}");
    let both = with_action(&text);
    assert_eq!(both.actions[0].leads_to.as_deref(), Some("on"));
    assert_eq!(both.actions[0].opposite.as_deref(), Some("off"));
    assert_eq!(both.actions[0].reached.len(), 3);
    let gone = with_action(&format!("leads_to = 'gone'\n{STATE}"));
    assert_eq!(gone.actions[0].leads_to.as_deref(), Some("gone"));
}

#[test]
fn keys_of_a_rule_are_read() {
    let rule = |more| with_rule(more).rules.remove(0);
    let several = SMALLEST.replacen("'200..299'", "[404, '500..599', \"409\"]", 1);
    let rules = read(&several).rules;
    let fits = [404, 409, 500, 599, 403, 410, 499].map(|status| rules[0].has_status(status));
    assert_eq!(fits, [true, true, true, true, false, false, false]);
    assert_eq!(rule("code = 'A'").code.len(), 1);
    assert_eq!(rule("code = ['A', 'B*']").code.len(), 2);
    let json = "json = { '/a' = 'x', '/b' = [1, true], '/c' = { present = false } }";
    assert_eq!(rule(json).json.len(), 3);
    assert!(rule("text = '^a'").text.unwrap().is_match("ab"));
    assert_eq!(rule("body = 'json'").body, BodyKind::Json);
    assert_eq!(rule("wait = ['header A', 'json /b', 'text (?<wait>[0-9]+)']").wait.len(), 3);
    assert!(rule("asks_to_wait = true").asks_to_wait);
    assert_eq!(rule("advice = 'look'").advice.as_deref(), Some("look"));
    let example = rule("example = { status = 200, body = '{}', headers = { A = 'b' } }").example;
    let example = example.unwrap();
    assert_eq!((example.status, example.body.as_str(), example.headers.len()), (200, "{}", 1));
}

#[test]
fn keys_of_errors_and_counts_are_read() {
    let service = with_action(
        "[error]\nwithin = ['', '/*', '/a/*']\ncode = '/c'\nmessage = ['/m', '/n']\ndetail = '/d'
params = '/p'
reason = '/r'\nadvice = '/a'\nlist = '/l'",
    );
    let errors = service.errors;
    let within: Vec<_> = errors.within.iter().map(|w| (w.at.as_str(), w.any_field)).collect();
    assert_eq!(within, [("", false), ("", true), ("/a", true)]);
    assert_eq!((errors.code.len(), errors.message.len(), errors.detail.len()), (1, 2, 1));
    assert_eq!((errors.reason.len(), errors.advice.len(), errors.list.len()), (1, 1, 1));
    assert_eq!(errors.params[0].as_str(), "/p");
    let counted = SMALLEST.replace("'done'", "'counted'");
    let counts = read(&format!("{counted}[counts]\ntotal = '/t'\nsucceeded = '/s'\n")).counts;
    let counts = counts.unwrap();
    assert!(counts.total.is_some() && counts.failed.is_none() && counts.succeeded.is_some());
}

#[test]
fn keys_of_states_are_read() {
    let state = with_action(STATE).state.unwrap();
    assert_eq!(state.believed_after, Duration::from_secs(3));
    assert!(state.rules.is_empty());
    let StateSource::Get(get) = state.from else { panic!("a request for each id") };
    assert_eq!(get.word.as_str(), "/power");
    let more = STATE.replace("[state]", "[state]\nbelieved_after = '500ms'");
    let more = format!("{more}answer = [{{ status = 404, means = 'gone' }}]\n");
    let state = with_action(&more).state.unwrap();
    assert_eq!((state.believed_after, state.rules.len()), (Duration::from_millis(500), 1));
    let words = STATE.replace("off = ['OFF']", "off = ['OFF', 0, false], to_on = ['BOOT']");
    let words = with_action(&words).state.unwrap().words;
    assert_eq!((words.words.len(), words.ways.len()), (2, 1));
    assert_eq!(words.words[1].1.len(), 3);
}

#[track_caller]
fn list(more: &str) -> StateList {
    let text = format!(
        "[state]\nwords = {{ on = ['ON'] }}\n[state.list]\npath = '/things'\neach = '/things'
id = '/id'\n{more}\n"
    );
    match with_action(&text).state.unwrap().from {
        StateSource::List(list) => *list,
        StateSource::Get(_) => panic!("a list"),
    }
}

#[test]
fn keys_of_a_list_are_read() {
    let plain = list("word = '/power'");
    assert!(matches!(plain.state, EntryState::Word(_)));
    assert!(plain.page.is_none() && plain.name.is_none() && plain.total.is_none());
    assert!(matches!(list("counters = '/c'").state, EntryState::Counters(_)));
    let more = list("word = '/p'\nname = '/n'\ntotal = '/t'\nquery = { a = '1' }");
    assert!(more.name.is_some() && more.total.is_some());
    assert_eq!(more.request.query.len(), 1);
    let page = |by: &str| list(&format!("word = '/p'\npage = {{ {by} }}")).page.unwrap();
    let number = page("by = 'number', param = 'p'");
    assert!(matches!(number.by, PageBy::Number { first: 1, last: 10_000, .. }));
    assert_eq!((number.size, number.size_param), (None, None));
    let number =
        page("by = 'number', param = 'p', first = 0, last = 5, size_param = 's', size = 9");
    assert!(matches!(number.by, PageBy::Number { first: 0, last: 5, .. }));
    assert_eq!((number.size, number.size_param.as_deref()), (Some(9), Some("s")));
    assert!(matches!(page("by = 'offset', param = 'o'").by, PageBy::Offset { .. }));
    let cursor = page("by = 'cursor', param = 'c', from = 'last_id'").by;
    assert!(matches!(cursor, PageBy::Cursor { from: CursorFrom::LastId, .. }));
    let cursor = page("by = 'cursor', param = 'c', from = '/next'").by;
    assert!(matches!(cursor, PageBy::Cursor { from: CursorFrom::Page(_), .. }));
    let next = page("by = 'next', from = 'json /next'").by;
    assert!(matches!(next, PageBy::Next { from: TextSource::Json(_) }));
    let next = page("by = 'next', from = 'header Link'").by;
    assert!(matches!(next, PageBy::Next { from: TextSource::Header(_) }));
}

#[test]
fn a_wrong_type_is_told_for_every_key() {
    let top = [
        "about = 1",
        "hosts = 1",
        "headers = 'a'",
        "id = 'a'",
        "request_id = 1",
        "counts = 1",
        "error = 1",
        "state = 1",
        "id = { pattern = 1 }",
        "id = { column = 1 }",
    ];
    let action = [
        "query = 1",
        "headers = 1",
        "body = 1",
        "content_type = 1",
        "repeatable = 1",
        "leads_to = 1",
        "reached = 1",
        "opposite = 1",
        "answer_id = 1",
        "answer = 1",
        "query = { a = 1 }",
    ];
    let rule = [
        "code = 1",
        "json = 1",
        "text = 1",
        "body = 1",
        "wait = 1",
        "asks_to_wait = 1",
        "advice = 1",
        "example = 1",
        "json = { '/a' = 1.5 }",
    ];
    let top = top.iter().map(|key| SMALLEST.replacen("auth", &format!("{key}\nauth"), 1));
    let action = action.iter().map(|key| format!("{SMALLEST}{key}\n"));
    let rule = rule.iter().map(|key| SMALLEST.replacen("means", &format!("{key}, means"), 1));
    for text in top.chain(action).chain(rule) {
        assert_eq!(problems(&text).len(), 1, "{text}: {:#?}", problems(&text));
    }
}
