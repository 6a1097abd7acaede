//! Who runs this process: the user, the machine and the command line, without secrets.

use crate::cli::flags::secret_value;
use crate::cli::process::environment::Environment;
use batchctl::api::{Redactor, read_text};
use batchctl::system::machine::uname;
use batchctl::system::process::geteuid;
use batchctl::task::RunBy;
use std::path::Path;

/// The flags whose values may be secret, or hold something secret.
const HIDDEN_VALUES: [&str; 5] =
    ["--notify-url", "--on-end", "--ping", "--proxy", "--token-command"];
/// What stands for such a value.
const HIDDEN: &str = "…";
/// The most characters of a command line that are kept: `--id` may be repeated very often.
const LONGEST: usize = 2_000;

/// Returns who runs this process.
pub(crate) fn of_process(environment: &Environment, redactor: &Redactor) -> RunBy {
    let host = uname().nodename().to_string_lossy().into_owned();
    let command_line = redactor.redact(command_line(&environment.arguments));
    RunBy { user: user(environment), host, command_line }
}

/// Returns the name of the user, as far as this machine knows it.
fn user(environment: &Environment) -> String {
    let id = geteuid().as_raw();
    // Variables can say anything, so they are only asked about users of a directory service.
    let known = read_text(Path::new("/etc/passwd")).ok().and_then(|text| name_of(id, &text));
    let named = || {
        let name = ["LOGNAME", "USER"].into_iter().find_map(|name| environment.variable(name));
        name.map(|name| name.to_string_lossy().into_owned())
    };
    known.or_else(named).unwrap_or_else(|| format!("uid {id}"))
}

fn name_of(id: u32, passwd: &str) -> Option<String> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = lines.find(|fields| fields.get(2).is_some_and(|field| *field == id.to_string()))?;
    Some(own[0].to_owned())
}

/// Writes what was typed, without values that may be secret.
fn command_line(arguments: &[String]) -> String {
    let mut words = vec!["batchctl".to_owned()];
    let mut is_hidden = false;
    let mut following = arguments.iter().skip(1).peekable();
    while let Some(argument) = following.next() {
        let flag = argument.split('=').next().unwrap_or_default();
        let typed = argument.split_once('=').map(|(_, value)| value);
        let value = typed.or(following.peek().map(|next| next.as_str())).unwrap_or_default();
        let is_path = || secret_value::is_path(Path::new(value));
        let hides = HIDDEN_VALUES.contains(&flag) || secret_value::names_a_file(flag) && !is_path();
        words.push(match argument {
            _ if is_hidden => HIDDEN.to_owned(),
            _ if hides && argument.contains('=') => format!("{flag}={HIDDEN}"),
            plain if plain.contains(char::is_whitespace) || plain.is_empty() => {
                format!("'{plain}'")
            }
            plain => plain.clone(),
        });
        is_hidden = !is_hidden && hides && !argument.contains('=');
    }
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{} {HIDDEN}", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_kept_without_values_that_may_be_secret() {
        let check = |typed: &[&str], expected: &str| {
            let arguments: Vec<String> = typed.iter().map(ToString::to_string).collect();
            assert_eq!(command_line(&arguments), expected);
        };
        check(&["/usr/bin/batchctl", "stop", "a b.csv"], "batchctl stop 'a b.csv'");
        check(&["x", "stop", "--ping", "https://h/s", "-y"], "batchctl stop --ping … -y");
        check(&["x", "stop", "--proxy=http://u:p@h", "-n"], "batchctl stop --proxy=… -n");
        check(&["x", "--token-command", "--ping", "a"], "batchctl --token-command … a");
        check(&["x", "--token-file", "hunter2", "a"], "batchctl --token-file … a");
        check(&["x", "--iam-password-file=hunter2"], "batchctl --iam-password-file=…");
        check(&["x", "--notify-secret-file", "hunter2"], "batchctl --notify-secret-file …");
        check(&["x", "--token-file", "./a", "-n"], "batchctl --token-file ./a -n");
        let ids = vec!["gate-1".to_owned(); 1_000];
        assert_eq!(command_line(&ids).chars().count(), LONGEST + 2);
    }

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnight:x:1000:1000::/home:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("night"));
        assert_eq!(name_of(100, passwd), None);
    }
}
