//! Answers with any other status: what was refused, what may have been carried out, what is worth
//! another sending.

use super::{Fault, check, fault, well};
use crate::support::reply::Reply;
use crate::support::server::Request;

/// The same status whatever is sent, with a page of HTML.
fn page(status: u16) -> Reply {
    Reply::answer(status, "<html><h1>no</h1></html>")
}

/// One answer for the first call, and a good one for the next.
fn once(request: &Request, first: Reply) -> Reply {
    if request.attempt == 1 { first } else { well(request) }
}

const LATER: &str = "succeeded 200 - 2 sent, exit 0";

pub(super) const FAULTS: &[Fault] = &[
    fault("400 of the service", "failed 400 refused 1 sent, exit 1", "invalid", |_| {
        Reply::service(400, "VIAS.00010001", "The parameter is invalid.")
    }),
    fault("400 with HTML", "failed 400 refused 1 sent, exit 1", "no", |_| page(400)),
    fault("400 with nothing", "failed 400 refused 1 sent, exit 1", "status 400", |_| {
        Reply::answer(400, "")
    }),
    fault("400 with an error inside another", "failed 400 refused 1 sent, exit 1", "deep", |_| {
        Reply::answer(400, r#"{"error":{"code":400,"message":"deep","title":"t"}}"#)
    }),
    fault(
        "400 whose text is cut in a character",
        "failed 400 refused 1 sent, exit 1",
        "\u{fffd}",
        {
            |_| Reply::answer(400, b"{\"error_msg\":\"\xe4\xbd\",\"error_code\":\"VIAS.00010001\"}")
        },
    ),
    fault("400 with good counts", "failed 400 refused 1 sent, exit 1", "no error is in", |r| {
        well(r).with_status(400)
    }),
    fault("401", "failed 401 auth 1 sent, exit 77", "no", |_| page(401)),
    fault("402", "failed 402 refused 1 sent, exit 1", "no", |_| page(402)),
    fault("403", "failed 403 auth 1 sent, exit 1", "not allowed", |_| {
        Reply::gateway(403, "APIGW.0302", "The IAM user is not allowed.")
    }),
    fault("404", "failed 404 refused 1 sent, exit 1", "does not exist", |_| {
        Reply::gateway(404, "APIGW.0101", "The API does not exist.")
    }),
    fault("405", "failed 405 refused 1 sent, exit 1", "no", |_| page(405)),
    fault("406", "failed 406 refused 1 sent, exit 1", "no", |_| page(406)),
    fault("407 of the next proxy", "failed 407 service 1 sent, exit 77", "no", |_| page(407)),
    fault("408 once", LATER, "", |r| once(r, page(408))),
    fault("408 always", "failed 408 service 2 sent, exit 1", "no", |_| page(408)),
    fault("409", "failed 409 refused 1 sent, exit 1", "no", |_| page(409)),
    fault("410", "failed 410 refused 1 sent, exit 1", "no", |_| page(410)),
    fault("411", "failed 411 refused 1 sent, exit 1", "no", |_| page(411)),
    fault("412", "failed 412 refused 1 sent, exit 1", "no", |_| page(412)),
    fault("413", "failed 413 refused 1 sent, exit 1", "no", |_| page(413)),
    fault("414", "failed 414 refused 1 sent, exit 1", "no", |_| page(414)),
    fault("415", "failed 415 refused 1 sent, exit 1", "no", |_| page(415)),
    fault("418", "failed 418 refused 1 sent, exit 1", "no", |_| page(418)),
    fault("421 once", LATER, "", |r| once(r, page(421))),
    fault("422", "failed 422 refused 1 sent, exit 1", "no", |_| page(422)),
    fault("423", "failed 423 refused 1 sent, exit 1", "no", |_| page(423)),
    fault("425 once", LATER, "", |r| once(r, page(425))),
    fault("426", "failed 426 refused 1 sent, exit 1", "no", |_| page(426)),
    fault("428", "failed 428 refused 1 sent, exit 1", "no", |_| page(428)),
    fault("429 once", LATER, "", |r| once(r, page(429))),
    fault("429 three times", "succeeded 200 - 4 sent, exit 0", "", |r| match r.attempt {
        1..=3 => Reply::gateway(429, "APIGW.0308", "no").with_header("retry-after", "0"),
        _ => well(r),
    }),
    fault("429 for a day", "failed 429 throttled 1 sent, exit 3", "no", |_| {
        page(429).with_header("retry-after", "86400")
    }),
    fault("429 with a wait that is none", LATER, "", |r| {
        once(r, page(429).with_header("retry-after", "soon"))
    }),
    fault("429 with a wait below zero", LATER, "", |r| {
        once(r, page(429).with_header("retry-after", "-5"))
    }),
    fault("429 with a date long gone", LATER, "", |r| {
        once(r, page(429).with_header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"))
    }),
    fault("a window in the message", LATER, "", |r| {
        let text = "Throttled: policy user over ratelimit,limit:5,time:1 second";
        once(r, Reply::gateway(429, "APIGW.0308", text))
    }),
    fault("the gateway's throttling as 500", LATER, "", |r| {
        once(r, Reply::gateway(500, "APIG.0308", "no"))
    }),
    fault("431", "failed 431 refused 1 sent, exit 1", "no", |_| page(431)),
    fault("451", "failed 451 refused 1 sent, exit 1", "no", |_| page(451)),
    fault("499", "failed 499 refused 1 sent, exit 1", "no", |_| page(499)),
    fault("300", "failed 300 refused 1 sent, exit 1", "no", |_| page(300)),
    fault(
        "301 to another host",
        "failed 301 refused 1 sent, exit 1",
        "redirects are refused",
        |_| page(301).with_header("location", "http://127.0.0.1:9/elsewhere"),
    ),
    fault("302 to itself", "failed 302 refused 1 sent, exit 1", "redirects are refused", |r| {
        page(302).with_header("location", &r.path)
    }),
    fault("304", "failed 304 refused 1 sent, exit 1", "status 304", |_| Reply::answer(304, "")),
    fault("307 without a place", "failed 307 refused 1 sent, exit 1", "no", |_| page(307)),
    fault("308", "failed 308 refused 1 sent, exit 1", "redirects are refused", |_| {
        page(308).with_header("location", "https://example.com/")
    }),
    fault("a message in two languages", "failed 400 refused 1 sent, exit 1", "Nein", |_| {
        let body =
            r#"{"error_code":"VIAS.00010002","error_msg":{"en":"No","de":"Nein"},"detail":["d"]}"#;
        Reply::answer(400, body)
    }),
    fault("500 with HTML", "ambiguous 500 service 2 sent, exit 1", "no", |_| page(500)),
    fault("500 of an unknown code", "ambiguous 500 service 2 sent, exit 1", "odd", |_| {
        Reply::service(500, "VIAS.00019999", "odd")
    }),
    fault("500: internal error", "ambiguous 500 service 2 sent, exit 1", "Internal", |_| {
        Reply::service(500, "VIAS.00010006", "Internal error.")
    }),
    fault("500: a service behind it failed", "failed 500 service 2 sent, exit 1", "behind", |_| {
        Reply::service(500, "VIAS.00010009", "A service behind it failed.")
    }),
    fault("500: not allowed", "failed 500 refused 1 sent, exit 1", "not allowed", |_| {
        Reply::service(500, "VIAS.00010012", "This operation is not allowed.")
    }),
    fault("500: the quota of tasks", "failed 500 refused 1 sent, exit 1", "quota", |_| {
        Reply::service(500, "VIAS.0010048", "The quota is used up.")
    }),
    fault("500: the token", "failed 500 auth 1 sent, exit 77", "The token is invalid.", |_| {
        Reply::service(500, "VIAS.00010023", "The token is invalid.")
    }),
    fault("500 once", LATER, "", |r| once(r, page(500))),
    fault("501", "failed 501 refused 1 sent, exit 1", "no", |_| page(501)),
    fault("502", "ambiguous 502 service 2 sent, exit 1", "no", |_| page(502)),
    fault("503 once", LATER, "", |r| once(r, page(503))),
    fault("503 with a wait", LATER, "", |r| once(r, page(503).with_header("retry-after", "1"))),
    fault("503 of the gateway", LATER, "", |r| once(r, Reply::gateway(503, "APIGW.0201", "no"))),
    fault("504", "ambiguous 504 timeout 2 sent, exit 1", "no", |_| page(504)),
    fault("505", "failed 505 refused 1 sent, exit 1", "no", |_| page(505)),
    fault("507", "ambiguous 507 service 2 sent, exit 1", "no", |_| page(507)),
    fault("508", "ambiguous 508 service 2 sent, exit 1", "no", |_| page(508)),
    fault("511 once", LATER, "", |r| once(r, page(511))),
    fault("520 of a proxy", "ambiguous 520 service 2 sent, exit 1", "no", |_| page(520)),
    fault("599", "ambiguous 599 service 2 sent, exit 1", "no", |_| page(599)),
    fault("600", "ambiguous 600 service 2 sent, exit 1", "no", |_| page(600)),
    fault("999", "ambiguous 999 service 2 sent, exit 1", "no", |_| page(999)),
    fault("a doubt, then a refusal", "ambiguous 400 refused 2 sent, exit 1", "no", |r| {
        if r.attempt == 1 { page(502) } else { page(400) }
    }),
    fault(
        "a refusal of the wait, then a refusal",
        "failed 400 refused 2 sent, exit 1",
        "no",
        |r| {
            if r.attempt == 1 { page(503) } else { page(400) }
        },
    ),
    fault("throttled, then a doubt", "ambiguous 502 service 3 sent, exit 1", "no", |r| {
        if r.attempt == 1 { page(429) } else { page(502) }
    }),
];

#[test]
fn every_other_status_has_its_one_right_outcome() {
    check(FAULTS);
}
