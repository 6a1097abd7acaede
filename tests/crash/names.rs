//! Name servers that never answer: what is said of them, and that nothing waits for them.
//!
//! A library of a few lines looks names up in the place of the system, see `silent_names.c`.

use crate::power::build_library;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use rustix::process::Signal;
use std::thread;
use std::time::Duration;

#[test]
fn a_silent_name_server_is_named_and_keeps_no_second_signal_waiting() {
    let mut rehearsal = Rehearsal::answering_in(5..=10);
    let folder = tempfile::tempdir().unwrap();
    let library = build_library(folder.path(), "silent_names");
    rehearsal.scene.set("LD_PRELOAD", library.to_str().unwrap());
    let input = rehearsal.input(&plain_ids(3));
    let service = ["--endpoint", "http://vias.example", "--insecure-http", "--project-id", "p"];
    let start = ["start", input.to_str().unwrap(), "--yes", "-vv", "--connect-timeout", "1s"];
    let mut process = rehearsal.scene.start(&[&start[..], &service].concat());
    process.wait_until_it_says("dns \"dns error: no name server answered within 900ms");
    process.signal(Signal::INT);
    thread::sleep(Duration::from_millis(100));
    process.signal(Signal::INT);
    let mut waited = Duration::ZERO;
    while !process.has_ended() && waited < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(50));
        waited += Duration::from_millis(50);
    }
    assert!(process.has_ended(), "it waits for the name server");
    assert_eq!(process.ended().code, Some(130));
    assert_eq!(rehearsal.service.requests(), 0);
}
