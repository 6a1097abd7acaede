//! What a scripted service does with a request: every way in which a service can be wrong.

use batchctl::task::Counts;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is done with one request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(super) manner: Manner,
    /// What a client can trust of it.
    pub(super) trusted: Option<Counts>,
    /// How long it takes to come.
    pub(super) delay: Duration,
    /// What it waits for as well.
    pub(super) released: Option<Arc<AtomicBool>>,
}

/// How the connection is used.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    /// An answer with a length that is right.
    Whole(Head, Vec<u8>),
    /// Exactly these bytes, and then the next request.
    Raw(Vec<u8>),
    /// Exactly these bytes, and then the end of the connection.
    Last(Vec<u8>),
    /// The first bytes, and then the second ones without end.
    Flood(Vec<u8>, Vec<u8>, Duration),
    /// An answer, and a moment later another one that nobody asked for.
    Twice(Vec<u8>, Vec<u8>),
    /// An answer that ends before the length it announced.
    Cut(Head, Vec<u8>),
    /// An answer whose body never comes to its end, a byte at a time.
    Trickle(Head),
    /// The connection is reset: RST in place of an answer.
    Reset,
    /// The connection is closed in good order, without an answer.
    Close,
    /// Nothing comes until the client goes away.
    Silence,
}

/// Status and headers.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

impl Reply {
    fn new(manner: Manner) -> Self {
        Self { manner, trusted: None, delay: Duration::ZERO, released: None }
    }

    /// An answer with this status and body.
    pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Manner::Whole(Head { status, headers: Vec::new() }, body.into()))
    }

    /// A 200 that speaks of `id` with these counts, whether or not they add up.
    pub(crate) fn counted(id: &str, total: u64, failed: u64, succeeded: u64) -> Self {
        let errors: Vec<String> =
            (1..=failed).map(|number| format!("sub-task {number}: no licence")).collect();
        let body = json!({
            "total_count": total, "failed_count": failed, "succeed_count": succeeded,
            "id": id, "error_list": errors,
        });
        Self::answer(200, body.to_string())
    }

    /// A 200 that a client can believe: its counts add up and are to be found in the report.
    pub(crate) fn trusted(id: &str, failed: u64, succeeded: u64) -> Self {
        let total = failed + succeeded;
        let trusted = Some(Counts { total, failed, succeeded });
        Self { trusted, ..Self::counted(id, total, failed, succeeded) }
    }

    /// An error of the service, with all of its six fields.
    pub(crate) fn service(status: u16, code: &str, message: &str) -> Self {
        let body = json!({
            "error_code": code, "error_msg": message, "detail": "the detail", "params": ["one"],
            "reason": "the reason", "advice": "the advice",
        });
        Self::answer(status, body.to_string())
    }

    /// An error of the gateway in front of the service.
    pub(crate) fn gateway(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "error_msg": message, "error_code": code, "request_id": "gateway-1" });
        Self::answer(status, body.to_string())
    }

    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Manner::Raw(bytes.into()))
    }

    /// Exactly these bytes, and then the end of the connection.
    pub(crate) fn last(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Manner::Last(bytes.into()))
    }

    /// Bytes that never end.
    pub(crate) fn flood(first: &str, then: &str) -> Self {
        Self::new(Manner::Flood(first.into(), then.into(), Duration::ZERO))
    }

    /// Parts that never end, at most twenty thousand a second: so few that no bound of a body is reached
    /// before the time-outs of tests, however fast the machine is.
    pub(crate) fn steady_flood(first: &str, then: &str) -> Self {
        Self::new(Manner::Flood(first.into(), then.into(), Duration::from_millis(50)))
    }

    /// Another answer 20 ms after this one, which nobody asked for.
    #[must_use]
    pub(crate) fn and_then_unasked(self, other: &Self) -> Self {
        let (Manner::Whole(head, body), Manner::Whole(next, last)) = (&self.manner, &other.manner)
        else {
            panic!("both are answers")
        };
        let first = [head.text(body.len()), body.clone()].concat();
        let second = [next.text(last.len()), last.clone()].concat();
        Self { manner: Manner::Twice(first, second), ..self }
    }

    /// An answer whose body is shorter than it says.
    pub(crate) fn cut(body: impl Into<Vec<u8>>) -> Self {
        Self::new(Manner::Cut(Head { status: 200, headers: Vec::new() }, body.into()))
    }

    /// An answer whose body never ends.
    pub(crate) fn trickle() -> Self {
        Self::new(Manner::Trickle(Head { status: 200, headers: Vec::new() }))
    }

    /// A reset of the connection.
    pub(crate) fn reset() -> Self {
        Self::new(Manner::Reset)
    }

    /// The end of the connection.
    pub(crate) fn close() -> Self {
        Self::new(Manner::Close)
    }

    /// Nothing at all.
    pub(crate) fn silence() -> Self {
        Self::new(Manner::Silence)
    }

    /// Adds a header to an answer.
    #[must_use]
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        match &mut self.manner {
            Manner::Whole(head, _) | Manner::Cut(head, _) | Manner::Trickle(head) => {
                head.headers.push((name.into(), value.into()));
            }
            Manner::Raw(_)
            | Manner::Last(_)
            | Manner::Flood(..)
            | Manner::Twice(..)
            | Manner::Reset
            | Manner::Close
            | Manner::Silence => {
                panic!("without an answer there is no header")
            }
        }
        self
    }

    /// Changes the body of an answer.
    #[must_use]
    pub(crate) fn with_body(mut self, change: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let Manner::Whole(_, body) = &mut self.manner else { panic!("there is no body") };
        *body = change(body);
        self
    }

    /// Changes the status of an answer.
    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        let (Manner::Whole(head, _) | Manner::Cut(head, _)) = &mut self.manner else {
            panic!("there is no status")
        };
        head.status = status;
        self
    }

    /// Puts bytes in front of an answer.
    #[must_use]
    pub(crate) fn with_before(mut self, bytes: &str) -> Self {
        let Manner::Whole(head, body) = &self.manner else { panic!("there is no answer") };
        let answer = [bytes.as_bytes(), &head.text(body.len()), body].concat();
        self.manner = Manner::Raw(answer);
        self
    }

    /// An answer whose sub-tasks all failed, with a text of this length for each.
    pub(crate) fn long_list(id: &str, failed: u64, length: usize) -> Self {
        let errors: Vec<String> = (1..=failed).map(|n| format!("{n:0length$}")).collect();
        let body = json!({
            "total_count": failed, "error_list": errors, "failed_count": failed,
            "succeed_count": 0, "id": id,
        });
        let trusted = Some(Counts { total: failed, failed, succeeded: 0 });
        Self { trusted, ..Self::answer(200, body.to_string()) }
    }

    /// Lets the reply take a while.
    #[must_use]
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same answer, once that is set.
    pub(crate) fn once(self, released: &Arc<AtomicBool>) -> Self {
        Self { released: Some(Arc::clone(released)), ..self }
    }
}

impl Head {
    /// Writes the head of an answer that announces a body of `length`.
    pub(super) fn text(&self, length: usize) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Scripted\r\ncontent-length: {length}\r\n", self.status);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        text.into_bytes()
    }
}
