//! The body of a message in the shape of each service, and what its answer says.
//!
//! Pure. Every shape shows texts of the service as they are: no mention, no link and no markup of
//! theirs has an effect.

use crate::cli::flags::notify::NotifyShape;
use crate::cli::run::notify::message::Message;
use serde_json::{Value, json};

/// The most bytes of a text message there
/// (<https://developer.work.weixin.qq.com/document/path/91770>).
const MOST_OF_WECOM: usize = 2_048;

/// Returns the body of a message.
pub(crate) fn body(shape: NotifyShape, message: &Message) -> Value {
    match shape {
        NotifyShape::Slack => json!({ "text": slack_text(&message.text()), "mrkdwn": false }),
        NotifyShape::Teams => teams(message),
        NotifyShape::Dingtalk => json!({
            "msgtype": "text",
            "text": { "content": message.text() },
            "at": { "isAtAll": false },
        }),
        NotifyShape::Wecom => {
            // `<@userid>` mentions somebody in a plain text, too.
            let text = message.text().replace("<@", "< @");
            json!({ "msgtype": "text", "text": { "content": beginning(&text, MOST_OF_WECOM) } })
        }
        NotifyShape::Feishu => feishu(message),
        NotifyShape::Json => message.json.clone(),
    }
}

/// Returns the beginning of a text, cut between characters.
fn beginning(text: &str, most: usize) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    &text[..ends.take_while(|end| *end <= most).last().unwrap_or(0)]
}

/// Escapes a text as Slack wants it, so that it mentions nobody
/// (<https://docs.slack.dev/messaging/formatting-message-text>).
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An Adaptive Card, as a workflow of Teams posts it. Text runs know no markup, text blocks do.
fn teams(message: &Message) -> Value {
    let run = |text: &str, weight: &str| {
        let inline = json!({ "type": "TextRun", "text": text, "weight": weight });
        json!({ "type": "RichTextBlock", "inlines": [inline] })
    };
    let first = run(&message.headline, "Bolder");
    let rest = message.lines.iter().map(|line| run(line, "Default"));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": std::iter::once(first).chain(rest).collect::<Vec<_>>(),
    });
    let kind = "application/vnd.microsoft.card.adaptive";
    let attachment = json!({ "contentType": kind, "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

/// A post: its text elements know no mention, a plain text message does.
fn feishu(message: &Message) -> Value {
    let line = |text: &String| json!([{ "tag": "text", "text": text }]);
    let content: Vec<Value> = message.lines.iter().map(line).collect();
    let post = json!({ "en_us": { "title": message.headline, "content": content } });
    json!({ "msg_type": "post", "content": { "post": post } })
}

/// What an answer with a status of success says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// Not taken, with the code of the service.
    Refused(i64),
    /// The answer is not one of the service.
    Strange,
}

/// Reads an answer: some services refuse a message with status 200 and a code.
pub(crate) fn verdict(shape: NotifyShape, body: &[u8]) -> Verdict {
    let keys: &[&str] = match shape {
        NotifyShape::Slack | NotifyShape::Teams | NotifyShape::Json => return Verdict::Taken,
        NotifyShape::Dingtalk | NotifyShape::Wecom => &["errcode"],
        NotifyShape::Feishu => &["code", "StatusCode"],
    };
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match keys.iter().find_map(|key| answer.get(key)?.as_i64()) {
        Some(0) => Verdict::Taken,
        Some(code) => Verdict::Refused(code),
        None => Verdict::Strange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        let lines = vec!["run 1".into(), line.into()];
        Message { headline: "batchctl stop".into(), lines, json: json!({ "source": "batchctl" }) }
    }

    #[test]
    fn a_text_of_the_service_mentions_nobody() {
        let message =
            message("F1: <!channel> <@all> <at user_id=\"all\"> @all [x](http://y) & more");
        let slack = body(NotifyShape::Slack, &message)["text"].to_string();
        assert!(slack.contains("&lt;!channel&gt;") && slack.contains("&amp; more"), "{slack}");
        let feishu = body(NotifyShape::Feishu, &message);
        assert_eq!(feishu["content"]["post"]["en_us"]["content"][1][0]["tag"], "text");
        let teams = body(NotifyShape::Teams, &message);
        let blocks = teams["attachments"][0]["content"]["body"].as_array().unwrap();
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"));
        let wecom = body(NotifyShape::Wecom, &message)["text"]["content"].to_string();
        assert!(wecom.contains("< @all>") && !wecom.contains("<@"), "{wecom}");
        assert_eq!(body(NotifyShape::Dingtalk, &message)["at"], json!({ "isAtAll": false }));
    }

    #[test]
    fn a_text_for_wecom_is_cut_between_characters() {
        let content = body(NotifyShape::Wecom, &message(&"摄".repeat(2_000)));
        let content = content["text"]["content"].as_str().unwrap();
        assert!((2_040..=MOST_OF_WECOM).contains(&content.len()), "{}", content.len());
    }

    #[test]
    fn a_code_in_the_answer_decides_where_the_service_has_one() {
        let check = |shape, body: &str, expected| {
            assert_eq!(verdict(shape, body.as_bytes()), expected, "{shape:?} {body}");
        };
        check(NotifyShape::Slack, "ok", Verdict::Taken);
        check(NotifyShape::Teams, "", Verdict::Taken);
        check(NotifyShape::Json, "{\"errcode\":1}", Verdict::Taken);
        check(NotifyShape::Dingtalk, r#"{"errcode":0,"errmsg":"ok"}"#, Verdict::Taken);
        check(NotifyShape::Dingtalk, r#"{"errcode":310000}"#, Verdict::Refused(310_000));
        check(NotifyShape::Wecom, r#"{"errcode":93000}"#, Verdict::Refused(93_000));
        check(NotifyShape::Feishu, r#"{"code":19001}"#, Verdict::Refused(19_001));
        check(NotifyShape::Feishu, r#"{"StatusCode":0}"#, Verdict::Taken);
        check(NotifyShape::Feishu, "<html>", Verdict::Strange);
    }
}
