//! Service files: a refusal names a line of the file, and what is accepted has an action.

#![no_main]

use batchctl::service::ServiceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = text.lines().count() as u64 + 1;
    let problems = match ServiceFile::read(text) {
        Ok(file) => {
            assert!(!file.service.actions.is_empty());
            // A comment in front moves every rule by its line, and changes nothing else.
            let moved =
                ServiceFile::read(&format!("# moved\n{text}")).expect("a comment changes nothing");
            assert_eq!(moved.warnings.len(), file.warnings.len());
            file.warnings
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems
        }
    };
    for problem in problems {
        assert!((1..=lines).contains(&problem.place.line), "{problem} in {text:?}");
        assert!(problem.place.column > 0, "{problem} in {text:?}");
    }
});
