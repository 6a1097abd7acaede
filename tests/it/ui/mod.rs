//! `batchctl ui`: who may ask it, what it shows, and that a page follows its run.

mod accessible;
mod browser;
mod control;
pub(crate) mod follow;
mod gate;
mod opened;

use crate::support::program::{Running, Scene};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The server in a process of its own.
pub(crate) struct Served {
    pub(crate) process: Running,
    /// The address with the token.
    pub(crate) url: String,
    pub(crate) port: u16,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Served {
    /// Starts the server in a scene.
    pub(crate) fn start(scene: &Scene, flags: &[&str]) -> Self {
        let mut process = scene.start(&[&["ui"], flags].concat());
        let mut url = String::new();
        BufReader::new(process.stdout()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        let address = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
        let address: SocketAddr = address.split('/').next().unwrap().parse().unwrap();
        let port = address.port();
        Self { process, url, port }
    }

    /// Returns the path with the token.
    pub(crate) fn entrance(&self) -> &str {
        self.url.split_once(&self.port.to_string()).unwrap().1
    }

    /// Sends bytes, and returns the connection with all that comes back.
    pub(crate) fn send(&self, request: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        BufReader::new(stream)
    }

    /// Sends a body of JSON, as a page of this server does.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let all = [headers, &[("content-length", &length)]].concat();
        self.ask_with(&format!("POST {path}"), &all, body)
    }

    /// Sends a request of HTTP/1.0, so that its answer comes in one piece and ends the connection.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_with(line, headers, "")
    }

    fn ask_with(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut all = String::new();
        self.send(&format!("{line} HTTP/1.0\r\n{lines}\r\n{body}"))
            .read_to_string(&mut all)
            .unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: {all:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.into() }
    }

    /// Returns the host, as a browser names it.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// A browser with the cookie of a server.
pub(crate) struct Visitor<'a> {
    pub(crate) served: &'a Served,
    cookie: String,
}

impl<'a> Visitor<'a> {
    pub(crate) fn enter(served: &'a Served) -> Self {
        let request =
            format!("GET {} HTTP/1.0\r\nhost: {}\r\n\r\n", served.entrance(), served.host());
        let mut answer = String::new();
        served.send(&request).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        let cookie = answer.split("set-cookie: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        Self { served, cookie: cookie.split(';').next().unwrap().into() }
    }

    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Asks for a page.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let headers = [("host", self.served.host()), ("cookie", self.cookie.clone())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.served.ask(&format!("GET {path}"), &headers)
    }

    /// Gives an order to a run, as a page of the server does.
    pub(crate) fn order(&self, run: &str, order: &str) -> Answer {
        let own = format!("http://{}", self.served.host());
        let headers = [
            ("host", self.served.host()),
            ("origin", own),
            ("cookie", self.cookie.clone()),
            ("content-type", "application/json".into()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.served.post(&format!("/runs/{run}/orders"), &headers, order)
    }

    /// Begins to read events.
    pub(crate) fn follow(&self, path: &str) -> Events {
        let (host, cookie) = (self.served.host(), &self.cookie);
        let request = format!("GET {path} HTTP/1.0\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
        let mut lines = self.served.send(&request);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.0 200") && head.contains("text/event-stream"), "{head}");
        Events { lines }
    }
}

/// Server-sent events.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// Returns the next event: its name and its content.
    pub(crate) fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.trim().into();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(text).unwrap()));
            }
        }
    }
}
