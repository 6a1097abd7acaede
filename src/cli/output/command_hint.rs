//! Commands in hints: they name the profile, unless it is the default one.
//!
//! A command that is copied must reach the service that the message is about. The hints come from
//! many places, also of the library, which knows no profile. So the flag is put in here, for all.

/// What every command begins with.
const PROGRAM: &str = "batchctl ";

/// Puts a flag into each command of a hint: before the backtick that ends it, or at the end.
pub(crate) fn with_flag(hint: &str, flag: &str) -> String {
    if flag.is_empty() || hint.contains("--profile") {
        return hint.to_owned();
    }
    // The odd parts stand in backticks.
    let parts = hint.split('`').enumerate();
    let parts = parts.map(|(index, part)| match part.starts_with(PROGRAM) {
        true if index % 2 == 1 => format!("{part} {flag}"),
        true => part
            .split(", then ")
            .map(|one| format!("{one} {flag}"))
            .collect::<Vec<_>>()
            .join(", then "),
        false => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// Returns the verb that begins a run with this word of the command line: the actions of a service
/// that a file describes are no verbs.
pub(crate) fn verb(word: &str, has_service: bool) -> String {
    match word {
        "run" => word.to_owned(),
        action if has_service => format!("do {action}"),
        word => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_of_a_hint_names_the_profile() {
        let check = |hint, expected| assert_eq!(with_flag(hint, "--profile p"), expected);
        check("batchctl auth login", "batchctl auth login --profile p");
        check(
            "batchctl auth logout, then batchctl auth login",
            "batchctl auth logout --profile p, then batchctl auth login --profile p",
        );
        check(
            "`batchctl report r` shows it; `batchctl runs list` too",
            "`batchctl report r --profile p` shows it; `batchctl runs list --profile p` too",
        );
        check("`batchctl resume r --profile q`", "`batchctl resume r --profile q`");
        check("chmod 600 'batchctl '", "chmod 600 'batchctl '");
        assert_eq!(with_flag("batchctl auth login", ""), "batchctl auth login");
    }
}
