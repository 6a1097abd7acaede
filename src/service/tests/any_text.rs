//! No text makes the reader panic, and every problem has a place in the text.

use crate::service::{SeenAnswer, ServiceFile, first_match, judge};
use proptest::prelude::*;
use std::time::SystemTime;

const FILES: [&str; 4] = [
    include_str!("../../../examples/services/vias.toml"),
    include_str!("../../../examples/services/keystone-users.toml"),
    include_str!("../../../examples/services/nova-servers.toml"),
    include_str!("../../../examples/services/generic-rest.toml"),
];

/// Pieces of files, put together at random.
const PIECES: [&str; 30] = [
    "format = 1\n",
    "format = ",
    "[action.on]\n",
    "[[answer]]\n",
    "status = ",
    "\"200..299\"",
    "means = 'done'\n",
    "[state",
    "words = { a = [",
    "}",
    "]",
    "\n",
    "=",
    "{id}",
    "{{",
    "'",
    "\"",
    "\"\"\"",
    "path = '/{a}/%zz'\n",
    "body = '{\"a\":\"{b",
    "json = { '/a~' = ",
    "[error]\n",
    "page",
    "regex = '('",
    "\u{0}",
    "é",
    "\u{feff}",
    "1e999",
    "-",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

fn check(text: &str) {
    let lines = u64::try_from(text.lines().count()).unwrap() + 1;
    match ServiceFile::read(text) {
        Ok(file) => assert!(!file.service.actions.is_empty()),
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!((1..=lines).contains(&problem.place.line), "{problem} in {text:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        check(&text);
    }

    #[test]
    fn no_pieces_of_files_make_the_reader_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..30)
    ) {
        check(&pieces.concat());
    }

    #[test]
    fn no_damage_of_a_file_makes_the_reader_panic(
        file in prop::sample::select(FILES.to_vec()),
        at in any::<prop::sample::Index>(),
        length in 0_usize..20,
        piece in prop::sample::select(PIECES.to_vec()),
    ) {
        let chars: Vec<char> = file.chars().collect();
        let at = at.index(chars.len());
        let end = (at + length).min(chars.len());
        let text: String = chars[..at].iter().copied().chain(piece.chars())
            .chain(chars[end..].iter().copied()).collect();
        check(&text);
    }

    #[test]
    fn no_answer_makes_the_judge_panic(
        status in 100_u16..600,
        body in prop_oneof![
            "\\PC{0,60}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
            Just(br#"{"error":{"code":"A","message":"wait 5 years","code":7}}"#.to_vec()),
        ],
        wait in "\\PC{0,12}",
    ) {
        for text in FILES {
            let service = ServiceFile::read(text).unwrap().service;
            let headers = vec![("Retry-After".to_owned(), wait.clone())];
            let answer = SeenAnswer::new(status, headers, &body);
            for action in &service.actions {
                let judged = judge(&service, action, &answer, SystemTime::UNIX_EPOCH);
                let rule = first_match(&service, service.rules_of(action), &answer);
                prop_assert_eq!(judged.meaning, rule.map(|rule| rule.means));
            }
        }
    }
}
