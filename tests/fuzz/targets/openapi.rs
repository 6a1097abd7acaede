//! `OpenAPI` documents: a draft of any of their operations is right once it is filled in.

#![no_main]

mod common;

use batchctl::service::{from_openapi, read_document};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Finds the names of operations, wherever they stand.
fn operations(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let id = fields.get("operationId").and_then(Value::as_str);
            found.extend(id.map(str::to_owned));
            fields.values().for_each(|field| operations(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| operations(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fuzz_target!(|text: &str| {
    let Ok(document) = read_document(text) else { return };
    let mut found = Vec::new();
    operations(&document, &mut found);
    found.truncate(3);
    // One alone, and all together.
    let alone = found.iter().map(std::slice::from_ref);
    let together = (found.len() != 1).then_some(&found[..]);
    for operations in alone.chain(together) {
        if let Ok(draft) = from_openapi(&document, operations) {
            common::check_draft(&draft);
        }
    }
});
