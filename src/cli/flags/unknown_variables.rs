//! Variables that were meant for this program and that it does not know.
//!
//! A key that is misspelt in the config file is an error. A variable may belong to somebody else,
//! so it is only warned of, and only where its name can hardly mean another program.

use crate::cli::flags::config_file::Flags;
use crate::cli::flags::sources::variable_of;
use crate::cli::output::stream::Stderr;
use crate::cli::process::environment::{Environment, OF_ON_END, SECRETS};
use batchctl::text::printable;

/// What the names of all variables of this program begin with.
const PREFIX: &str = "BATCHCTL_";
/// What they begin with even if the rest of it is misspelt.
const FIRST: &str = "BATCH";
/// How many characters a misspelt prefix may differ in.
const MAX_TYPOS: usize = 2;

/// Warns of each variable that is misspelt, and names the one that is nearest.
pub(crate) fn warn(flags: &Flags, environment: &Environment, stderr: Stderr) {
    // Under cron only messages about failures are mailed, and this one must be read.
    let stderr = stderr.of_failures();
    let known = known(flags);
    for name in environment.names() {
        if let Some(nearest) = misspelt(name, &known) {
            let shown = printable(name, 80);
            stderr.say("warning", &format!("there is no variable `{shown}`; it has no effect"));
            stderr.say("hint", &format!("did you mean `{nearest}`"));
        }
    }
}

/// Returns the names of all variables there are.
fn known(flags: &Flags) -> Vec<String> {
    let of_flags = flags.keys().map(|flag| variable_of(flag));
    let secrets = SECRETS.iter().map(|&(name, _)| name.to_owned());
    // The command of `--on-end` may call this program, which then finds them all.
    let others = ["profile", "origin"].map(variable_of).into_iter();
    let others = others.chain(OF_ON_END.map(str::to_owned));
    of_flags.chain(secrets.filter(|name| name.starts_with(PREFIX))).chain(others).collect()
}

/// Returns the variable that a name was probably meant to be.
fn misspelt<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    if known.iter().any(|known| known == name) {
        return None;
    }
    let capitals = name.to_uppercase().replace('-', "_");
    // Before anything is compared: each variable of the environment with each of ours takes half of
    // the time of a short command.
    if !capitals.starts_with(FIRST) {
        return None;
    }
    let distance = |known: &&String| strsim::damerau_levenshtein(&capitals, known);
    let nearest = known.iter().min_by_key(distance)?;
    let is_ours = capitals.starts_with(PREFIX) || distance(&nearest) <= MAX_TYPOS;
    is_ours.then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_leads_to_the_nearest() {
        let names = ["MAX_FAILURES", "RATE", "TOKEN", "TOKEN_FILE", "IAM_PASSWORD"];
        let known = names.map(|name| format!("{PREFIX}{name}"));
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(misspelt(name, &known), expected, "{name}");
        };
        check("BATCHCTL_MAX_FAILUERS", Some("BATCHCTL_MAX_FAILURES"));
        check("BATCHCTL_MAXFAILURES", Some("BATCHCTL_MAX_FAILURES"));
        check("BATCHCTL_MAX-FAILURES", Some("BATCHCTL_MAX_FAILURES"));
        check("batchctl_rate", Some("BATCHCTL_RATE"));
        check("BATCHCLT_TOKEN", Some("BATCHCTL_TOKEN"));
        check("BATCHCTLTOKEN", Some("BATCHCTL_TOKEN"));
        check("BATCHCTL_TOKEN", None);
        check("BATCH_SIZE", None);
        check("BATCHER_RATE", None);
        check("TOKEN", None);
        check("PATH", None);
    }
}
