//! Curl commands: a draft holds no secret, and is right once its meanings are filled in.

#![no_main]

mod common;

use batchctl::service::from_curl;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "S3cr3tT0kenValue";

fuzz_target!(|text: &str| {
    let _ = from_curl(text, "42");
    let line = format!("curl -H 'Authorization: Bearer {SECRET}' {text}");
    let drafted = from_curl(&line, "42");
    if !text.contains(SECRET) {
        assert!(!format!("{drafted:?}").contains(SECRET), "{drafted:?}");
    }
    if let Ok(draft) = drafted {
        common::check_draft(&draft);
    }
});
