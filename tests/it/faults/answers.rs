//! Bodies of answers with a good status.

use super::{Fault, check, fault, fine, good_body, well};
use crate::support::reply::Reply;
use crate::support::server::Request;

const DOUBT: &str = "ambiguous 200 body 2 sent, exit 1";

/// A 200 with a body in which `ID` stands for the id.
fn body(request: &Request, body: &str) -> Reply {
    Reply::answer(200, body.replace("ID", &request.id))
}

fn utf16(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect()
}

pub(super) const FAULTS: &[Fault] = &[
    fine("nothing to do", |r| Reply::trusted(&r.id, 0, 0)),
    fault("some failed", "partial 200 service 1 sent, exit 1", "some sub-tasks failed", |r| {
        Reply::trusted(&r.id, 1, 2)
    }),
    fault("all failed", "failed 200 service 1 sent, exit 1", "all sub-tasks failed", |r| {
        Reply::trusted(&r.id, 3, 0)
    }),
    fine("a mark before JSON", |r| well(r).with_body(|body| [b"\xef\xbb\xbf", body].concat())),
    fine("UTF-16, little end first", |r| {
        Reply::answer(200, utf16(&good_body(r), u16::to_le_bytes))
    }),
    fine("UTF-16, big end first", |r| Reply::answer(200, utf16(&good_body(r), u16::to_be_bytes))),
    fine("blanks before JSON", |r| well(r).with_body(|body| [b"\r\n\t ", body].concat())),
    fine("bytes after JSON", |r| well(r).with_body(|body| [body, b"\n\0-- end"].concat())),
    fine("status 201", |r| well(r).with_status(201)).must("succeeded 201 - 1 sent, exit 0"),
    fine("status 202", |r| well(r).with_status(202)).must("succeeded 202 - 1 sent, exit 0"),
    fine("status 299", |r| well(r).with_status(299)).must("succeeded 299 - 1 sent, exit 0"),
    fine("no id", |r| body(r, r#"{"total_count":1,"failed_count":0,"succeed_count":1}"#)),
    fine("an id that is null", |r| {
        body(r, r#"{"id":null,"total_count":1,"failed_count":0,"succeed_count":1}"#)
    }),
    fine("no total", |r| body(r, r#"{"id":"ID","failed_count":0,"succeed_count":1}"#)),
    fine("no number of failures", |r| body(r, r#"{"id":"ID","total_count":1,"succeed_count":1}"#)),
    fine("a list of errors that is null", |r| {
        body(r, r#"{"total_count":1,"failed_count":0,"succeed_count":1,"error_list":null}"#)
    }),
    fine("a list of errors that is a text", |r| {
        body(r, r#"{"total_count":1,"failed_count":0,"succeed_count":1,"error_list":"none"}"#)
    }),
    fine("fields nobody knows", |r| {
        body(r, r#"{"a":{"b":[1,{"c":null}]},"total_count":1,"failed_count":0,"succeed_count":1}"#)
    }),
    fine("names with escapes", |r| {
        body(r, r#"{"total\u005fcount":1,"failed_count":0,"succeed_count":1}"#)
    }),
    fine("a number that is too large beside it", |r| {
        body(r, r#"{"a":1e999,"total_count":1,"failed_count":0,"succeed_count":1}"#)
    }),
    fine("a lone surrogate beside it", |r| {
        body(r, r#"{"a":"\ud83d","total_count":1,"failed_count":0,"succeed_count":1}"#)
    }),
    fine("a thousand brackets beside it", |r| {
        let (open, close) = ("[".repeat(1_000), "]".repeat(1_000));
        let counts = r#""total_count":1,"failed_count":0,"succeed_count":1"#;
        body(r, &format!(r#"{{"a":{open}{close},{counts}}}"#))
    }),
    fine("whole numbers with a point", |r| {
        body(r, r#"{"total_count":1.0,"failed_count":0.0,"succeed_count":1.0}"#)
    }),
    fine("numbers as texts", |r| {
        body(r, r#"{"total_count":"1","failed_count":"0","succeed_count":"1"}"#)
    }),
    fault("counts that do not add up", DOUBT, "the counts do not add up", |r| {
        Reply::counted(&r.id, 3, 1, 1)
    }),
    fault(
        "more failures than sub-tasks",
        DOUBT,
        "the counts of the answer contradict each other",
        |r| body(r, r#"{"total_count":1,"failed_count":2}"#),
    ),
    fault("counts below zero", DOUBT, "counts", |r| {
        body(r, r#"{"total_count":-1,"failed_count":0,"succeed_count":-1}"#)
    }),
    fault("counts beyond 64 bits", DOUBT, "counts", |r| {
        body(r, r#"{"total_count":1e30,"failed_count":0,"succeed_count":1e30}"#)
    }),
    fault("half a sub-task", DOUBT, "counts", |r| {
        body(r, r#"{"total_count":1.5,"failed_count":0.5,"succeed_count":1}"#)
    }),
    fault("one count alone", DOUBT, "the answer lacks its counts", |r| {
        body(r, r#"{"total_count":1}"#)
    }),
    fault("an id and nothing else", DOUBT, "the answer lacks its counts", |r| {
        body(r, r#"{"id":"ID"}"#)
    }),
    fault("a count that stands twice", DOUBT, "duplicate field `total_count`", |r| {
        let counts = r#""total_count":1,"failed_count":0,"succeed_count":1"#;
        body(r, &format!(r#"{{{counts},"total_count":2}}"#))
    }),
    fault("another id", DOUBT, "the answer is for another id: somebody-else", |_| {
        Reply::counted("somebody-else", 3, 0, 3)
    }),
    fault("an id in capitals", DOUBT, "the answer is for another id: GATE-1", |_| {
        Reply::counted("GATE-1", 3, 0, 3)
    }),
    fault("an error in a good answer", DOUBT, "came with an error: VIAS.00010001 no", |_| {
        Reply::service(200, "VIAS.00010001", "no")
    }),
    fault("nothing", DOUBT, "status 200 came without a body", |_| Reply::answer(200, "")),
    fault("blanks alone", DOUBT, "status 200 came without a body", |_| Reply::answer(200, " \r\n")),
    fault("null", DOUBT, "no JSON object is `null`", |_| Reply::answer(200, "null")),
    fault("a list", DOUBT, "no JSON object is `[1,0,1]`", |_| Reply::answer(200, "[1,0,1]")),
    fault("a text", DOUBT, "no JSON object is", |_| Reply::answer(200, "\"ok\"")),
    fault("OK", DOUBT, "no JSON object is `OK`", |_| Reply::answer(200, "OK")),
    fault("a page of HTML", DOUBT, "It works!", |_| {
        Reply::answer(200, "<html><h1>It works!</h1></html>")
    }),
    fault("JSON that is cut", DOUBT, "EOF while parsing", |r| {
        well(r).with_body(|body| body[..body.len() - 9].to_vec())
    }),
    fault(
        "a body that was packed",
        DOUBT,
        "compressed with `gzip`, which was not asked for",
        |_| {
            let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00";
            Reply::answer(200, packed).with_header("content-encoding", "gzip")
        },
    ),
    fault(
        "no content",
        "ambiguous 204 body 2 sent, exit 1",
        "status 204 came without a body",
        |_| Reply::answer(204, ""),
    ),
    fault("two megabytes of blanks", DOUBT, "came without a body", |_| {
        Reply::answer(200, vec![b' '; 2 << 20])
    }),
    fault("a body shorter than announced", DOUBT, "the answer broke off", |_| {
        Reply::cut(r#"{"total_count":3,"#)
    }),
];

#[test]
fn every_good_status_has_its_one_right_outcome() {
    check(FAULTS);
}
