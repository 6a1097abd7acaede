//! Refuses flags that were typed and would have no effect: whoever typed one counts on it.
//!
//! Only the command line is judged. Variables and the config file hold values for other commands
//! as well, and those are passed over in silence.

use crate::cli::flags::notify::NotifyWhen;
use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::output::error::CommandError;
use batchctl::input::Format;
use batchctl::settings::RunSettings;

/// A flag, and what it needs to have an effect.
struct Need {
    flag: &'static str,
    /// What is missing, as the end of a sentence that begins with the flag.
    lacks: &'static str,
    /// What to type.
    hint: &'static str,
    is_met: fn(&GivenFlags) -> bool,
}

/// The flags whose effect depends on other flags alone.
const NEEDS: [Need; 17] = [
    of_a_database("lease"),
    of_a_database("store-rtt"),
    of_a_database("store-timeout"),
    of_a_database("detach"),
    Need {
        flag: "verbose",
        lacks: "prints on standard error, and `--cron` keeps that for failures",
        hint: "leave out `-v`, or use `--log-file FILE`, which records every attempt",
        is_met: |given| !given.is_on("cron") || given.is_on("dry-run"),
    },
    Need {
        flag: "progress",
        lacks: "is shown on standard error, and `--cron` keeps that for failures",
        hint: "leave out `--progress` or `--cron`",
        is_met: |given| !given.is_on("cron") || given.is_on("dry-run"),
    },
    Need {
        flag: "log-format",
        lacks: "is the format of what `-v` prints, and that is not asked for",
        hint: "add `-v`",
        is_met: |given| given.count("verbose") > 0,
    },
    Need {
        flag: "log-file-size",
        lacks: "limits a log file, and there is none",
        hint: "add `--log-file FILE`",
        is_met: |given| given.has_value("log-file"),
    },
    Need {
        flag: "dump-limit",
        lacks: "limits a dump, and there is none",
        hint: "add `--dump FILE`",
        is_met: |given| given.has_value("dump"),
    },
    Need {
        flag: "notify-url-file",
        lacks: "names a webhook, and no message is asked for",
        hint: "add `--notify failure`",
        is_met: |given| given.has_value("notify"),
    },
    Need {
        flag: "notify-secret-file",
        lacks: "signs a message, and none is asked for",
        hint: "add `--notify failure`",
        is_met: |given| given.has_value("notify"),
    },
    Need {
        flag: "notify-shape",
        lacks: "is the shape of a message, and none is asked for",
        hint: "add `--notify failure`",
        is_met: |given| given.has_value("notify"),
    },
    Need {
        flag: "iam-domain",
        lacks: "belongs to an IAM user, and none is named",
        hint: "add `--iam-user NAME`",
        is_met: |given| given.has_value("iam-user"),
    },
    Need {
        flag: "iam-password-file",
        lacks: "belongs to an IAM user, and none is named",
        hint: "add `--iam-user NAME`",
        is_met: |given| given.has_value("iam-user"),
    },
    Need {
        flag: "iam-user-id",
        lacks: "belongs to an IAM user, and none is named",
        hint: "add `--iam-user NAME`",
        is_met: |given| given.has_value("iam-user"),
    },
    Need {
        flag: "iam-project",
        lacks: "is looked up only if the id of the project is not known",
        hint: "leave out `--iam-project` or `--project-id`",
        is_met: |given| !given.has_value("project-id"),
    },
    Need {
        flag: "iam-endpoint",
        lacks: "is asked for a token or for the id of the project, and neither is needed",
        hint: "add `--iam-user NAME`",
        is_met: |given| given.has_value("iam-user") || !given.has_value("project-id"),
    },
];

const fn of_a_database(flag: &'static str) -> Need {
    Need {
        flag,
        lacks: "is about runs in a database, and none is named",
        hint: "add `--store postgres://USER@HOST/NAME`",
        is_met: |given| names_database(&given.value::<String>("store").unwrap_or_default()),
    }
}

/// Returns whether a place of runs is a database.
pub(crate) fn names_database(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

/// The flags that name credentials; only one of them can be used.
const CREDENTIALS: [&str; 3] = ["token-file", "token-command", "iam-user"];

/// The flags that are about a real service alone.
pub(crate) const OF_A_SERVICE: [&str; 11] = [
    "endpoint",
    "region",
    "insecure-http",
    "token-file",
    "token-command",
    "iam-user",
    "iam-domain",
    "iam-password-file",
    "iam-user-id",
    "iam-endpoint",
    "iam-project",
];
/// The flags about the way to a service, which is also the way to a monitor.
const OF_THE_WAY: [&str; 2] = ["proxy", "ca-file"];

/// The flags that are about the runs of a job.
const OF_A_JOB: [&str; 3] = ["max-delta", "lock-wait", "if-busy"];

/// The flags that say how files are read.
const OF_FILES: [&str; 5] = ["id-column", "command-column", "format", "delimiter", "no-header"];

fn typed(given: &GivenFlags, flag: &str) -> bool {
    given.rank(flag) == Rank::CommandLine
}

fn refused(flag: &str, lacks: &str, hint: &str) -> CommandError {
    CommandError::usage(format!("`--{flag}` {lacks}")).with_hint(hint)
}

/// Refuses flags whose effect other flags of the same command line rule out.
pub(crate) fn check(given: &GivenFlags) -> Result<(), CommandError> {
    if given.is_on("cron") && given.is_on("json") {
        let is_given = given.is_given("cron") && given.is_given("json");
        if is_given {
            let error = "`--cron` and `--json` contradict each other";
            return Err(CommandError::usage(error).with_hint("give one of them"));
        }
    }
    check_webhook(given)?;
    for need in &NEEDS {
        if typed(given, need.flag) && !(need.is_met)(given) {
            return Err(refused(need.flag, need.lacks, need.hint));
        }
    }
    let format: Option<Format> = given.value("format").filter(|_| typed(given, "format"));
    if typed(given, "delimiter") && matches!(format, Some(Format::List | Format::Tsv)) {
        let error = "`--delimiter` and `--format` contradict each other";
        let hint = "give `--delimiter` alone, or `--format` alone";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let mut credentials = CREDENTIALS.into_iter().filter(|flag| typed(given, flag));
    if let (Some(first), Some(second)) = (credentials.next(), credentials.next()) {
        let error = format!("`--{first}` and `--{second}` contradict each other");
        return Err(CommandError::usage(error).with_hint("give one of them"));
    }
    Ok(())
}

/// Refuses a seed without a sample. The sandbox has a seed as well, for other things.
pub(crate) fn check_of_sample(given: &GivenFlags) -> Result<(), CommandError> {
    if typed(given, "seed") && !given.has_value("sample") {
        let lacks = "decides which tasks are in a sample, and none is taken";
        return Err(refused("seed", lacks, "add `--sample 1%`"));
    }
    Ok(())
}

/// Refuses a message without an address, and an address on the command line.
fn check_webhook(given: &GivenFlags) -> Result<(), CommandError> {
    let hint = "put the address into BATCHCTL_NOTIFY_URL, or into a file that only you can read, \
                and name that with `--notify-url-file FILE`";
    if typed(given, "notify-url") {
        let lacks = "is a secret, and other users can read a command line";
        return Err(refused("notify-url", lacks, hint));
    }
    let has_address = given.has_value("notify-url") || given.has_value("notify-url-file");
    // Wherever it is asked for: a message that nobody gets is noticed on the wrong day.
    if given.has_value("notify") && !has_address {
        return Err(refused("notify", "has no address to send a message to", hint));
    }
    Ok(())
}

/// Refuses flags of a real service where the embedded sandbox is called, but for those that it knows.
pub(crate) fn check_for_sandbox(given: &GivenFlags, known: &[&str]) -> Result<(), CommandError> {
    let way = OF_THE_WAY.into_iter().filter(|_| {
        // The way to a monitor and to a webhook is the same.
        !given.has_value("ping") && !given.has_value("notify")
    });
    let mut unknown = OF_A_SERVICE.into_iter().chain(way).filter(|flag| !known.contains(flag));
    match unknown.find(|flag| typed(given, flag)) {
        None => Ok(()),
        Some(flag) => {
            let hint = format!("leave out `--{flag}` or the sandbox (`--sandbox`)");
            Err(refused(flag, "is for a real service, and the sandbox is called", &hint))
        }
    }
}

/// Refuses flags about files where there is none.
pub(crate) fn check_without_file(given: &GivenFlags) -> Result<(), CommandError> {
    match OF_FILES.into_iter().find(|flag| typed(given, flag)) {
        None => Ok(()),
        Some(flag) => Err(refused(flag, "is about files, and none is read", "name a file")),
    }
}

/// Refuses flags that the settings of a run, or the lack of a job, leave without an effect.
pub(crate) fn check_of_run(
    given: &GivenFlags,
    settings: &RunSettings,
    has_job: bool,
) -> Result<(), CommandError> {
    if typed(given, "wait-timeout") && settings.wait.is_none() {
        return Err(refused("wait-timeout", "limits a wait, and there is none", "add `--wait`"));
    }
    if typed(given, "drill") && !settings.level.is_batch() {
        let lacks = "looks into batch tasks, and the run acts on sub-tasks themselves";
        let hint = "leave out `--drill`, or see `batchctl tasks --detail`";
        return Err(refused("drill", lacks, hint));
    }
    if typed(given, "drill-limit") && settings.drill.is_none() {
        let lacks = "limits a drill, and there is none";
        return Err(refused("drill-limit", lacks, "add `--drill`"));
    }
    if typed(given, "on-unknown") && !settings.skip_unchanged {
        let lacks = "is about tasks that a look at the states does not find, and there is no look";
        return Err(refused("on-unknown", lacks, "add `--skip-unchanged`"));
    }
    let notifies: Vec<NotifyWhen> = given.values("notify");
    if typed(given, "notify") && notifies.contains(&NotifyWhen::Recovery) && !has_job {
        let error = "`--notify recovery` compares the runs of a job, and this is no run of one";
        let hint = "name the job when the run is begun: `--job NAME`";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let of_a_job = OF_A_JOB.into_iter().find(|flag| typed(given, flag));
    match of_a_job.filter(|_| !has_job) {
        None => Ok(()),
        Some(flag) => {
            let lacks = "is about the runs of a job, and this is no run of one";
            Err(refused(flag, lacks, "name the job when the run is begun: `--job NAME`"))
        }
    }
}
