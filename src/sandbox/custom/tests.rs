//! The rules of the shipped files have answers that they take themselves.

use crate::sandbox::custom::made_answer::{Asking, answer_of};
use crate::service::{Rule, ServiceFile, VIAS};
use std::time::Duration;

/// Returns the meanings of rules that no answer can be made for.
fn unanswered(text: &str) -> Vec<&'static str> {
    let service = ServiceFile::read(text).unwrap().service;
    let of_actions = service.actions.iter().map(|action| service.rules_of(action).collect());
    let of_states = service.state.iter().map(|state| state.rules.iter().collect());
    let mut missing = Vec::new();
    for retry_after in [None, Some(Duration::from_secs(7))] {
        for rules in of_actions.clone().chain(of_states.clone()) {
            let rules: Vec<&Rule> = rules;
            let has_none =
                |rule: &&&Rule| answer_of(&service, &rules, rule, Asking { retry_after }).is_none();
            missing.extend(rules.iter().filter(has_none).map(|rule| rule.means.as_str()));
        }
    }
    missing.dedup();
    missing
}

#[test]
fn every_rule_of_the_examples_has_an_answer() {
    let keystone = include_str!("../../../examples/services/keystone-users.toml");
    let nova = include_str!("../../../examples/services/nova-servers.toml");
    let generic = include_str!("../../../examples/services/generic-rest.toml");
    for text in [VIAS.1, keystone, nova, generic] {
        assert!(unanswered(text).is_empty(), "{:?} of {text}", unanswered(text));
    }
    // With every comment opened an earlier rule takes the answers of the one with counts.
    assert_eq!(unanswered(&generic.replace("#: ", "")), ["counted"]);
}
