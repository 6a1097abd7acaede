//! Answers of other services: the judge is pure, and believes no body that it cannot read.

#![no_main]

mod common;

use batchctl::api::judged_answer;
use batchctl::policy::classify;
use batchctl::service::{SeenAnswer, SeenBody, Service, ServiceFile, first_match, judge};
use batchctl::task::TaskId;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::time::SystemTime;

fn services() -> &'static [Service] {
    static SERVICES: OnceLock<Vec<Service>> = OnceLock::new();
    let texts = [
        include_str!("../../../examples/services/vias.toml"),
        include_str!("../../../examples/services/keystone-users.toml"),
        include_str!("../../../examples/services/nova-servers.toml"),
        include_str!("../../../examples/services/generic-rest.toml"),
    ];
    SERVICES.get_or_init(|| {
        texts.map(|text| ServiceFile::read(text).expect("an example is right").service).into()
    })
}

fuzz_target!(|data: &[u8]| {
    let (which, rest) = common::choice(data);
    let (status, rest) = common::choice(rest);
    let service = &services()[which % 4];
    let status = 100 + (status as u16) * 2 + (which as u16 >> 7);
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let wait = String::from_utf8_lossy(&rest[..end]).into_owned();
    let headers = vec![("Retry-After".to_owned(), wait)];
    let answer = SeenAnswer::new(status, headers, &rest[end..]);
    let id: TaskId = "gate-1".parse().expect("an id");
    let now = SystemTime::UNIX_EPOCH;
    for action in &service.actions {
        let judged = judge(service, action, &answer, now);
        assert_eq!(judged, judge(service, action, &answer, now));
        let rule = first_match(service, service.rules_of(action), &answer);
        assert_eq!(judged.meaning, rule.map(|rule| rule.means));
        if matches!(answer.body, SeenBody::Unusable(_)) {
            assert!(!judged.meaning.is_some_and(|meaning| meaning.is_good()), "{answer:?}");
        }
        let taken = judged_answer(service, action, &answer, now);
        assert_eq!(classify(&id, &taken), classify(&id, &taken));
    }
});
