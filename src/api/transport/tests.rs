//! Requests over connections that are kept, closed, broken off and handed to proxies.

use super::*;
use crate::api::redactor::Redactor;
use crate::policy::{Delivery, NoResponse};
use crate::task::FailureKind;
use futures::future::join_all;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TIMEOUT: Duration = Duration::from_secs(5);

/// What a host does with a request.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Answer,
    /// Answers, and closes the connection without a word of it.
    AnswerAndClose,
    /// Answers, and says that it closes the connection.
    LastAnswer,
    /// Writes this instead of an answer.
    Says(&'static str),
    /// Writes the first text, and then the second one without end.
    Floods(&'static str, &'static str),
    /// Breaks the answer off after this many bytes.
    BreakOff(usize),
}

/// A host, and the requests that came to it: each with the number of its connection.
struct Host {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<(usize, String)>>>,
    closed: Arc<Mutex<usize>>,
}

impl Host {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            closed: Arc::default(),
        };
        let (requests, closed) = (Arc::clone(&host.requests), Arc::clone(&host.closed));
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (requests, closed) = (Arc::clone(&requests), Arc::clone(&closed));
                tokio::spawn(async move {
                    while let Some(head) = head(&mut stream).await {
                        requests.lock().unwrap().push((number, head));
                        if !manner.carry_out(&mut stream).await {
                            return;
                        }
                    }
                    *closed.lock().unwrap() += 1;
                });
            }
        });
        host
    }

    fn transport(&self, route: &Route, most: usize) -> Transport {
        let endpoint = format!("http://{}", self.address).parse().unwrap();
        Transport::new(&endpoint, route, TIMEOUT, NonZeroUsize::new(most).unwrap()).unwrap()
    }

    fn direct(&self) -> Transport {
        self.transport(&Route::default(), 8)
    }

    fn requests(&self) -> Vec<(usize, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// The numbers of the connections that requests came over.
    fn connections(&self) -> Vec<usize> {
        self.requests().into_iter().map(|(number, _)| number).collect()
    }
}

impl Manner {
    /// Answers a request. Returns whether another can follow on the connection.
    async fn carry_out(self, stream: &mut TcpStream) -> bool {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let last = answer.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let (text, goes_on) = match self {
            Self::Says(text) => (text, true),
            Self::Floods(first, then) => {
                stream.write_all(first.as_bytes()).await.unwrap();
                while stream.write_all(then.as_bytes()).await.is_ok() {}
                return false;
            }
            Self::Answer => (answer, true),
            Self::AnswerAndClose => (answer, false),
            Self::LastAnswer => (last.as_str(), false),
            Self::BreakOff(bytes) => (&answer[..bytes], false),
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        goes_on
    }
}

fn described(error: TransportError) -> NoResponse {
    error.described(&Redactor::default())
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

fn put(transport: &Transport) -> Outgoing {
    let uri = format!("http://{}/task/stop", transport.host.to_str().unwrap());
    transport.outgoing(Request::put(uri).body(Bytes::new()).unwrap())
}

/// Makes a call, and returns the body of its answer.
async fn call(transport: &Transport) -> Result<String, NoResponse> {
    let mut reply = transport.send(put(transport)).await.map_err(described)?;
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_connection_is_used_again_when_its_answer_was_read() {
    let host = Host::start(Manner::Answer).await;
    let transport = host.direct();
    for _ in 0..3 {
        assert_eq!(call(&transport).await.unwrap(), "hello");
    }
    assert_eq!(host.connections(), [0, 0, 0]);
    let (_, first) = &host.requests()[0];
    assert!(first.starts_with("PUT /task/stop HTTP/1.1\r\n"), "{first}");
    assert!(first.contains(&format!("host: {}\r\n", host.address)), "{first}");
}

#[tokio::test]
async fn calls_at_a_time_have_a_connection_each_and_no_more_are_kept_than_there_may_be() {
    let host = Host::start(Manner::Answer).await;
    let transport = host.transport(&Route::default(), 2);
    let answers = join_all((0..3).map(|_| call(&transport))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("hello")), "{answers:?}");
    let mut connections = host.connections();
    connections.sort_unstable();
    assert_eq!((connections, transport.idle().connections.len()), (vec![0, 1, 2], 2));
}

#[tokio::test]
async fn a_request_that_finds_its_connection_closed_goes_once_over_another() {
    for manner in [Manner::AnswerAndClose, Manner::LastAnswer] {
        let host = Host::start(manner).await;
        let transport = host.direct();
        for number in 0..3 {
            assert_eq!(call(&transport).await.unwrap(), "hello", "{manner:?}");
            assert_eq!(host.connections().last(), Some(&number), "{manner:?}");
            // The end of the connection is on its way.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(host.requests().len(), 3, "{manner:?}");
    }
}

/// Sends an answer that nobody has asked for over a connection. The next call must not take it.
async fn check_unasked(is_noticed: bool) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (say, said) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let answer =
            |body| format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}").into_bytes();
        let mut request = [0; 1_024];
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(&answer("hello")).unwrap();
        asked.recv().unwrap();
        stream.write_all(&answer("stray")).unwrap();
        say.send(()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        assert!(other.read(&mut request).unwrap() > 0);
        other.write_all(&answer("other")).unwrap();
        // Both connections stay open until the test is over. Nothing of the second request has come
        // over the first one.
        asked.recv().unwrap_err();
        assert_eq!(stream.read(&mut request).unwrap_or(0), 0);
    });
    let host = Host { address, requests: Arc::default(), closed: Arc::default() };
    let transport = host.direct();
    assert_eq!(call(&transport).await.unwrap(), "hello");
    // The runtime does not run until the answer is there.
    ask.send(()).unwrap();
    said.recv().unwrap();
    if is_noticed {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(call(&transport).await.unwrap(), "other");
    drop(ask);
    server.join().unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_never_taken_for_one() {
    check_unasked(true).await;
}

#[tokio::test]
async fn bytes_that_the_runtime_has_not_noticed_yet_are_found_as_well() {
    check_unasked(false).await;
}

async fn check_head(said: &'static str, expected: Result<(u16, &str), &str>) {
    let host = Host::start(Manner::Says(said)).await;
    let transport = host.direct();
    let reply = transport.send(put(&transport)).await.map_err(described);
    match (reply, expected) {
        (Ok(reply), Ok((status, retry_after))) => {
            assert_eq!(reply.status.as_u16(), status, "{said}");
            assert_eq!(reply.headers["retry-after"], retry_after, "{said}");
        }
        (Err(gone), Err(message)) => assert!(gone.message.contains(message), "{}", gone.message),
        (Ok(reply), Err(_)) => panic!("{said}: {}", reply.status),
        (Err(gone), Ok(_)) => panic!("{said}: {gone:?}"),
    }
}

#[tokio::test]
async fn old_heads_are_read_and_ambiguous_ones_are_refused() {
    let end = "Content-Length: 0\r\n\r\n";
    let leak = |text: String| -> &'static str { text.leak() };
    let check = async |lines: &str, expected| {
        check_head(leak(format!("HTTP/1.1 503 No\r\n{lines}{end}")), expected).await;
    };
    check("Retry-After:\r\n 7\r\n", Ok((503, "7"))).await;
    check("Retry-After : 7\r\nX: a\r\n\tb\r\n", Ok((503, "7"))).await;
    check(&format!("{}Retry-After: 7\r\n", "X: 1\r\n".repeat(500)), Ok((503, "7"))).await;
    check("Content-Length : 0\r\n", Err("ambiguous")).await;
    check("Content-Length: 5\r\n", Err("content-length")).await;
    check(&format!("X: {}\r\n", "x".repeat(70_000)), Err("longer than 64 KiB")).await;
    check_head("SSH-2.0-host\r\n", Err("not HTTP")).await;
}

#[tokio::test]
async fn a_port_that_speaks_tls_is_named_and_nothing_was_carried_out() {
    let host = Host::start(Manner::Says("\u{15}\u{3}\u{1}\0\u{2}\u{2}\n")).await;
    let gone = call(&host.direct()).await.unwrap_err();
    assert_eq!((gone.kind, gone.delivery), (FailureKind::Tls, Delivery::NeverLeft));
    assert!(gone.message.contains("use https"), "{}", gone.message);
}

#[tokio::test]
async fn tls_in_a_later_exchange_or_behind_an_interim_answer_leaves_the_call_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for first in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", ""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            if !first.is_empty() {
                head(&mut stream).await.unwrap();
                stream.write_all(first.as_bytes()).await.unwrap();
            }
            head(&mut stream).await.unwrap();
            let interim = if first.is_empty() { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
            stream.write_all(interim.as_bytes()).await.unwrap();
            stream.write_all(b"\x15\x03\x01\0\x02\x02\n").await.unwrap();
        }
    });
    let host = Host { address, requests: Arc::default(), closed: Arc::default() };
    let transport = host.direct();
    assert_eq!(call(&transport).await.unwrap(), "hello");
    for _ in 0..2 {
        let lost = call(&transport).await.unwrap_err();
        assert_eq!((lost.kind, lost.delivery), (FailureKind::Body, Delivery::Possible), "{lost:?}");
    }
}

#[tokio::test]
async fn a_407_to_a_forwarded_call_is_the_word_of_the_proxy() {
    let check = async |user: &str, advice: &str| {
        let proxy =
            Host::start(Manner::Says("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")).await;
        let address = format!("http://{user}{}", proxy.address);
        let route = Route { proxy: Some(address.parse().unwrap()), ..Route::default() };
        let host = Host::start(Manner::Answer).await;
        let gone = call(&host.transport(&route, 1)).await.unwrap_err();
        assert_eq!(gone.delivery, Delivery::ProxyRefused);
        let words = format!(
            "the proxy http://{} refused to connect to {} with status 407; {advice}",
            proxy.address, host.address
        );
        assert!(gone.message.starts_with(&words), "{}", gone.message);
        assert_eq!(host.requests().len(), 0);
    };
    check("", "name the user").await;
    check("me:pw@", "check the user").await;
}

#[tokio::test]
async fn a_port_that_speaks_plain_http_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 64]).await;
    });
    let endpoint = format!("https://{address}").parse().unwrap();
    let one = NonZeroUsize::MIN;
    let transport = Transport::new(&endpoint, &Route::default(), TIMEOUT, one).unwrap();
    let gone = call(&transport).await.unwrap_err();
    assert_eq!((gone.kind, gone.delivery), (FailureKind::Tls, Delivery::NeverLeft));
    assert!(gone.message.contains("use http"), "{}", gone.message);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_status() {
    let check = async |said: &'static str, user: &str, delivery: Delivery, expected: &str| {
        let proxy = Host::start(Manner::Says(said)).await;
        let address = format!("http://{user}{}", proxy.address);
        let route = Route { proxy: Some(address.parse().unwrap()), ..Route::default() };
        let endpoint = "https://vias.example.com".parse().unwrap();
        let one = NonZeroUsize::MIN;
        let transport = Transport::new(&endpoint, &route, TIMEOUT, one).unwrap();
        let gone = call(&transport).await.unwrap_err();
        assert_eq!((gone.kind, gone.delivery), (FailureKind::Connect, delivery), "{gone:?}");
        let host = format!("the proxy http://{}", proxy.address);
        assert!(gone.message.starts_with(&host) && gone.message.contains(expected), "{gone:?}");
        assert!(proxy.requests()[0].1.starts_with("CONNECT vias.example.com:443 HTTP/1.1\r\n"));
    };
    let (refused, away) = (Delivery::ProxyRefused, Delivery::NeverLeft);
    check("HTTP/1.1 403 No\r\n\r\n", "", refused, "status 403").await;
    check("HTTP/1.1 407 Who\r\n\r\n", "", refused, "status 407; name the user").await;
    check("HTTP/1.1 407 Who\r\n\r\n", "me:pw@", refused, "check the user and").await;
    check("HTTP/1.1 407 Who\r\n\r\n", "", refused, "BATCHCTL_PROXY").await;
    for status in [408, 425, 429, 500, 502, 503] {
        let said = format!("HTTP/1.1 {status} Away\r\n\r\n").leak();
        check(said, "", away, &format!("status {status}")).await;
    }
    for status in [300, 400, 401, 404, 451] {
        let said = format!("HTTP/1.1 {status} No\r\n\r\n").leak();
        check(said, "", refused, &format!("status {status}")).await;
    }
    let unreadable = "gave no answer that can be read: ";
    let silent = |reason: &str| format!("{unreadable}{reason}");
    let tls = "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n";
    check(tls, "", away, &silent("this port speaks TLS")).await;
    check("SSH-2.0-x\r\n", "me:pw@", away, &silent("the answer is not HTTP: `S`")).await;
}

#[tokio::test]
async fn a_proxy_that_is_away_or_slow_is_named_whatever_is_sent_through_it() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for endpoint in ["https://vias.example.com", "http://127.0.0.1:9"] {
        let called = async |proxy: String, timeout: Duration| {
            let route = Route { proxy: Some(proxy.parse().unwrap()), ..Route::default() };
            let endpoint = endpoint.parse().unwrap();
            let transport = Transport::new(&endpoint, &route, timeout, NonZeroUsize::MIN).unwrap();
            call(&transport).await.unwrap_err()
        };
        let away = called(format!("http://me:pw@{gone}"), TIMEOUT).await;
        assert_eq!((away.kind, away.delivery), (FailureKind::Connect, Delivery::NeverLeft));
        let named = format!("cannot connect to the proxy http://{gone}: ");
        assert!(away.message.starts_with(&named), "{}", away.message);
        if endpoint.starts_with("https:") {
            let address = silent.local_addr().unwrap();
            let slow = called(format!("http://me:pw@{address}"), Duration::from_millis(50)).await;
            let named = format!("no connection within 50ms through the proxy http://{address}");
            assert_eq!((slow.message, slow.delivery), (named, Delivery::NeverLeft));
        }
    }
}

#[tokio::test]
async fn a_server_that_never_stops_sending_leaves_the_others_their_turn() {
    for (first, then) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "x"),
        ("HTTP/1.1 200 OK\r\n", "X: 1\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "xxxxxxxx"),
    ] {
        let host = Host::start(Manner::Floods(first, then)).await;
        let transport = host.direct();
        let flooded = async {
            loop {
                let _ = call(&transport).await;
            }
        };
        let mut turns = 0;
        let others = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
                turns += 1;
            }
        };
        tokio::select! {
            biased;
            () = flooded => unreachable!("it never ends"),
            () = others => {}
        }
        assert_eq!(turns, 100, "{first}{then}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_have_been_to_a_call_that_was_carried_out() {
    for bytes in [0, 9, 30] {
        let host = Host::start(Manner::BreakOff(bytes)).await;
        let lost = call(&host.direct()).await.unwrap_err();
        assert_eq!((lost.kind, lost.delivery), (FailureKind::Reset, Delivery::Possible));
        assert_eq!(host.requests().len(), 1, "it is written once");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_closes_its_connection() {
    let host = Host::start(Manner::BreakOff(40)).await;
    let transport = host.direct();
    let mut reply = transport.send(put(&transport)).await.map_err(described).unwrap();
    let mut last = reply.chunk().await;
    while let Ok(Some(_)) = last {
        last = reply.chunk().await;
    }
    assert!(last.is_err());
    drop(reply);
    assert_eq!(transport.idle().connections.len(), 0);
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_its_connection() {
    let host = Host::start(Manner::Answer).await;
    let transport = host.direct();
    let reply = transport.send(put(&transport)).await.map_err(described).unwrap();
    // Its body is there and was not read.
    drop(reply);
    assert_eq!(transport.idle().connections.len(), 0);
    while *host.closed.lock().unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_finds_nobody_has_never_left() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, closed) = (listener.local_addr().unwrap(), Arc::default());
    drop(listener);
    let host = Host { address, requests: Arc::default(), closed };
    let refused = call(&host.direct()).await.unwrap_err();
    assert_eq!((refused.kind, refused.delivery), (FailureKind::Connect, Delivery::NeverLeft));
    assert!(refused.message.contains("refused"), "{}", refused.message);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_from_a_host_that_is_away() {
    let endpoint = "https://vias.invalid".parse().unwrap();
    let one = NonZeroUsize::MIN;
    let transport = Transport::new(&endpoint, &Route::default(), TIMEOUT * 6, one).unwrap();
    let unknown = call(&transport).await.unwrap_err();
    assert_eq!((unknown.kind, unknown.delivery), (FailureKind::Dns, Delivery::NeverLeft));
}

#[tokio::test]
async fn what_is_not_encrypted_is_handed_to_the_proxy_as_a_whole() {
    let proxy = Host::start(Manner::Answer).await;
    let address = format!("http://me:hunter%2B2@{}", proxy.address);
    let route = Route { proxy: Some(address.parse().unwrap()), ..Route::default() };
    let host = Host {
        address: SocketAddr::from(([127, 0, 0, 1], 9)),
        ..Host::start(Manner::Answer).await
    };
    assert_eq!(call(&host.transport(&route, 1)).await.unwrap(), "hello");
    let (_, head) = &proxy.requests()[0];
    assert!(head.starts_with("PUT http://127.0.0.1:9/task/stop HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: 127.0.0.1:9\r\n"), "{head}");
    // base64 of `me:hunter+2`
    assert!(head.contains("proxy-authorization: Basic bWU6aHVudGVyKzI=\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_long_is_not_used_again() {
    let endpoint = "http://127.0.0.1:9".parse().unwrap();
    let most = NonZeroUsize::new(4).unwrap();
    let transport = Transport::new(&endpoint, &Route::default(), TIMEOUT, most).unwrap();
    let check = async |idle: Duration, expected: bool| {
        let mut others = Vec::new();
        for _ in 0..2 {
            let (wire, other) = tokio::io::duplex(64);
            others.push(other);
            let wire = Box::new(TokioIo::new(wire));
            let connection = Connection::over(wire).await.unwrap();
            let now = transport.clock.instant();
            transport.idle().connections.push((connection, now));
        }
        tokio::time::advance(idle).await;
        let taken = transport.take();
        assert_eq!(
            (taken.is_some(), transport.idle().connections.is_empty()),
            (expected, !expected),
            "{idle:?}"
        );
        transport.idle().connections.clear();
    };
    check(Duration::from_secs(8), true).await;
    check(Duration::from_millis(8_001), false).await;
}

#[tokio::test]
async fn a_body_of_very_many_small_parts_takes_no_long_turn() {
    let part = "1\r\nx\r\n";
    let first = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let host = Host::start(Manner::Floods(first, part.repeat(4_096).leak())).await;
    let transport = host.direct();
    let mut reply = transport.send(put(&transport)).await.map_err(described).unwrap();
    let parts = Cell::new(0);
    let mut read = pin!(async {
        while reply.chunk().await.unwrap().is_some() {
            parts.set(parts.get() + 1);
        }
    });
    let (mut in_all, mut most) = (0, 0);
    while in_all < 20_000 {
        parts.set(0);
        assert!(futures::poll!(read.as_mut()).is_pending(), "it never ends");
        most = most.max(parts.get());
        in_all += parts.get();
        tokio::task::yield_now().await;
    }
    assert_eq!(most, MAX_PARTS, "parts that were read in one turn");
}

/// Counts how often it wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_exchange_is_woken_for_its_answer_and_for_nothing_else() {
    let (wire, mut other) = tokio::io::duplex(1_000);
    let mut connection = Connection::over(Box::new(TokioIo::new(wire))).await.unwrap();
    for _ in 0..3 {
        let wakes = Arc::new(Wakes::default());
        let woken = || wakes.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        let request = Outgoing::new(Request::put("/task/stop").body(Bytes::new()).unwrap());
        let mut exchange = Box::pin(connection.send(request));
        assert!(exchange.as_mut().poll(&mut cx).is_pending());
        assert_eq!(woken(), 0, "its own request wakes it not");
        assert!(other.read(&mut [0; 1_000]).await.unwrap() > 0);
        other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
        assert_eq!(woken(), 1);
        let Poll::Ready(Ok(answer)) = exchange.as_mut().poll(&mut cx) else {
            panic!("the answer is there")
        };
        drop(exchange);
        let mut body = answer.into_body();
        for expected in [Some("hello"), None] {
            let polled = pin!(connection.chunk(&mut body)).poll(&mut cx);
            let Poll::Ready(Ok(chunk)) = polled else { panic!("the body is there") };
            assert_eq!(chunk.as_deref(), expected.map(str::as_bytes));
        }
        connection.end_exchange();
        assert_eq!(woken(), 1, "what has come with the head wakes nobody again");
    }
}
