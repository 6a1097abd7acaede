//! Signs a message, as the custom robots of `DingTalk` and Feishu ask for it: a timestamp and an
//! HMAC-SHA256 in base64. `DingTalk` has both in the address, Feishu in the body.
//!
//! Pure. `DingTalk` signs `timestamp + "\n" + secret` with the secret as the key; for Feishu that text is
//! the key, and nothing is signed.

use crate::cli::flags::notify::NotifyShape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use batchctl::clock::Timestamp;
use ring::hmac;
use serde_json::Value;
use url::Url;

/// Returns whether messages of a shape can be signed.
pub(crate) const fn is_signed(shape: NotifyShape) -> bool {
    matches!(shape, NotifyShape::Dingtalk | NotifyShape::Feishu)
}

/// Adds the signature to the address or to the body.
pub(crate) fn sign(
    shape: NotifyShape,
    secret: &str,
    now: Timestamp,
    (url, body): (&mut Url, &mut Value),
) {
    let micros = now.as_micros();
    match shape {
        NotifyShape::Dingtalk => {
            let millis = (micros / 1_000).to_string();
            let sign = mac(secret, &format!("{millis}\n{secret}"));
            url.query_pairs_mut().append_pair("timestamp", &millis).append_pair("sign", &sign);
        }
        NotifyShape::Feishu => {
            let seconds = (micros / 1_000_000).to_string();
            let sign = mac(&format!("{seconds}\n{secret}"), "");
            body["timestamp"] = seconds.into();
            body["sign"] = sign.into();
        }
        NotifyShape::Slack | NotifyShape::Teams | NotifyShape::Wecom | NotifyShape::Json => {}
    }
}

fn mac(key: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_micros(1_720_180_800_123_456);

    fn signed(shape: NotifyShape) -> (String, Value) {
        let (mut url, mut body) = ("https://h/x?a=1".parse().unwrap(), json!({}));
        sign(shape, "SECabc", NOW, (&mut url, &mut body));
        (url.to_string(), body)
    }

    #[test]
    fn each_robot_gets_its_signature_where_it_looks_for_it() {
        let (url, body) = signed(NotifyShape::Dingtalk);
        assert_eq!(
            url,
            "https://h/x?a=1&timestamp=1720180800123&sign=eEi97Gv7WWxkUhNhxdxkl6syiwLwo4Xez1WmuOL4lmo%3D"
        );
        assert_eq!(body, json!({}));
        let (url, body) = signed(NotifyShape::Feishu);
        assert_eq!(url, "https://h/x?a=1");
        assert_eq!(
            body,
            json!({ "timestamp": "1720180800", "sign": "btxP9ffc/cYD3SkmSPTw1egVKxVSQUovEfdYTyrxCvc=" })
        );
        assert_eq!(signed(NotifyShape::Slack).1, json!({}));
    }
}
