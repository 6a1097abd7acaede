//! A browser without a window that does what a visitor does, by its `DevTools` protocol.

use super::browser::Browser;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often a page is looked at before a test gives up: only what hangs comes to it.
const LOOKS: usize = 3_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A browser with one page; it ends when this is dropped.
pub(crate) struct Visit {
    child: Child,
    socket: BufReader<TcpStream>,
    last: u64,
}

impl Browser {
    /// Opens a page and stays there.
    pub(crate) fn visit(&self, url: &str, flags: &[&str]) -> Visit {
        let mut command = Command::new(self.program());
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.args(["--disable-dev-shm-usage", "--remote-debugging-port=0"]).args(flags);
        command.arg(format!("--user-data-dir={}", self.profile().display()));
        command.env("HOME", self.profile()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.arg("about:blank").stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let host = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the browser has ended");
            if let Some(address) = line.trim().strip_prefix("DevTools listening on ws://") {
                break address.split('/').next().unwrap().to_owned();
            }
        };
        // What it says later must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let path = page_of(&host);
        let mut visit = Visit { child, socket: open_socket(&host, &path), last: 0 };
        visit.call("Page.enable", &json!({}));
        visit.call("Page.navigate", &json!({ "url": url }));
        visit
    }
}

/// Returns the path of the socket of the first page.
fn page_of(host: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    // It answers no HTTP/1.0, and keeps the connection.
    write!(stream, "GET /json/list HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert_ne!(answer.read_line(&mut line).unwrap(), 0, "the browser has ended");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut list = vec![0; length];
    answer.read_exact(&mut list).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let pages = list.as_array().unwrap();
    let page = pages.iter().find(|it| it["type"] == "page").unwrap();
    let url = page["webSocketDebuggerUrl"].as_str().unwrap();
    url.split_once(host).unwrap().1.to_owned()
}

fn open_socket(host: &str, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(host).unwrap();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .unwrap();
    let mut socket = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(socket.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    socket
}

impl Visit {
    /// Calls a method of the protocol, and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let answer = self.answer(method, parameters);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn answer(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let call = json!({ "id": self.last, "method": method, "params": parameters });
        self.send(call.to_string().as_bytes());
        loop {
            let message: Value = serde_json::from_slice(&self.receive()).unwrap();
            if message["id"] == self.last {
                return message;
            }
        }
    }

    /// Returns the value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let result = self.call("Runtime.evaluate", &parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page, whatever page is there by then.
    pub(crate) fn wait(&mut self, condition: &str) {
        let look = format!(
            "(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"
        );
        let look = json!({ "expression": look, "returnByValue": true });
        for _ in 0..LOOKS {
            // An error is that of a page which is just being left.
            if self.answer("Runtime.evaluate", &look)["result"]["result"]["value"] == true {
                return;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        let page = self.evaluate("location.href + document.documentElement.outerHTML");
        panic!("never true: {condition}\n{page}");
    }

    /// Presses a key, as a person does.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => panic!("no code for {key}"),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                &json!({ "type": kind, "key": key, "code": key, "text": text,
                    "windowsVirtualKeyCode": code }),
            );
        }
    }

    /// Sends a frame of text, masked as the protocol asks of clients.
    fn send(&mut self, text: &[u8]) {
        let mut frame = vec![0x81];
        match u16::try_from(text.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((text.len() as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the text as it is.
        frame.extend([0; 4]);
        frame.extend(text);
        self.socket.get_mut().write_all(&frame).unwrap();
    }

    /// Returns the next message, of one or several frames.
    fn receive(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let mut head = [0; 2];
            self.socket.read_exact(&mut head).unwrap();
            let length = match head[1] {
                126 => u64::from(u16::from_be_bytes(self.bytes())),
                127 => u64::from_be_bytes(self.bytes()),
                short => short.into(),
            };
            let mut part = vec![0; usize::try_from(length).unwrap()];
            self.socket.read_exact(&mut part).unwrap();
            // Pings and the like are between the frames of a message.
            if head[0] & 0x0f < 8 {
                message.extend(part);
                if head[0] & 0x80 != 0 {
                    return message;
                }
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
