//! The protocol of a run's control socket: one JSON object a line, one reply for each request.
//!
//! Fields are only ever added; another meaning is another version. Holds no secret.

use crate::cli::flags::values::MAX_CONCURRENCY;
use crate::cli::run::control_object;
use batchctl::engine::ChangeAnswer;
use batchctl::event::Change;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::num::NonZeroUsize;

/// The version of the words.
pub(crate) const VERSION: u32 = 1;
/// The most bytes of a request.
pub(crate) const LONGEST_REQUEST: u64 = 4_096;

/// A request to a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlRequest {
    pub(crate) version: u32,
    /// The target that is meant, in a run of several; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    #[serde(flatten)]
    pub(crate) order: ControlOrder,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum ControlOrder {
    Status,
    Pause,
    Resume,
    Rate { limit: String },
    Concurrency { most: NonZeroUsize },
    Drain,
}

/// The reply to a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlReply {
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) reply: ReplyKind,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum ReplyKind {
    /// It is in effect and on record.
    Changed,
    /// It was like that before.
    AsBefore,
    /// It only looks at the states of its tasks now.
    NotNow,
    /// The run is coming to its end.
    Stopping,
    Status {
        status: Value,
    },
    /// It was not understood, or may not be asked.
    Refused {
        reason: String,
    },
}

impl From<ChangeAnswer> for ReplyKind {
    fn from(answer: ChangeAnswer) -> Self {
        match answer {
            ChangeAnswer::Changed => Self::Changed,
            ChangeAnswer::AsBefore => Self::AsBefore,
            ChangeAnswer::NotNow => Self::NotNow,
            ChangeAnswer::Stopping => Self::Stopping,
        }
    }
}

impl ControlOrder {
    /// Returns the change, or `None` for a question. An error is the reason of a refusal.
    pub(crate) fn change(&self) -> Result<Option<Change>, String> {
        Ok(match self {
            Self::Status => None,
            Self::Pause => Some(Change::Paused),
            Self::Resume => Some(Change::Resumed),
            Self::Rate { limit } if limit == "none" => Some(Change::Rate(None)),
            Self::Rate { limit } => {
                let limit = limit.parse().map_err(|error| format!("{error}"))?;
                Some(Change::Rate(Some(limit)))
            }
            Self::Concurrency { most } if most.get() > MAX_CONCURRENCY => {
                return Err(format!("at most {MAX_CONCURRENCY} calls can be in flight"));
            }
            Self::Concurrency { most } => Some(Change::Concurrency(*most)),
            Self::Drain => Some(Change::Drained),
        })
    }
}

/// Writes a line.
pub(crate) fn line(said: &impl Serialize) -> String {
    serde_json::to_string(said).expect("texts and numbers are JSON") + "\n"
}

/// Reads a request; the reason is a refusal's.
pub(crate) fn read(line: &[u8]) -> Result<ControlRequest, String> {
    // The version is read first: an order of another version may have other fields.
    let value = control_object::read(line)?;
    match value["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        _ => {
            return Err(format!("unsupported protocol version; this run speaks version {VERSION}"));
        }
    }
    ControlRequest::deserialize(value).map_err(|_| "that is no order".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Option<Change>, &str>) {
        let change = read(line.as_bytes()).and_then(|request| request.order.change());
        assert_eq!(change, expected.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn orders_are_read() {
        let rate = Change::Rate("5/s".parse().ok());
        check(r#"{"version":1,"order":"status"}"#, Ok(None));
        check(r#"{"version":1,"order":"pause","more":7}"#, Ok(Some(Change::Paused)));
        check(r#"{"version":1,"order":"rate","limit":"5/s"}"#, Ok(Some(rate)));
        check(r#"{"version":1,"order":"rate","limit":"none"}"#, Ok(Some(Change::Rate(None))));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        check("", Err("that is no JSON"));
        check("pause", Err("that is no JSON"));
        check("[]", Err("unsupported protocol version; this run speaks version 1"));
        check(
            r#"{"order":"pause"}"#,
            Err("unsupported protocol version; this run speaks version 1"),
        );
        check(
            r#"{"version":2,"order":"pause"}"#,
            Err("unsupported protocol version; this run speaks version 1"),
        );
        check(r#"{"version":1,"order":"explode"}"#, Err("that is no order"));
        check(r#"{"version":1,"order":"concurrency","most":0}"#, Err("that is no order"));
        let reason = batchctl::task::InvalidRate::default().to_string();
        check(r#"{"version":1,"order":"rate","limit":"0"}"#, Err(&reason));
    }

    #[test]
    fn a_repeated_key_is_refused_whichever_it_is() {
        for line in [
            r#"{"version":1,"order":"pause","order":"drain"}"#,
            r#"{"version":1,"version":1,"order":"pause"}"#,
            r#"{"version":1,"order":"rate","limit":"5/s","limi\u0074":"9/s"}"#,
            r#"{"version":1,"order":"status","more":1,"more":1}"#,
        ] {
            check(line, Err("a key stands in it more than once"));
        }
    }

    #[test]
    fn concurrency_out_of_proportion_is_refused_with_the_bound() {
        let ask = |most: &str| format!(r#"{{"version":1,"order":"concurrency","most":{most}}}"#);
        let most = NonZeroUsize::new(65_535).unwrap();
        check(&ask("65535"), Ok(Some(Change::Concurrency(most))));
        for most in ["65536", "18446744073709551615"] {
            check(&ask(most), Err("at most 65535 calls can be in flight"));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let most = NonZeroUsize::new(3).unwrap();
        for order in [ControlOrder::Status, ControlOrder::Drain, ControlOrder::Concurrency { most }]
        {
            for target in [None, Some("north".to_owned())] {
                let (version, order) = (VERSION, order.clone());
                let written = line(&ControlRequest { version, target: target.clone(), order });
                assert_eq!(read(written.as_bytes()).unwrap().target, target, "{written}");
            }
        }
    }
}
