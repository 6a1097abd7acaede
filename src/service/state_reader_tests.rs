//! States in the words of a file, however the service writes them.

use super::*;
use crate::service::ServiceFile;
use crate::service::state::StateSource;
use std::time::UNIX_EPOCH;

const LAMPS: &str = r#"
format = 1
endpoint = "https://lamps.example.com"
auth = "none"
answer = [{ status = "200..299", means = "done" }]
error = { code = "/code", message = "/message" }
[action.on]
method = "PUT"
path = "/lamps/{id}/on"
leads_to = "on"
reached = ["DIMMED"]
opposite = "off"
[action.off]
method = "PUT"
path = "/lamps/{id}/off"
leads_to = "off"
opposite = "on"
[action.scrap]
method = "DELETE"
path = "/lamps/{id}"
leads_to = "gone"
[state]
SOURCE
[state.words]
on = ["ON", 1, true]
off = ["OFF", 0, false]
bad = ["BROKEN"]
changing = ["BOOTING"]
to_off = ["FADING"]
[[state.answer]]
status = 404
means = "gone"
[[state.answer]]
status = 429
means = "throttled"
"#;

fn lamps(source: &str) -> Service {
    let file = ServiceFile::read(&LAMPS.replace("SOURCE", source));
    file.unwrap_or_else(|problems| panic!("{problems:?}")).service
}

fn answer(status: u16, body: &str) -> SeenAnswer {
    SeenAnswer::new(status, Vec::new(), body.as_bytes())
}

fn look(status: u16, body: &str) -> ReadState {
    let service = lamps("get = { path = \"/lamps/{id}\", word = \"/lamp/power\" }");
    let state = service.state.as_ref().unwrap();
    let StateSource::Get(get) = &state.from else { panic!("it is a GET") };
    let id = TaskId::accepted("7").unwrap();
    read_state(&service, (state, get), &id, &answer(status, body), UNIX_EPOCH)
}

/// Returns the word for a state, and how far it is on the way of on, off and scrap.
fn seen(state: &str) -> (&'static str, [Toward; 3]) {
    let body = format!(r#"{{"lamp":{{"power":{state}}}}}"#);
    let ReadState::Seen(_, observed) = look(200, &body) else { panic!("{state} is a state") };
    let toward = observed.actions.iter().map(|(_, toward)| *toward);
    (observed.state.as_str(), toward.collect::<Vec<_>>().try_into().unwrap())
}

#[test]
fn each_state_has_its_word_and_its_way() {
    use Toward::{Against, Open, Reached};
    for (state, expected) in [
        (r#""ON""#, ("on", [Reached, Against, Open])),
        (r#""oN""#, ("on", [Reached, Against, Open])),
        ("1", ("on", [Reached, Against, Open])),
        ("true", ("on", [Reached, Against, Open])),
        (r#""1""#, ("unknown", [Open, Open, Open])),
        ("false", ("off", [Against, Reached, Open])),
        (r#""FADING""#, ("changing", [Against, Open, Open])),
        (r#""BOOTING""#, ("changing", [Open, Open, Open])),
        (r#""BROKEN""#, ("bad", [Open, Open, Open])),
        (r#""DIMMED""#, ("unknown", [Reached, Open, Open])),
        (r#""on ""#, ("unknown", [Open, Open, Open])),
    ] {
        assert_eq!(seen(state), expected, "{state}");
    }
}

#[test]
fn what_is_no_state_is_told_and_never_guessed() {
    assert_eq!(look(404, ""), ReadState::Gone);
    for (status, body, expected) in [
        (200, "{}", "the answer has no state at `/lamp/power`"),
        (200, r#"{"lamp":{"power":null}}"#, "the answer has no state at `/lamp/power`"),
        (200, r#"{"lamp":{"power":{}}}"#, "the answer has no state at `/lamp/power`"),
        (200, r#"{"lamp":{"power":1,"power":0}}"#, "the answer has the field /lamp/power twice"),
        (200, "<html>", "no JSON object is `<html>`"),
        (200, "", "status 200 came without a body"),
        (500, r#"{"message":"oops"}"#, "oops"),
    ] {
        let ReadState::Other(judgement) = look(status, body) else { panic!("{body}") };
        assert_eq!((judgement.meaning, judgement.error.message.as_str()), (None, expected));
    }
    let ReadState::Other(judgement) = look(302, "") else { panic!("it is a redirect") };
    assert!(judgement.error.message.starts_with("status 302 redirects without an address"));
    let ReadState::Other(judgement) = look(429, "") else { panic!("it is throttled") };
    assert_eq!(judgement.meaning, Some(AnswerMeaning::Throttled));
}

fn page(source: &str, headers: &[(&str, &str)], body: &str) -> Result<ReadPage, Box<Judgement>> {
    let service = lamps(source);
    let state = service.state.as_ref().unwrap();
    let StateSource::List(list) = &state.from else { panic!("it is a list") };
    let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let answer = SeenAnswer::new(200, headers, body.as_bytes());
    read_page(&service, (state, list), &answer, UNIX_EPOCH)
}

const COUNTED: &str =
    r#"list = { path = "/groups", each = "/groups", id = "/id", counters = "/by", total = "/n" }"#;

#[test]
fn a_group_is_where_all_of_it_is_and_trouble_comes_first() {
    use Toward::{Against, Open, Reached};
    for (counters, word, on, off) in [
        (r#"{"ON":3,"OFF":0}"#, "on", Reached, Against),
        (r#"{"ON":1,"OFF":1}"#, "mixed", Against, Against),
        (r#"{"ON":1,"DIMMED":1}"#, "unknown", Reached, Against),
        (r#"{"ON":1,"BOOTING":1,"odd":1}"#, "changing", Open, Against),
        (r#"{"BROKEN":1,"BOOTING":1}"#, "bad", Open, Open),
        ("{}", "unknown", Open, Open),
    ] {
        let read =
            page(COUNTED, &[], &format!(r#"{{"n":1,"groups":[{{"id":9,"by":{counters}}}]}}"#));
        let entry = &read.unwrap().entries[0];
        let seen = entry.seen.as_ref().unwrap();
        let found = (seen.state.as_str(), seen.actions[0].1, seen.actions[1].1);
        assert_eq!((entry.id.as_str(), found), ("9", (word, on, off)), "{counters}");
    }
}

#[test]
fn entries_without_an_id_are_counted_and_a_page_without_a_list_is_none() {
    let read =
        page(COUNTED, &[], r#"{"n":2,"groups":[{"by":{}},{"id":""},{"id":"a b"}]}"#).unwrap();
    assert_eq!((read.nameless, read.total, read.entries.len()), (2, Some(2), 1));
    assert_eq!(read.entries[0].seen, None);
    assert_eq!(read.next, NextPage::None);
    let error = page(COUNTED, &[], r#"{"groups":{}}"#).unwrap_err().error;
    assert_eq!(error.message, "the answer has no list at `/groups`");
}

#[test]
fn the_next_page_is_found_as_the_file_says() {
    let list = |page: &str| {
        format!(r#"list = {{ path = "/l", each = "/l", id = "/id", word = "/s", page = {page} }}"#)
    };
    let next = |paging: &str, headers: &[(&str, &str)], body: &str| {
        page(&list(paging), headers, body).unwrap().next
    };
    let body = r#"{"l":[{"id":"a","s":"ON"},{"id":"b","s":"ON"}],"next":"m"}"#;
    assert_eq!(next(r#"{by="number",param="p"}"#, &[], body), NextPage::Numbered);
    assert_eq!(
        next(r#"{by="cursor",param="c",from="last_id"}"#, &[], body),
        NextPage::Behind("b".into())
    );
    assert_eq!(
        next(r#"{by="cursor",param="c",from="last_id"}"#, &[], r#"{"l":[]}"#),
        NextPage::None
    );
    assert_eq!(
        next(r#"{by="cursor",param="c",from="/next"}"#, &[], body),
        NextPage::Mark("m".into())
    );
    assert_eq!(next(r#"{by="cursor",param="c",from="/next"}"#, &[], r#"{"l":[]}"#), NextPage::None);
    assert_eq!(next(r#"{by="next",from="json /next"}"#, &[], body), NextPage::Link("m".into()));
    let by_header = r#"{by="next",from="header Link"}"#;
    for (link, expected) in [
        (r#"<https://a/2>; rel="next""#, Some("https://a/2")),
        (r#"<https://a/1>; rel="prev", <https://a/3>; title="x"; rel=next"#, Some("https://a/3")),
        (r#"<https://a/1>; rel="first last""#, None),
        (r#"<https://a/4>; rel="last next""#, Some("https://a/4")),
        ("<https://a", None),
    ] {
        let expected = expected.map_or(NextPage::None, |link| NextPage::Link(link.into()));
        assert_eq!(next(by_header, &[("link", link)], body), expected, "{link}");
    }
}
