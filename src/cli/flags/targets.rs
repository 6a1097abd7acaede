//! The flags of a run of several targets, and what each target says for itself.

use crate::cli::flags::config_file::{ConfigFile, Setting, Settings};
use crate::cli::flags::effect::OF_A_SERVICE;
use batchctl::task::Rate;
use clap::Args;
use std::collections::BTreeMap;

/// The flags that say where calls go, besides those that are about a real service alone.
const OF_PLACE: [&str; 3] = ["project-id", "sandbox", "rate-group"];
/// The other flags that may differ between the targets of a run.
const OF_CALLS: [&str; 18] = [
    "ca-file",
    "proxy",
    "rate",
    "rate-min",
    "rate-max",
    "concurrency",
    "timeout",
    "connect-timeout",
    "max-attempts",
    "on-doubt",
    "ramp",
    "canary",
    "waves",
    "wave-pause",
    "max-failures",
    "outage-timeout",
    "throttle-timeout",
    "max-duration",
];
/// What no target has for itself: an embedded service, and a rate that other runs share.
const OF_NONE: [&str; 2] = ["sandbox", "rate-group"];

/// Returns the flags that say where calls go and with what. A target takes them from its own table
/// alone, so that no token reaches the host of another.
pub(crate) fn of_place() -> impl Iterator<Item = &'static str> {
    OF_A_SERVICE.into_iter().chain(OF_PLACE)
}

/// Returns whether the table of a target may hold a flag.
pub(crate) fn is_of_target(flag: &str) -> bool {
    let is_known = of_place().any(|own| own == flag) || OF_CALLS.contains(&flag);
    is_known && !OF_NONE.contains(&flag)
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Targets")]
pub(crate) struct TargetArgs {
    /// The column that names the target of each row; each has a table [target.NAME] in config.toml
    #[arg(long, value_name = "NAME")]
    pub(crate) target_column: Option<String>,
    /// Call every task at each of these targets
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub(crate) targets: Vec<String>,
    /// The most sendings of all targets together
    #[arg(long, value_name = "RATE")]
    pub(crate) rate_total: Option<Rate>,
}

/// Returns what the config file says for one target: its own table over all that is no place.
pub(crate) fn settings_of(file: &ConfigFile, target: &str) -> Option<ConfigFile> {
    let own: &Settings = file.targets.get(target)?;
    let shared =
        file.settings.iter().filter(|(flag, _)| !of_place().any(|own| own == flag.as_str()));
    let settings: BTreeMap<String, Setting> =
        shared.chain(own).map(|(flag, setting)| (flag.clone(), setting.clone())).collect();
    Some(ConfigFile { settings, ..file.clone() })
}
