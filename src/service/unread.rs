//! Says what is wrong with an answer that has no error of its own, in the words of VIAS's answers.

use crate::policy::ServiceError;
use crate::service::answer::{SeenAnswer, SeenBody};
use crate::text::unread::{NO_ERROR, NO_OBJECT, no_json, quoted, without_body};

/// Returns what is said in the place of an error; nothing of a 2xx answer with an object.
pub(super) fn in_place_of_error(answer: &SeenAnswer) -> ServiceError {
    let status = answer.status;
    if answer.is_redirect() {
        return ServiceError::redirected(status, answer.header("Location"));
    }
    let message = match &answer.body {
        SeenBody::Empty => without_body(status),
        SeenBody::Unusable(why) => why.clone(),
        SeenBody::Text(text) => no_json(text),
        SeenBody::Json(json) if !json.value.is_object() => quoted(NO_OBJECT, &json.text),
        SeenBody::Json(_) if (200..300).contains(&status) => String::new(),
        SeenBody::Json(json) => quoted(NO_ERROR, &json.text),
    };
    ServiceError { message, ..ServiceError::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], body: &[u8], expected: &str) {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into()));
        let answer = SeenAnswer::new(status, headers.collect(), body);
        assert_eq!(in_place_of_error(&answer).message, expected, "{status}");
    }

    #[test]
    fn an_answer_without_an_error_is_told_by_its_body() {
        check(204, &[], b" ", "status 204 came without a body");
        check(500, &[], b"oops", "no JSON object is `oops`");
        check(200, &[], b"[1]", "no JSON object is `[1]`");
        check(200, &[], b"{}", "");
        check(400, &[], b"{\"a\": 1}", "no error is in `{\"a\": 1}`");
        check(400, &[], b"{\"a\":1}{}", "no JSON is `{\"a\":1}{}` (more than one object)");
        let why = "no JSON is `{\"a\":` (EOF while parsing a value at line 1 column 5)";
        check(400, &[], b"{\"a\":", why);
        check(400, &[], "é".repeat(81).as_bytes(), &{
            format!("no JSON object is `{}…`", "é".repeat(80))
        });
        check(400, &[], b"\xff\xfd", "no JSON object is `\u{fffd}\u{fffd}`");
        let packed = "the answer is compressed with `gzip`, which was not asked for, and cannot be \
                      read";
        check(200, &[("Content-Encoding", "gzip")], b"\x1f\x8b\x08", packed);
        check(200, &[("Content-Encoding", "utf-8")], b"ok", "no JSON object is `ok`");
        let moved = "status 302 redirects to `/new`; redirects are refused, for they would carry \
                     the token to another host";
        check(302, &[("location", "/new")], b"<html>", moved);
    }
}
