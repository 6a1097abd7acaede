//! Heads and framing: what HTTP allows, what servers do all the same, and what could smuggle.

use super::{Fault, check, fault, fine, good_body, well};
use crate::support::reply::Reply;
use crate::support::server::Request;

/// An answer whose head is written out; `SIZE` stands for the length of the body.
fn head(request: &Request, head: &str) -> Reply {
    let body = good_body(request);
    let head = head.replace("SIZE", &body.len().to_string());
    Reply::raw(format!("{head}\r\n\r\n{body}"))
}

/// An answer in chunks, as `frame` writes the body.
fn chunked(request: &Request, frame: impl Fn(&str) -> String) -> Reply {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    Reply::raw(format!("{head}{}", frame(&good_body(request))))
}

const UNREADABLE: &str = "ambiguous - body 2 sent, exit 1";
const NO_ANSWER: &str = "ambiguous - reset 2 sent, exit 1";

pub(super) const FAULTS: &[Fault] = &[
    fine("no reason phrase", |r| head(r, "HTTP/1.1 200 \r\nContent-Length: SIZE")),
    fine("no blank after the status", |r| head(r, "HTTP/1.1 200\r\nContent-Length: SIZE")),
    fine("a reason phrase in Latin-1", |r| {
        let body = good_body(r);
        let head = format!("\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Reply::raw([&b"HTTP/1.1 200 C'est d\xe9j\xe0 fait"[..], head.as_bytes()].concat())
    }),
    fine("HTTP/1.0", |r| head(r, "HTTP/1.0 200 OK\r\nContent-Length: SIZE")),
    fine("header names in capitals", |r| head(r, "HTTP/1.1 200 OK\r\nCONTENT-LENGTH: SIZE")),
    fine("no blank after a colon", |r| head(r, "HTTP/1.1 200 OK\r\ncontent-length:SIZE\r\nx:y")),
    fine("blanks around a length", |r| head(r, "HTTP/1.1 200 OK\r\nContent-Length: \t SIZE \t")),
    fine("the same length twice", |r| {
        head(r, "HTTP/1.1 200 OK\r\nContent-Length: SIZE\r\nContent-Length: SIZE")
    }),
    fine("a folded header", |r| well(r).with_header("x-a", "a\r\n  b")),
    fine("a blank before a colon", |r| well(r).with_header("x-b ", "c")),
    fine("an empty header", |r| well(r).with_header("x-empty", "")),
    fine("200 headers", |r| (0..200).fold(well(r), |reply, _| reply.with_header("x-filler", "1"))),
    fine("a header of 8 KiB", |r| well(r).with_header("x-long", &"x".repeat(8_192))),
    fine("a page of early hints first", |r| {
        well(r).with_before("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
    }),
    fine("sixteen interim answers", |r| {
        well(r).with_before(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(16))
    }),
    fine("an encoding that is none", |r| well(r).with_header("content-encoding", "identity")),
    fine("a character set for an encoding", |r| well(r).with_header("content-encoding", "utf-8")),
    fine("an empty encoding", |r| well(r).with_header("content-encoding", "")),
    fine("an encoding that was not applied", |r| well(r).with_header("content-encoding", "br")),
    fine("JSON that is called HTML", |r| well(r).with_header("content-type", "text/html")),
    fine("another character set", |r| {
        well(r).with_header("content-type", "application/json; charset=gb18030")
    }),
    fine("a cookie", |r| well(r).with_header("set-cookie", "a=b; Secure; SameSite=None")),
    fine("a date that is none", |r| well(r).with_header("date", "yesterday")),
    fine("a wait that nobody needs", |r| well(r).with_header("retry-after", "86400")),
    fine("an offer of another protocol", |r| {
        well(r).with_header("upgrade", "h2c").with_header("alt-svc", "h3=\":443\"")
    }),
    fine("an end after the answer", |r| well(r).with_header("connection", "close")),
    fine("chunks", |r| chunked(r, |body| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))),
    fine("chunks of one byte", |r| {
        chunked(r, |body| {
            let chunks: String = body.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
            chunks + "0\r\n\r\n"
        })
    }),
    fine("chunk lengths with zeros and capitals", |r| {
        chunked(r, |body| format!("000{:X}\r\n{body}\r\n000\r\n\r\n", body.len()))
    }),
    fine("chunk extensions", |r| {
        chunked(r, |body| format!("{:x};a=\"b\"\r\n{body}\r\n0;z\r\n\r\n", body.len()))
    }),
    fine("a trailer", |r| {
        chunked(r, |body| format!("{:x}\r\n{body}\r\n0\r\nx-sum: 1\r\n\r\n", body.len()))
    }),
    fine("a head that ends its lines with LF", |r| {
        let body = good_body(r);
        Reply::raw(format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{body}", body.len()))
    }),
    fault("two lengths", UNREADABLE, "invalid content-length", |r| {
        head(r, "HTTP/1.1 200 OK\r\nContent-Length: SIZE\r\nContent-Length: 2")
    }),
    fine("a length and chunks", |r| {
        let body = good_body(r);
        let framed = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked";
        Reply::raw(format!("HTTP/1.1 200 OK\r\n{both}\r\n\r\n{framed}"))
    }),
    fault(
        "a blank before the colon of a length",
        UNREADABLE,
        "a blank stands before its colon",
        |r| head(r, "HTTP/1.1 200 OK\r\nContent-Length : SIZE"),
    ),
    fault(
        "a blank before the colon of chunks",
        UNREADABLE,
        "a blank stands before its colon",
        |r| head(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\nContent-Length: SIZE"),
    ),
    fault(
        "a length below zero",
        UNREADABLE,
        "the head of the answer cannot be read: invalid content-length",
        |r| head(r, "HTTP/1.1 200 OK\r\nContent-Length: -1"),
    ),
    fault("a length with a sign", UNREADABLE, "invalid content-length", |r| {
        head(r, "HTTP/1.1 200 OK\r\nContent-Length: +SIZE")
    }),
    fault("a length that is no number", UNREADABLE, "invalid content-length", |r| {
        head(r, "HTTP/1.1 200 OK\r\nContent-Length: some")
    }),
    fault("a length of 30 digits", UNREADABLE, "invalid content-length", |r| {
        head(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000000000000000000000")
    }),
    fault(
        "a chunk length that is no number",
        "ambiguous 200 body 2 sent, exit 1",
        "the answer broke off",
        |r| chunked(r, |body| format!("xyz\r\n{body}\r\n0\r\n\r\n")),
    ),
    fault("a head of 70 KB", UNREADABLE, "the head of the answer is longer than 64 KiB", |r| {
        well(r).with_header("x-a", &"x".repeat(70_000))
    }),
    fault("interim answers without an end", UNREADABLE, "more than 16 interim answers", |_| {
        Reply::flood("", "HTTP/1.1 100 Continue\r\n\r\n")
    }),
    fault("a greeting of SSH", UNREADABLE, "the answer is not HTTP: `SSH-2.0-OpenSSH_9.6`", |_| {
        Reply::raw("SSH-2.0-OpenSSH_9.6\r\n")
    }),
    fault("a greeting of SMTP", UNREADABLE, "the answer is not HTTP: `220 mail", |_| {
        Reply::raw("220 mail.example.com ESMTP\r\n")
    }),
    fault("half a head", NO_ANSWER, "connection closed before message completed", |_| {
        Reply::last("HTTP/1.1 200 OK\r\nContent-Le")
    }),
    fault("a status of letters", UNREADABLE, "invalid HTTP status-code", |r| {
        head(r, "HTTP/1.1 2OO OK\r\nContent-Length: SIZE")
    }),
    fault("a status of two digits", UNREADABLE, "invalid HTTP status-code", |r| {
        head(r, "HTTP/1.1 20 OK\r\nContent-Length: SIZE")
    }),
    fault("a version that is none", UNREADABLE, "invalid HTTP version", |r| {
        head(r, "HTTP/9.9 200 OK\r\nContent-Length: SIZE")
    }),
];

#[test]
fn every_head_has_its_one_right_outcome() {
    check(FAULTS);
}
