//! What a page may order of a run, where that is allowed; somebody else carries it out.

use crate::report::GroupLabel;
use crate::store::RunId;
use crate::task::Rate;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::num::NonZeroUsize;

/// The most bytes of an order.
pub(crate) const LONGEST_ORDER: usize = 4_096;

/// An order to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct UiOrder {
    /// What is to be done.
    pub action: UiAction,
    /// To which target alone, in a run of several.
    pub target: Option<String>,
}

/// What a page may have done to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum UiAction {
    /// Send nothing new until it is resumed.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Send no faster than this; `None` is no limit.
    Rate(Option<Rate>),
    /// Have at most this many calls on the wire.
    Concurrency(NonZeroUsize),
    /// End once what is on the wire has finished.
    Drain,
    /// Make a new run of the tasks of a failure group.
    Retry(GroupLabel),
}

/// An order as a page writes it. Braces, because nothing is refused beside the tag of a unit.
#[derive(Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    Pause {},
    Resume {},
    Rate { limit: String },
    Concurrency { most: NonZeroUsize },
    Drain {},
    Retry { group: String },
}

impl UiOrder {
    /// Reads the order of a page; the error is for its reader.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let no_order = || "that is no order".to_owned();
        let mut written: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| no_order())?;
        let target = match written.remove("target") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(no_order()),
        };
        let action = UiAction::from_written(written.into()).ok_or_else(no_order)??;
        // A group is one of the whole run.
        let is_of_all = matches!(action, UiAction::Retry(_));
        if is_of_all && target.is_some() { Err(no_order()) } else { Ok(Self { action, target }) }
    }
}

impl UiAction {
    /// Reads an action; nothing if it is none, and an error if its value is wrong.
    fn from_written(written: Value) -> Option<Result<Self, String>> {
        Some(match serde_json::from_value(written).ok()? {
            Written::Pause {} => Ok(Self::Pause),
            Written::Resume {} => Ok(Self::Resume),
            Written::Rate { limit } if limit == "none" => Ok(Self::Rate(None)),
            Written::Rate { limit } => limit
                .parse()
                .map(|limit| Self::Rate(Some(limit)))
                .map_err(|error| format!("{error}")),
            Written::Concurrency { most } => Ok(Self::Concurrency(most)),
            Written::Drain {} => Ok(Self::Drain),
            Written::Retry { group } => {
                group.parse().map(Self::Retry).map_err(|error| format!("{error}"))
            }
        })
    }
}

/// Carries out what a page orders, and knows where a run stands at the moment.
pub trait Operator: Send + Sync {
    /// Returns where a run stands, in words; nothing if it does not answer. May block.
    fn standing(&self, run: &RunId) -> Option<String>;

    /// Returns whether pages may order anything.
    fn takes_orders(&self) -> bool;

    /// Carries an order out, and returns what came of it in words. May block.
    ///
    /// # Errors
    ///
    /// Why nothing was changed, in words.
    fn carry_out(&self, run: &RunId, order: &UiOrder) -> Result<String, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<UiAction, &str>) {
        let expected = expected.map(|action| UiOrder { action, target: None });
        assert_eq!(UiOrder::read(body.as_bytes()), expected.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn orders_are_read() {
        check(r#"{"order":"pause"}"#, Ok(UiAction::Pause));
        check(r#"{"order":"rate","limit":"5/s"}"#, Ok(UiAction::Rate("5/s".parse().ok())));
        check(r#"{"order":"rate","limit":"none"}"#, Ok(UiAction::Rate(None)));
        check(r#"{"order":"retry","group":"F2"}"#, Ok(UiAction::Retry("F2".parse().unwrap())));
        let drained = UiOrder { action: UiAction::Drain, target: Some("north".into()) };
        assert_eq!(UiOrder::read(br#"{"order":"drain","target":"north"}"#), Ok(drained));
    }

    #[test]
    fn nonsense_is_no_order() {
        for body in [
            "",
            "pause",
            r#"{"order":"explode"}"#,
            r#"{"order":"pause","more":1}"#,
            r#"{"order":"concurrency","most":0}"#,
            r#"{"order":"pause","target":7}"#,
            r#"{"order":"retry","group":"F2","target":"north"}"#,
        ] {
            check(body, Err("that is no order"));
        }
        let reason = "F2; rm -rf".parse::<GroupLabel>().unwrap_err().to_string();
        check(r#"{"order":"retry","group":"F2; rm -rf"}"#, Err(&reason));
        let reason = crate::task::InvalidRate::default().to_string();
        check(r#"{"order":"rate","limit":"0"}"#, Err(&reason));
    }
}
