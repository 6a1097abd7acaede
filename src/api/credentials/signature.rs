//! SDK-HMAC-SHA256, the signature that takes the place of a token.
//!
//! Pure: the request and the time are arguments. The algorithm and its test vectors are those of
//! the public signing guide and of the official SDKs.

use ring::{digest, hmac};
use std::fmt::Write;

/// The name of the algorithm, as it stands in the header.
const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// The parts of a request that are signed.
pub(super) struct Signable<'a> {
    /// The method, in capitals.
    pub(super) method: &'a str,
    /// The path it goes to.
    pub(super) path: &'a str,
    /// The query, in any spelling.
    pub(super) query: &'a str,
    /// The headers that are signed, by their names in lower case and in order of these.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub(super) body: &'a [u8],
    /// The value of `X-Sdk-Date`.
    pub(super) date: &'a str,
}

impl Signable<'_> {
    /// Returns the signature in hexadecimal.
    pub(super) fn signature(&self, secret_key: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret_key);
        hex(hmac::sign(&key, self.string_to_sign().as_bytes()).as_ref())
    }

    /// Returns the value of the `Authorization` header with that signature.
    pub(super) fn authorization(&self, access_key: &str, signature: &str) -> String {
        let signed = self.signed_headers();
        format!("{ALGORITHM} Access={access_key}, SignedHeaders={signed}, Signature={signature}")
    }

    fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}\n{}", self.date, sha256(self.canonical().as_bytes()))
    }

    /// Returns the request in the one form that both sides compute their signature from.
    fn canonical(&self) -> String {
        // Each header ends with a line break, so the join below leaves the blank line that the
        // signing guide has.
        let mut headers = String::new();
        for (name, value) in self.headers {
            let _ = writeln!(headers, "{name}:{}", value.trim());
        }
        [
            self.method,
            &canonical_path(self.path),
            &canonical_query(self.query),
            &headers,
            &self.signed_headers(),
            &sha256(self.body),
        ]
        .join("\n")
    }

    fn signed_headers(&self) -> String {
        self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }
}

/// Returns the path with each segment encoded anew, and a slash at its end that is never sent.
fn canonical_path(path: &str) -> String {
    // Decoding first keeps an escape in the path from being encoded twice.
    let segments: Vec<String> = path.split('/').map(|segment| encoded(&decoded(segment))).collect();
    let path = segments.join("/");
    if path.ends_with('/') { path } else { path + "/" }
}

/// Returns the query in the order of its decoded names and values.
pub(super) fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    // Sorted before encoding: escapes would sort differently from the characters they stand for.
    pairs.sort();
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name.as_bytes()), encoded(value.as_bytes())));
    pairs.collect::<Vec<_>>().join("&")
}

fn decoded(segment: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(segment).collect()
}

/// Encodes every byte but those that RFC 3986 calls unreserved.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                // Capital digits, as RFC 3986, section 2.1, recommends.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const START: &str = "https://vias.cn-north-4.myhuaweicloud.com/v2/0123456789abcdef0123456789abcdef/batch-tasks/0d47bbf52962414bb7ae27fb6ea24230/action/start";
    const SECRET: &[u8] = b"ExampleSecretKey0000000000000000000000001";
    const HOST: (&str, &str) = ("host", "vias.cn-north-4.myhuaweicloud.com");
    const DATE: (&str, &str) = ("x-sdk-date", "20240705T120000Z");

    fn signing<T>(
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        look: impl FnOnce(&Signable<'_>) -> T,
    ) -> T {
        let url: url::Url = url.parse().unwrap();
        let (path, query) = (url.path(), url.query().unwrap_or_default());
        let date = headers.iter().find(|(name, _)| *name == "x-sdk-date").unwrap().1;
        look(&Signable { method, path, query, headers, body: b"", date })
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], canonical: &str, signature: &str) {
        signing("PUT", START, headers, |request| {
            assert_eq!(sha256(request.canonical().as_bytes()), canonical);
            assert_eq!(request.signature(SECRET), signature);
        });
    }

    #[test]
    fn the_vector_with_the_least_headers_is_met() {
        check(
            &[HOST, DATE],
            "ee5754950b77633f413f4b858fdd445b3d50dcea6b4aa52fabda8fbd3fabe6ef",
            "4af358a217721ffccec6f0b72b2a1bcdc54e3f4e02e47751e3b54e3c4fdbd405",
        );
    }

    #[test]
    fn the_vector_with_the_project_is_met() {
        let headers = [("content-type", "application/json"), HOST, ("x-project-id", PROJECT), DATE];
        check(
            &headers,
            "22fc04600cb0053c61f040cc31c50f2bae6f9e4a93dd6e7d9d1274c8be386b43",
            "68d6630de7a5b01c909b5311f093a299d9a5e7a4fa16aac94229c5e81983a64e",
        );
        let authorization = signing("PUT", START, &headers, |request| {
            request.authorization("EXAMPLEAK00000000001", &request.signature(SECRET))
        });
        assert_eq!(
            authorization,
            "SDK-HMAC-SHA256 Access=EXAMPLEAK00000000001, \
             SignedHeaders=content-type;host;x-project-id;x-sdk-date, \
             Signature=68d6630de7a5b01c909b5311f093a299d9a5e7a4fa16aac94229c5e81983a64e"
        );
    }

    #[test]
    fn the_published_example_is_met() {
        let url = "https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs\
                   ?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0";
        let headers = [
            ("content-type", "application/json"),
            ("host", "service.region.example.com"),
            ("x-sdk-date", "20191115T033655Z"),
        ];
        signing("GET", url, &headers, |request| {
            assert_eq!(
                sha256(request.canonical().as_bytes()),
                "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
            );
            assert_eq!(
                request.signature(b"MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"),
                "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
            );
        });
    }

    #[test]
    fn the_canonical_request_is_the_published_one() {
        let canonical =
            signing("PUT", START, &[HOST, DATE], |request| format!("{}\n", request.canonical()));
        insta::assert_snapshot!(canonical, @"
        PUT
        /v2/0123456789abcdef0123456789abcdef/batch-tasks/0d47bbf52962414bb7ae27fb6ea24230/action/start/

        host:vias.cn-north-4.myhuaweicloud.com
        x-sdk-date:20240705T120000Z

        host;x-sdk-date
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        ");
    }

    #[test]
    fn a_query_is_sorted_by_what_it_says_and_encoded_strictly() {
        let query = canonical_query;
        assert_eq!(query("b=2&a=1"), "a=1&b=2");
        assert_eq!(query("a=b%20c&a=B&name=x/y"), "a=B&a=b%20c&name=x%2Fy");
        assert_eq!(query("a&~=*"), "a=&~=%2A");
        assert_eq!(query(""), "");
    }

    #[test]
    fn a_path_is_encoded_once_and_ends_with_a_slash() {
        assert_eq!(canonical_path("/v2/a%20b"), "/v2/a%20b/");
        assert_eq!(canonical_path("/v2/a+b:c/"), "/v2/a%2Bb%3Ac/");
        assert_eq!(canonical_path("/"), "/");
    }
}
