//! Pages of lists of VIAS: no more entries than were asked for, and every id is one.

#![no_main]

mod common;

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../src/api/list.rs"]
mod list;
#[path = "common/redactor.rs"]
mod redactor;
#[path = "common/text.rs"]
mod text;
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../src/api/wire.rs"]
mod wire;

/// What `list` imports of its neighbours.
mod listing {
    pub(crate) use batchctl::api::{Listing, PAGE_SIZE};
}
mod skew {
    pub(crate) use batchctl::api::ClockSkew;
}

use batchctl::{policy, task};
use libfuzzer_sys::fuzz_target;
use listing::Listing;
use redactor::Redactor;
use text::json as json_text;

fuzz_target!(|data: &[u8]| {
    let (choice, bytes) = common::choice(data);
    let listing = match choice % 3 {
        0 => Listing::default(),
        1 => Listing::SubTasks { batch_task: None, expected: None },
        _ => Listing::SubTask("gate-1".parse().expect("an id")),
    };
    let redactor = Redactor::default();
    match list::read_page(bytes, &listing, &redactor) {
        Ok(page) => {
            assert!(page.size() <= listing.page_size() as u64, "{}", page.size());
            for task in &page.tasks {
                assert!(!task.id.is_empty(), "{task:?}");
                let _ = (task.observed_state(), task.state_word());
            }
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
});
