//! What helps if ids were lost with a plan chunk: the inputs have them, so their rows run once more.

use crate::cli::output::command_hint;
use batchctl::store::RunId;
use batchctl::text::shell_quoted;

/// The name of standard input, as it is typed.
const STANDARD_INPUT: &str = "-";
/// The flag that gives single ids; in a record it is the name of their input.
const GIVEN_IDS: &str = "--id";

/// Returns what carries out the rows of a run whose ids are lost.
///
/// `word` is the run's word of the command line, and `inputs` are its inputs; `has_service` says
/// whether it is at a service that a file describes.
pub(crate) fn hint(run: &RunId, word: &str, has_service: bool, inputs: &[String]) -> String {
    let verb = command_hint::verb(word, has_service);
    let service = if has_service { " --service FILE" } else { "" };
    let named = inputs.iter().filter(|&input| input != GIVEN_IDS);
    let named: String = named.map(|input| format!(" {}", shell_quoted(input))).collect();
    let unnamed = [(STANDARD_INPUT, "standard input"), (GIVEN_IDS, "`--id` flags")];
    let unnamed = unnamed.into_iter().filter(|(name, _)| inputs.iter().any(|it| it == name));
    let unnamed: Vec<&str> = unnamed.map(|(_, words)| words).collect();
    let same = match unnamed.as_slice() {
        [] => String::new(),
        unnamed => format!(" with the same {}", unnamed.join(" and ")),
    };
    format!(
        "`batchctl {verb}{named}{service} --after {run}`{same} carries out the rows that are not known to \
         have succeeded"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inputs: &[&str], expected: &str) {
        let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
        check_of("stop", false, &inputs, expected);
    }

    fn check_of(word: &str, has_service: bool, inputs: &[String], expected: &str) {
        let run = "20240705-120000-aaaa".parse().unwrap();
        let hint = hint(&run, word, has_service, inputs);
        let said = hint.strip_suffix(" carries out the rows that are not known to have succeeded");
        assert_eq!(said, Some(expected));
    }

    #[test]
    fn the_command_names_files_and_the_words_name_what_has_no_name() {
        let after = "--after 20240705-120000-aaaa`";
        check(&["a.csv", "b c.csv"], &format!("`batchctl stop a.csv 'b c.csv' {after}"));
        check(&["-"], &format!("`batchctl stop - {after} with the same standard input"));
        check(&["--id"], &format!("`batchctl stop {after} with the same `--id` flags"));
        let both = "with the same standard input and `--id` flags";
        check(&["a.csv", "-", "--id"], &format!("`batchctl stop a.csv - {after} {both}"));
    }

    #[test]
    fn the_command_of_a_service_is_an_action_and_names_its_file() {
        let (inputs, after) = (["a.csv".to_owned()], "--after 20240705-120000-aaaa`");
        check_of("on", true, &inputs, &format!("`batchctl do on a.csv --service FILE {after}"));
        check_of("run", true, &inputs, &format!("`batchctl run a.csv --service FILE {after}"));
    }
}
