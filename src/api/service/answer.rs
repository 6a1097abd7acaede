//! An answer as the engine takes it: judged by the rules of its service.

use crate::api::body::MAX_ENTRIES;
use crate::api::credentials::MAX_TEXT;
use crate::api::service::hints::{asked_wait, quota_hint};
use crate::policy::{Answer, Body, Judgement, Response};
use crate::service::{Action, SeenAnswer, Service, judge};
use crate::text::unread::shortened;
use std::time::SystemTime;

/// Judges the answer to an action, for `classify` to decide about.
pub fn judged_answer(
    service: &Service,
    action: &Action,
    seen: &SeenAnswer,
    now: SystemTime,
) -> Answer {
    answer_of(judge(service, action, seen, now), seen, now)
}

/// Returns a judgement as the answer that the engine takes.
pub(super) fn answer_of(judgement: Judgement, seen: &SeenAnswer, now: SystemTime) -> Answer {
    let judgement = trimmed(judgement);
    let retry_after = asked_wait(seen, now);
    let error = Some(&judgement.error).filter(|_| judgement.has_own_error);
    Answer::Response(Response {
        status: seen.status,
        request_id: judgement.request_id.clone(),
        retry_after,
        rate_hint: quota_hint(seen, retry_after, error.map(|error| error.message.as_str())),
        body: Body::Judged(Box::new(judgement)),
    })
}

/// Cuts the texts of a judgement to what is worth keeping; secrets were taken out before.
fn trimmed(mut judgement: Judgement) -> Judgement {
    let kept = |text: &mut String| *text = shortened(std::mem::take(text), MAX_TEXT);
    let Judgement { error, result, distrust, request_id, .. } = &mut judgement;
    let texts = [
        &mut error.code,
        &mut error.message,
        &mut error.detail,
        &mut error.reason,
        &mut error.advice,
    ];
    texts.into_iter().for_each(kept);
    for list in [&mut error.params, &mut result.error_list] {
        list.truncate(MAX_ENTRIES);
        list.iter_mut().for_each(kept);
    }
    [&mut result.id, distrust, request_id].into_iter().flatten().for_each(kept);
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceFile;
    use std::time::{Duration, UNIX_EPOCH};

    const LAMPS: &str = "format = 1
endpoint = 'https://lamps.example.com'
auth = 'none'
answer = [{ status = 429, means = 'throttled' }, { status = '300..499', means = 'refused' }]
error = { code = '/code', message = '/message', list = '/list', params = '/params' }
[action.on]
method = 'PUT'
path = '/lamps/{id}/on'
";

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let service = ServiceFile::read(LAMPS).unwrap().service;
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let seen = SeenAnswer::new(status, headers.collect(), body.as_bytes());
        match judged_answer(&service, &service.actions[0], &seen, UNIX_EPOCH) {
            Answer::Response(response) => response,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_service_says_of_its_quota_counts_whoever_it_is() {
        let limit = |response: &Response| {
            response.rate_hint.as_ref().and_then(|hint| Some(hint.quota?.limit))
        };
        let policy = ("ratelimit-policy", "\"user\";q=100;w=60");
        assert_eq!(limit(&response(200, &[policy], "{}")), Some(100));
        let message = r#"{"message":"policy user over ratelimit,limit:5,time:1 second"}"#;
        assert_eq!(limit(&response(429, &[], message)), Some(5));
        assert_eq!(limit(&response(429, &[policy], message)), Some(100));
        // A wait is asked for explicitly.
        assert_eq!(limit(&response(429, &[policy, ("retry-after", "7")], "{}")), None);
        // A page is no error of the service.
        assert_eq!(limit(&response(429, &[], "limit:5,time:1 second")), None);
        let twice = [("retry-after", "7"), ("retry-after", "9"), ("retry-after", "soon")];
        assert_eq!(response(429, &twice, "{}").retry_after, Some(Duration::from_secs(9)));
    }

    #[test]
    fn texts_are_kept_as_long_as_those_of_vias() {
        let long = "ä".repeat(100_000);
        let params = ["1"; 101].join(",");
        let texts = format!(r#""code":"{long}","message":"{long}","list":["{long}"]"#);
        let body = format!(r#"{{{texts},"params":[{params}]}}"#);
        let Body::Judged(judgement) = response(404, &[], &body).body else {
            panic!("it is judged")
        };
        let kept = format!("{}…", "ä".repeat(500));
        assert_eq!((&judgement.error.code, &judgement.error.message), (&kept, &kept));
        assert_eq!(judgement.result.error_list, [kept]);
        assert_eq!(judgement.error.params.len(), 100);
    }
}
