//! Reads the fields of the bodies that service, gateway and IAM send.
//!
//! Reads leniently and judges nothing: a field that is missing or has another type is absent, an
//! unknown one is ignored. Fields are used as far as they can be read, whatever is wrong with the
//! texts beside or behind them. A body that gives one field two values is not understood.

use super::json_text::{
    MORE_THAN_ONE, after_first_value, decode, read_leniently, without_open_end,
};
use super::redactor::Redactor;
use crate::policy::{ActionResult, Body, ServiceError};
use crate::text::unread;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The fields that are read; everything else is passed over.
const NAMES: [&str; 20] = [
    "total_count",
    "failed_count",
    "succeed_count",
    "id",
    "error_list",
    "error_code",
    "errorCode",
    "code",
    "error_msg",
    "errorMsg",
    "error_message",
    "message",
    "detail",
    "params",
    "reason",
    "title",
    "advice",
    "request_id",
    "error",
    "errors",
];

/// What servers say of plain HTTP on a port for TLS: nginx, Go, Apache and Tomcat.
const WANTS_TLS: [&str; 4] = [
    "The plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server",
    "speaking plain HTTP to an SSL-enabled server port",
    "This combination of host and port requires TLS",
];

/// The counts of a result.
const COUNTS: [&str; 3] = ["total_count", "failed_count", "succeed_count"];

/// Fields that decide what follows: two values for one of them leave open which is meant.
const DECIDING: [&str; 6] =
    ["total_count", "failed_count", "succeed_count", "id", "error_code", "errorCode"];

/// Reads the body of an answer with this status.
///
/// `broken_off` says why the rest of the body is missing, if it is; the redactor takes secrets out
/// of the excerpt that describes a body that is not understood.
pub(crate) fn read_body(
    status: u16,
    bytes: &[u8],
    broken_off: Option<&str>,
    redactor: &Redactor,
) -> Body {
    let text = decode(bytes);
    if text.trim().is_empty() {
        let without = || unread::without_body(status);
        return Body::Unreadable(broken_off.map_or_else(without, str::to_owned));
    }
    let excerpt = |what: &str| excerpt(what, &text, redactor);
    let strange =
        |what: &str| Body::Unreadable(broken_off.map_or_else(|| excerpt(what), str::to_owned));
    if !text.starts_with('{') {
        return strange(unread::NO_OBJECT);
    }
    let mut fields = Fields::read(bytes, &text);
    // Contradictions come first, because such counts must never settle a task.
    if let Some(contradiction) = &fields.contradiction {
        return Body::Unreadable(format!("{} ({contradiction})", excerpt(unread::NO_JSON)));
    }
    // In a 2xx answer the counts come before error fields, which may accompany them.
    if (200..300).contains(&status)
        && let Some(result) = fields.result()
    {
        return Body::Result(result);
    }
    if let Some(error) = fields.error().or_else(|| nested_error(&text)) {
        return Body::Error(error);
    }
    match (&fields.problem, status) {
        (Some(_), _) if broken_off.is_some() => strange(unread::NO_JSON),
        (Some(problem), _) => Body::Unreadable(format!("{} ({problem})", excerpt(unread::NO_JSON))),
        // The service marks no field as required: an object without any is a result.
        (None, 200..300) => Body::Result(fields.bare_result()),
        (None, _) => strange(unread::NO_ERROR),
    }
}

/// Returns whether a server has refused an answer because it wants TLS: such a server reads the
/// head of a request, and carries nothing out.
pub(crate) fn wants_tls(status: u16, bytes: &[u8]) -> bool {
    if status != 400 {
        return false;
    }
    // An object is an error of the service, whatever it quotes.
    let text = String::from_utf8_lossy(bytes);
    !text.trim_start().starts_with('{') && WANTS_TLS.iter().any(|phrase| text.contains(phrase))
}

/// The known fields of the outermost object of a body.
#[derive(Debug, Default)]
struct Fields {
    values: [Option<Value>; NAMES.len()],
    /// The reason if the object could not be read to its end.
    problem: Option<String>,
    /// The description of a contradiction within the body, if it has one.
    contradiction: Option<String>,
}

impl Fields {
    /// Reads an object as far as it can be read.
    fn read(bytes: &[u8], text: &str) -> Self {
        let whole = |text: &str| match Self::parse(text) {
            fields if fields.problem.is_none() => Ok(fields),
            broken => Err(Box::new(broken)),
        };
        read_leniently(bytes, text, whole).unwrap_or_else(|broken| *broken)
    }

    fn parse(text: &str) -> Self {
        let mut fields = Self::default();
        let text = without_open_end(text);
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = reader.deserialize_map(&mut fields);
        // Whatever follows the object is ignored, unless it may be another object.
        if read.is_ok() && reader.end().is_err() && after_first_value(text).contains('{') {
            fields.contradiction = Some(MORE_THAN_ONE.into());
        }
        fields.problem = read.err().map(|error| error.to_string());
        fields
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let index = NAMES.iter().position(|&known| known == name)?;
        self.values[index].as_ref()
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = NAMES.iter().position(|&known| known == name)?;
        self.values[index].take()
    }

    fn count(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(whole)
    }

    /// Returns the result of an action, if the counts that were read are all there are.
    fn result(&mut self) -> Option<ActionResult> {
        let counts = COUNTS.map(|name| self.count(name));
        let known = counts.iter().flatten().count();
        // A count that follows from two others must not stand in for one that was cut off.
        let needed = if self.problem.is_some() { counts.len() } else { 1 };
        (known >= needed).then(|| self.bare_result())
    }

    fn bare_result(&mut self) -> ActionResult {
        let id = match self.take("id") {
            Some(Value::String(id)) => Some(id),
            other => other.as_ref().and_then(loose_text),
        };
        ActionResult {
            id,
            total: self.count("total_count"),
            failed: self.count("failed_count"),
            succeeded: self.count("succeed_count"),
            error_list: self.get("error_list").map(texts).unwrap_or_default(),
        }
    }

    fn error(&self) -> Option<ServiceError> {
        let own = service_error(&|name| self.get(name));
        let nested = ["error", "errors"].into_iter().filter_map(|name| self.get(name));
        own.or_else(|| nested.filter_map(Value::as_object).find_map(error_in))
    }
}

impl<'de> Visitor<'de> for &mut Fields {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(index) = map.next_key_seed(KnownName)? {
            let Some(index) = index else {
                // Skipped without recursion, so that no depth of nesting hides other fields.
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            match &self.values[index] {
                Some(first) if *first != value && DECIDING.contains(&NAMES[index]) => {
                    self.contradiction = Some(unread::duplicate_field(NAMES[index]));
                }
                Some(_) => {}
                None => self.values[index] = Some(value),
            }
        }
        Ok(())
    }
}

/// Reads the name of a field as its index in `NAMES`.
struct KnownName;

impl<'de> DeserializeSeed<'de> for KnownName {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownName {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(NAMES.iter().position(|&known| known == name))
    }
}

/// Finds an error one level down in an object, under a name that is not known.
fn nested_error(text: &str) -> Option<ServiceError> {
    let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    fields.values().filter_map(Value::as_object).find_map(error_in)
}

pub(crate) fn error_in(fields: &Map<String, Value>) -> Option<ServiceError> {
    service_error(&|name| fields.get(name))
}

/// The names of the message of an error.
const MESSAGE: [&str; 4] = ["error_msg", "errorMsg", "error_message", "message"];

/// Reads an error in any of the shapes seen: the service's six fields, the gateway's three,
/// IAM's nested one, and the spellings the official SDKs accept.
fn service_error<'a>(get: &dyn Fn(&str) -> Option<&'a Value>) -> Option<ServiceError> {
    let first = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| get(name)).filter_map(loose_text);
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    // A text in several languages is an object, and says something, too.
    let any = |names: &[&str]| {
        let values = names.iter().filter_map(|name| get(name));
        values.map(any_text_or_empty).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let error = ServiceError {
        code: first(&["error_code", "errorCode", "code"]),
        message: first(&MESSAGE),
        detail: any(&["detail"]),
        params: get("params").map(texts).unwrap_or_default(),
        reason: any(&["reason", "title"]),
        advice: any(&["advice"]),
        request_id: first(&["request_id"]),
    };
    // A title or a request id alone is not taken for an error.
    let says_something =
        [&error.code, &error.message, &error.detail].into_iter().any(|text| !text.is_empty());
    // Without a code, an object may be a whole error, which is read one level down.
    let message = if error.message.is_empty() { any(&MESSAGE) } else { error.message };
    says_something.then_some(ServiceError { message, ..error })
}

/// Returns the beginning of a body, without secrets, with a word on what it is not.
pub(crate) fn excerpt(what: &str, text: &str, redactor: &Redactor) -> String {
    format!("{what} `{}`", redactor.beginning(text.trim(), unread::MAX_EXCERPT))
}

/// Returns the whole number that a value is, or that its text says.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a float's value if it is whole and exact.
fn integral(number: f64) -> Option<i64> {
    // 2^53: from here on, a float skips whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = number.fract() == 0.0 && number.abs() < EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    whole.then_some(number as i64)
}

/// Reads a list of texts: any other entry is kept as JSON, and a lone value is a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(any_text).collect(),
        Value::Null => Vec::new(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![any_text(other)]
        }
    }
}

fn any_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn any_text_or_empty(value: &Value) -> String {
    if value.is_null() { String::new() } else { any_text(value) }
}

pub(crate) fn loose_text(value: &Value) -> Option<String> {
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

    fn read_text(status: u16, text: &str) -> Body {
        read_body(status, text.as_bytes(), None, &Redactor::default())
    }

    fn result(text: &str) -> ActionResult {
        match read_text(200, text) {
            Body::Result(result) => result,
            other @ (Body::Error(_) | Body::Unreadable(_) | Body::Judged(_)) => {
                panic!("{text}: {other:?}")
            }
        }
    }

    fn error(text: &str) -> ServiceError {
        match read_text(400, text) {
            Body::Error(error) => error,
            other @ (Body::Result(_) | Body::Unreadable(_) | Body::Judged(_)) => {
                panic!("{text}: {other:?}")
            }
        }
    }

    fn check_unreadable(status: u16, text: &str, expected: &str) {
        let Body::Unreadable(seen) = read_text(status, text) else { panic!("{text} was read") };
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
    fn a_port_for_tls_is_known_by_its_words() {
        let nginx = "<center>The plain HTTP request was sent to HTTPS port</center>";
        assert!(wants_tls(400, nginx.as_bytes()));
        assert!(wants_tls(400, b"Client sent an HTTP request to an HTTPS server.\n"));
        let apache = "You're speaking plain HTTP to an SSL-enabled server port.<br />";
        assert!(wants_tls(400, apache.as_bytes()));
        assert!(!wants_tls(500, nginx.as_bytes()) && !wants_tls(200, nginx.as_bytes()));
        let quoted = format!(r#"{{"error_code":"x","error_msg":"{nginx}"}}"#);
        assert!(!wants_tls(400, quoted.as_bytes()));
        assert!(!wants_tls(400, b"<html>Bad Request</html>"));
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
        assert_eq!((service.detail.as_str(), service.params), ("d", vec!["p".to_owned()]));
        let gateway = error(r#"{"error_msg":"m","error_code":"APIGW.0308","request_id":"q"}"#);
        assert_eq!((gateway.code.as_str(), gateway.request_id.as_str()), ("APIGW.0308", "q"));
        let iam = error(r#"{"error":{"code":401,"message":"wrong","title":"Unauthorized"}}"#);
        assert_eq!((iam.code.as_str(), iam.message.as_str()), ("401", "wrong"));
        assert_eq!(error(r#"{"errorCode":"c","errorMsg":"m"}"#).code, "c");
        assert_eq!(error(r#"{"error_message":"m"}"#).message, "m");
        let spoken = error(
            r#"{"error_code":"c","error_msg":{"en":"m"},"detail":["d"],"reason":{"en":"r"},
                "advice":["a","b"]}"#,
        );
        assert_eq!((spoken.code.as_str(), spoken.message.as_str()), ("c", r#"{"en":"m"}"#));
        assert_eq!((spoken.detail.as_str(), spoken.reason.as_str()), (r#"["d"]"#, r#"{"en":"r"}"#));
        assert_eq!(spoken.advice, r#"["a","b"]"#);
        let wrapped = error(r#"{"message":{"error_code":"c","error_msg":"m"}}"#);
        assert_eq!((wrapped.code.as_str(), wrapped.message.as_str()), ("c", "m"));
    }

    #[test]
    fn what_is_not_understood_is_told_in_part() {
        check_unreadable(200, "", "without a body");
        check_unreadable(200, "<html><body>Bad gateway</body></html>", "no JSON object is `<html>");
        check_unreadable(400, &"{\"a\":".repeat(100_000), "EOF");
        check_unreadable(200, "[3, 0, 3]", "no JSON object is `[3, 0, 3]`");
        check_unreadable(200, "{\"total_count\":", "no JSON is `{");
        check_unreadable(400, "null", "no JSON object is `null`");
        check_unreadable(400, "{}", "no error is in `{}`");
        check_unreadable(200, &"{\"a\":".repeat(100_000), "no JSON is");
        check_unreadable(400, &format!("{{\"error\":{}", "[".repeat(100_000)), "recursion limit");
        check_unreadable(400, &"é".repeat(100), "…`");
    }

    #[test]
    fn params_that_are_no_texts_are_kept_as_json() {
        let check = |params: &str, expected: &[&str]| {
            assert_eq!(
                error(&format!(r#"{{"error_code":"c","params":{params}}}"#)).params,
                expected
            );
        };
        check("null", &[]);
        check("[]", &[]);
        check(r#"["a","b"]"#, &["a", "b"]);
        check(r#"[1,{"a":[]},null]"#, &["1", r#"{"a":[]}"#, "null"]);
        check(r#"{"a":"b"}"#, &[r#"{"a":"b"}"#]);
        check(r#""one""#, &["one"]);
    }

    /// A result of 3 sub-tasks that all succeeded, with this text in its list of errors.
    fn result_with(text: &[u8]) -> Vec<u8> {
        let before = br#"{"error_list":[""#;
        let after = br#""],"total_count":3,"failed_count":0,"succeed_count":3,"id":"abcd"}"#;
        [before.as_slice(), text, after].concat()
    }

    fn check_result(bytes: &[u8], broken_off: Option<&str>) {
        let body = read_body(200, bytes, broken_off, &Redactor::default());
        let Body::Result(result) = body else { panic!("{bytes:x?}: {body:?}") };
        let counts = (result.total, result.failed, result.succeeded);
        assert_eq!(counts, (Some(3), Some(0), Some(3)), "{bytes:x?}");
    }

    #[test]
    fn counts_are_read_whatever_the_texts_beside_them_are_made_of() {
        let texts: [&[u8]; 9] = [
            b"\xe4\xbd",
            b"caf\xe9",
            b"\xd5\\",
            b"line\nbreak\x01\x7f",
            br"\ud83d",
            br"\ude00\ud83d",
            br"\x41\'",
            b"\xff\xfe\x00",
            "\u{feff}".as_bytes(),
        ];
        for text in texts {
            check_result(&result_with(text), None);
            let body = [br#"{"error_msg":""#, text, br#"","error_code":"VIAS.00010012"}"#].concat();
            let body = read_body(500, &body, None, &Redactor::default());
            let Body::Error(error) = body else { panic!("{text:x?}: {body:?}") };
            assert_eq!(error.code, "VIAS.00010012", "{text:x?}");
        }
        let plain = String::from_utf8(result_with(b"")).unwrap();
        let units = |swap: bool| {
            plain
                .encode_utf16()
                .flat_map(move |unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() })
        };
        check_result(&[vec![0xff, 0xfe], units(false).collect()].concat(), None);
        check_result(&[vec![0xfe, 0xff], units(true).collect()].concat(), None);
        check_result(&units(false).collect::<Vec<_>>(), None);
        check_result(format!("\u{feff}{plain}").as_bytes(), None);
        check_result(format!("{plain}\0\n-- end").as_bytes(), None);
    }

    #[test]
    fn an_answer_that_was_cut_is_used_as_far_as_it_says_everything() {
        let cut = Some("the answer broke off");
        let whole = br#"{"total_count":3,"failed_count":0,"succeed_count":3,"error_list":["a"#;
        check_result(whole, cut);
        check_result(whole, None);
        for text in [
            r#"{"total_count":3,"failed_count":0,"succeed_count":3"#,
            r#"{"total_count":3,"failed_count":0,"#,
            r#"{"total_count":3"#,
        ] {
            let body = read_body(200, text.as_bytes(), cut, &Redactor::default());
            assert_eq!(body, Body::Unreadable("the answer broke off".into()), "{text}");
        }
        let error = br#"{"error_code":"VIAS.00010012","error_msg":"This opera"#;
        let body = read_body(500, error, cut, &Redactor::default());
        assert!(matches!(body, Body::Error(error) if error.code == "VIAS.00010012"));
    }

    #[test]
    fn two_objects_leave_open_which_of_them_counts() {
        let one = r#"{"total_count":1,"failed_count":0,"succeed_count":1}"#;
        let body = read_text(200, &format!("{one}\n{one}"));
        assert!(matches!(body, Body::Unreadable(_)), "{body:?}");
    }

    #[test]
    fn an_error_inside_a_200_is_an_error() {
        let text = r#"{"error_code":"VIAS.00010001","error_msg":"m"}"#;
        assert!(matches!(read_text(200, text), Body::Error(_)));
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange_to_read(status in 200_u16..600, text in ".{0,200}") {
            let _ = read_text(status, &text);
        }

        #[test]
        fn no_bytes_are_too_strange_to_read(bytes in any::<Vec<u8>>(), status in 200_u16..600) {
            let _ = read_body(status, &bytes, None, &Redactor::default());
        }

        #[test]
        fn any_bytes_in_a_text_leave_the_counts_readable(text in any::<Vec<u8>>()) {
            // A quote would end the text; a lead byte before it takes it for its second one.
            let text: Vec<u8> = text.into_iter().filter(|&byte| byte != b'"' && byte != b'\\').collect();
            check_result(&result_with(&text), None);
        }

        #[test]
        fn no_json_is_too_strange_to_read(status in 200_u16..600, numbers in any::<[f64; 3]>()) {
            let fields = ["total_count", "failed_count", "id"];
            let pairs: Vec<String> =
                fields.iter().zip(numbers).map(|(name, n)| format!("\"{name}\":{n}")).collect();
            let _ = read_text(status, &format!("{{{}}}", pairs.join(",")));
        }
    }
}
