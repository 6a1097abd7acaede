//! A command about a run, as it is typed.

use crate::settings::{DEFAULT_PROFILE, RunSettings};
use crate::store::RunId;
use crate::text::shell_quoted;

/// Returns a command about a run, with flags behind it.
///
/// Names the profile unless it is the default one: the credentials of another profile are meant
/// for another service.
pub(crate) fn command(run: &RunId, settings: &RunSettings, verb: &str, flags: &str) -> String {
    let mut words = vec!["batchctl".to_owned(), verb.to_owned(), run.to_string()];
    words.extend((!flags.is_empty()).then(|| flags.to_owned()));
    words.extend(profile_flag(&settings.profile));
    words.join(" ")
}

/// Returns the flag that names a profile, if it is not the default one.
pub fn profile_flag(profile: &str) -> Option<String> {
    (profile != DEFAULT_PROFILE).then(|| format!("--profile {}", shell_quoted(profile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_named_unless_it_is_the_default_one() {
        let check = |profile, expected: Option<&str>| {
            assert_eq!(profile_flag(profile).as_deref(), expected, "{profile}");
        };
        check("default", None);
        check("staging", Some("--profile staging"));
        check("eu-1.prod", Some("--profile eu-1.prod"));
        check("two words", Some("--profile 'two words'"));
        check("$(id)", Some("--profile '$(id)'"));
        check("it's", Some(r"--profile 'it'\''s'"));
        check("a\u{202e}b\\c", Some(r"--profile $'a\xe2\x80\xaeb\\c'"));
    }
}
