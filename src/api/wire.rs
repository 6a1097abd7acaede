//! Reads the bodies that service, gateway and IAM send, however they are spelt.
//!
//! Reads leniently and judges nothing: a field that is missing or has another type is absent, an
//! unknown one is ignored. A body that says two things about one field is not understood.

use crate::policy::ActionResult;
use crate::policy::Body;
use crate::policy::ServiceError;
use serde::Deserialize;
use serde::Deserializer;
use serde_json::Map;
use serde_json::Value;

/// How much of a body that is not understood is told, in characters.
const EXCERPT: usize = 80;

/// Reads the body of an answer with this status.
pub(super) fn read_body(status: u16, text: &str) -> Body {
    if text.trim().is_empty() {
        return Body::Unreadable(format!("status {status} came without a body"));
    }
    // serde would read the fields of a struct from a list as well.
    if !text.trim_start().starts_with('{') {
        return Body::Unreadable(excerpt("no JSON object is", text));
    }
    if (200..300).contains(&status) { read_result(text) } else { read_error(text) }
}

/// The 200 of an action. The service marks no field as required.
#[derive(Deserialize)]
struct ResultWire {
    #[serde(default, deserialize_with = "whole_number")]
    total_count: Option<i64>,
    #[serde(default, deserialize_with = "whole_number")]
    failed_count: Option<i64>,
    #[serde(default, deserialize_with = "whole_number")]
    succeed_count: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    error_list: Vec<String>,
}

fn read_result(text: &str) -> Body {
    let wire: ResultWire = match serde_json::from_str(text) {
        Ok(wire) => wire,
        Err(error) => return not_understood(text, &error),
    };
    let counts = [wire.total_count, wire.failed_count, wire.succeed_count];
    if counts.iter().all(Option::is_none)
        && let Body::Error(error) = read_error(text)
    {
        return Body::Error(error);
    }
    Body::Result(ActionResult {
        id: wire.id,
        total: wire.total_count,
        failed: wire.failed_count,
        succeeded: wire.succeed_count,
        error_list: wire.error_list,
    })
}

/// Reads an error in any of the shapes seen: the service's six fields, the gateway's three,
/// IAM's nested one, and the spellings the official SDKs accept.
fn read_error(text: &str) -> Body {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => {
            let strange = || Body::Unreadable(excerpt("no error is in", text));
            find_error(&fields).map_or_else(strange, Body::Error)
        }
        Ok(_) => Body::Unreadable(excerpt("no JSON object is", text)),
        Err(error) => not_understood(text, &error),
    }
}

/// Finds an error in an object, or one level down in it.
fn find_error(fields: &Map<String, Value>) -> Option<ServiceError> {
    error_of(fields).or_else(|| fields.values().filter_map(Value::as_object).find_map(error_of))
}

fn error_of(fields: &Map<String, Value>) -> Option<ServiceError> {
    let first = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| fields.get(*name)).filter_map(loose_text);
        texts.into_iter().next().unwrap_or_default()
    };
    let error = ServiceError {
        code: first(&["error_code", "errorCode", "code"]),
        message: first(&["error_msg", "errorMsg", "error_message", "message"]),
        detail: first(&["detail"]),
        reason: first(&["reason", "title"]),
        advice: first(&["advice"]),
        request_id: first(&["request_id"]),
    };
    let says_something = !error.code.is_empty() || !error.message.is_empty();
    says_something.then_some(error)
}

fn not_understood(text: &str, error: &serde_json::Error) -> Body {
    Body::Unreadable(format!("{} ({error})", excerpt("no JSON is", text)))
}

/// Returns the beginning of a body with a word on what it is not.
pub(super) fn excerpt(what: &str, text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{what} `{}…`", &text[..end]),
        None => format!("{what} `{text}`"),
    }
}

/// Reads a whole number from a number or its text; anything else is absent.
fn whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(whole(&Value::deserialize(from)?))
}

/// Returns the whole number that a value is, or that its text says.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a float's value if it is whole and exact.
fn integral(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = number.fract() == 0.0 && number.abs() < EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    whole.then_some(number as i64)
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        other => loose_text(&other),
    })
}

/// Reads a list of texts; what is in it that is no text is kept as JSON, a lone text is a list.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Array(items) => items.iter().map(any_text).collect(),
        Value::Null => Vec::new(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![any_text(&other)]
        }
    })
}

fn any_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn loose_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result(text: &str) -> ActionResult {
        match read_body(200, text) {
            Body::Result(result) => result,
            other @ (Body::Error(_) | Body::Unreadable(_)) => panic!("{text}: {other:?}"),
        }
    }

    fn error(text: &str) -> ServiceError {
        match read_body(400, text) {
            Body::Error(error) => error,
            other @ (Body::Result(_) | Body::Unreadable(_)) => panic!("{text}: {other:?}"),
        }
    }

    fn check_unreadable(status: u16, text: &str, expected: &str) {
        let Body::Unreadable(seen) = read_body(status, text) else { panic!("{text} was read") };
        assert!(seen.contains(expected), "{seen}");
    }

    fn check_counts(text: &str, expected: (Option<i64>, Option<i64>, Option<i64>)) {
        let result = result(text);
        assert_eq!((result.total, result.failed, result.succeeded), expected, "{text}");
    }

    #[test]
    fn the_documented_result_is_read() {
        let result = result(
            r#"{"total_count":2,"failed_count":1,"succeed_count":1,"id":"abcd","error_list":["x"]}"#,
        );
        assert_eq!(result.id.as_deref(), Some("abcd"));
        assert_eq!(result.error_list, ["x"]);
        assert_eq!((result.total, result.failed, result.succeeded), (Some(2), Some(1), Some(1)));
    }

    #[test]
    fn missing_extra_and_mistyped_fields_survive() {
        check_counts("{}", (None, None, None));
        check_counts(r#"{"total_count":"2","new":[1]}"#, (Some(2), None, None));
        check_counts(r#"{"total_count":2.0,"failed_count":0.5}"#, (Some(2), None, None));
        check_counts(r#"{"total_count":{},"failed_count":null}"#, (None, None, None));
        check_counts(r#"{"total_count":99999999999999999999}"#, (None, None, None));
        assert_eq!(result(r#"{"id":7}"#).id.as_deref(), Some("7"));
        assert_eq!(result(r#"{"error_list":"one"}"#).error_list, ["one"]);
        assert_eq!(result(r#"{"error_list":[{"a":1},null]}"#).error_list, [r#"{"a":1}"#, "null"]);
        assert!(result(r#"{"error_list":null}"#).error_list.is_empty());
    }

    #[test]
    fn a_field_that_stands_twice_is_not_understood() {
        check_unreadable(200, r#"{"total_count":1,"total_count":2}"#, "duplicate field");
    }

    #[test]
    fn every_error_shape_is_read() {
        let service = error(
            r#"{"error_code":"VIAS.00010012","error_msg":"m","detail":"d","params":["p"],
                "reason":"r","advice":"a"}"#,
        );
        assert_eq!(service.code, "VIAS.00010012");
        assert_eq!((service.reason.as_str(), service.advice.as_str()), ("r", "a"));
        let gateway = error(r#"{"error_msg":"m","error_code":"APIGW.0308","request_id":"q"}"#);
        assert_eq!((gateway.code.as_str(), gateway.request_id.as_str()), ("APIGW.0308", "q"));
        let iam = error(r#"{"error":{"code":401,"message":"wrong","title":"Unauthorized"}}"#);
        assert_eq!((iam.code.as_str(), iam.message.as_str()), ("401", "wrong"));
        assert_eq!(error(r#"{"errorCode":"c","errorMsg":"m"}"#).code, "c");
        assert_eq!(error(r#"{"error_message":"m"}"#).message, "m");
    }

    #[test]
    fn what_is_not_understood_is_told_in_part() {
        check_unreadable(200, "", "without a body");
        check_unreadable(200, "<html><body>Bad gateway</body></html>", "no JSON object is `<html>");
        check_unreadable(200, "[3, 0, 3]", "no JSON object is `[3, 0, 3]`");
        check_unreadable(200, "{\"total_count\":", "no JSON is `{");
        check_unreadable(400, "null", "no JSON object is `null`");
        check_unreadable(400, "{}", "no error is in `{}`");
        check_unreadable(200, &"{\"a\":".repeat(100_000), "no JSON is");
        check_unreadable(400, &"{\"a\":".repeat(100_000), "recursion limit");
        check_unreadable(400, &"é".repeat(100), "…`");
    }

    #[test]
    fn an_error_inside_a_200_is_an_error() {
        let text = r#"{"error_code":"VIAS.00010001","error_msg":"m"}"#;
        assert!(matches!(read_body(200, text), Body::Error(_)));
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange_to_read(status in 200_u16..600, text in ".{0,200}") {
            let _ = read_body(status, &text);
        }

        #[test]
        fn no_json_is_too_strange_to_read(status in 200_u16..600, numbers in any::<[f64; 3]>()) {
            let fields = ["total_count", "failed_count", "id"];
            let pairs: Vec<String> =
                fields.iter().zip(numbers).map(|(name, n)| format!("\"{name}\":{n}")).collect();
            let _ = read_body(status, &format!("{{{}}}", pairs.join(",")));
        }
    }
}
