//! Connections that break, hang or are none.

use super::{Fault, check, fault, fine, good_body, well};
use crate::support::reply::Reply;
use std::time::Duration;

const BROKEN: &str = "ambiguous - reset 2 sent, exit 1";
const SILENT: &str = "ambiguous - timeout 2 sent, exit 1";

pub(super) const FAULTS: &[Fault] = &[
    fault("a reset", BROKEN, "Connection reset by peer", |_| Reply::reset()),
    fault("an end without an answer", BROKEN, "connection closed before message completed", |_| {
        Reply::close()
    }),
    fault("a reset, then an answer", "succeeded 200 - 2 sent, exit 0", "", |r| match r.attempt {
        1 => Reply::reset(),
        _ => well(r),
    }),
    fault("an end, then a refusal", "ambiguous 404 refused 2 sent, exit 1", "no", |r| {
        match r.attempt {
            1 => Reply::close(),
            _ => Reply::service(404, "VIAS.00010008", "no"),
        }
    }),
    fault("silence", SILENT, "no answer within 2s", |_| Reply::silence()),
    fault("silence, then an answer", "succeeded 200 - 2 sent, exit 0", "", |r| match r.attempt {
        1 => Reply::silence(),
        _ => well(r),
    }),
    fault("a body that never ends", SILENT, "no answer within 2s", |_| Reply::trickle()),
    fault("chunks that never end", SILENT, "no answer within 2s", |_| {
        Reply::steady_flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n")
    }),
    fine("an answer that takes a second", |r| well(r).after(Duration::from_secs(1))),
    fault("an answer that comes too late", SILENT, "no answer within 2s", |r| {
        well(r).after(Duration::from_secs(4))
    }),
    fine("a second answer that nobody asked for", |r| {
        well(r).and_then_unasked(&Reply::service(400, "VIAS.00010001", "no"))
    }),
    fine("a body that ends with the connection", |r| {
        Reply::last(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", good_body(r)))
    }),
    fault(
        "a cut body that ends with the connection",
        "ambiguous 200 body 2 sent, exit 1",
        "EOF while parsing",
        |_| Reply::last("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"total_count\":3,"),
    ),
    fine("chunks without their last one", |r| {
        let body = good_body(r);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::last(format!("{head}{:x}\r\n{body}\r\n", body.len()))
    }),
    fault(
        "a head without its body",
        "ambiguous 200 body 2 sent, exit 1",
        "the answer broke off",
        |_| Reply::last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    ),
    fault("an interim answer alone", BROKEN, "connection closed before message completed", |_| {
        Reply::last("HTTP/1.1 100 Continue\r\n\r\n")
    }),
    fault("an alert of TLS", "failed - tls 2 sent, exit 1", "use https", |_| {
        Reply::last(b"\x15\x03\x01\x00\x02\x02\x0a")
    }),
    fault("settings of HTTP/2", "failed - connect 2 sent, exit 1", "speaks HTTP/2 alone", |_| {
        Reply::last(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    }),
    fault("another frame", "ambiguous - body 2 sent, exit 1", "the answer is not HTTP", |_| {
        Reply::last(b"\x00\x00\x00\x01\x00\x00\x00\x00\x01")
    }),
];

#[test]
fn every_broken_connection_has_its_one_right_outcome() {
    check(FAULTS);
}
