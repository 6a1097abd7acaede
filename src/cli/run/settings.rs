//! From flags to the settings of a run: one function for runs that begin and runs that go on.
//!
//! A new run is one that goes on from the default settings and takes every flag. A run that is
//! taken up takes only those that were given. A flag that would have no effect is refused, because
//! the person who gave it counts on it.

use crate::cli::flags::pace::PaceArgs;
use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::flags::run::{CallArgs, SettingArgs, StateArgs, StopArgs};
use crate::cli::flags::values::RateChoice;
use crate::cli::output::error::CommandError;
use batchctl::settings::{RateSetting, RunSettings};
use batchctl::task::Rate;

/// Takes the value of a flag over, if the flag counts.
fn take<T>(setting: &mut T, value: T, counts: bool) {
    if counts {
        *setting = value;
    }
}

impl SettingArgs {
    /// Changes settings by the flags for which `is_given` holds; the others stay as they are.
    pub(crate) fn apply(&self, settings: &mut RunSettings, is_given: impl Fn(&str) -> bool) {
        let Self { pace, small, call, stop, state } = self;
        // Without `..`: a new flag does not compile until it is taken over here.
        let PaceArgs { rate: _, rate_min: _, rate_max: _, rate_group, concurrency } = pace;
        let CallArgs { timeout, connect_timeout, max_attempts, on_doubt } = call;
        let StopArgs {
            max_failures,
            outage_timeout,
            throttle_timeout,
            max_duration,
            finish_by,
            drain_timeout,
        } = stop;
        let StateArgs { skip_unchanged, on_unknown, wait: _, wait_timeout: _, drill, drill_limit } =
            state;
        settings.rate = rate_setting(settings.rate, pace, &is_given);
        take(&mut settings.rate_group, rate_group.clone(), is_given("rate_group"));
        take(&mut settings.concurrency, *concurrency, is_given("concurrency"));
        take(&mut settings.timeout, *timeout, is_given("timeout"));
        take(&mut settings.connect_timeout, *connect_timeout, is_given("connect_timeout"));
        take(&mut settings.max_attempts, *max_attempts, is_given("max_attempts"));
        take(&mut settings.on_doubt, *on_doubt, is_given("on_doubt"));
        take(&mut settings.ramp, small.ramp(), is_given("ramp"));
        take(&mut settings.canary, small.canary(), is_given("canary"));
        take(&mut settings.waves, small.waves.clone(), is_given("waves"));
        take(&mut settings.wave_pause, small.wave_pause, is_given("wave_pause"));
        take(&mut settings.max_failures, *max_failures, is_given("max_failures"));
        take(&mut settings.outage_timeout, *outage_timeout, is_given("outage_timeout"));
        take(&mut settings.throttle_timeout, *throttle_timeout, is_given("throttle_timeout"));
        take(&mut settings.max_duration, *max_duration, is_given("max_duration"));
        take(&mut settings.finish_by, *finish_by, is_given("finish_by"));
        take(&mut settings.drain_timeout, *drain_timeout, is_given("drain_timeout"));
        take(&mut settings.skip_unchanged, *skip_unchanged, is_given("skip_unchanged"));
        take(&mut settings.on_unknown, *on_unknown, is_given("on_unknown"));
        // `--wait` brings its time-out along; `--wait-timeout` alone changes only a run that waits.
        if is_given("wait") {
            settings.wait = state.wait();
        } else if is_given("wait_timeout") {
            // Only how long is said, and whether at all is up to the run.
            settings.wait = settings.wait.map(|_| state.wait_timeout);
        }
        // Sub-tasks have none of their own, and a variable may ask for a drill of every run.
        if is_given("drill") {
            settings.drill = drill.then_some(*drill_limit).filter(|_| settings.level.is_batch());
        } else if is_given("drill_limit") {
            settings.drill = settings.drill.map(|_| *drill_limit);
        }
    }
}

/// Returns the rate of a run after the flags that are given.
fn rate_setting(
    before: RateSetting,
    args: &PaceArgs,
    is_given: impl Fn(&str) -> bool,
) -> RateSetting {
    let chosen = match args.rate {
        _ if !is_given("rate") => before,
        // A search that goes on keeps its bounds.
        RateChoice::Auto if before.is_auto() => before,
        RateChoice::Auto => RateSetting::Auto { least: args.rate_min, most: args.rate_max },
        RateChoice::Limit(rate) => RateSetting::Fixed(rate),
        RateChoice::None => RateSetting::Unlimited,
    };
    let RateSetting::Auto { mut least, mut most } = chosen else { return chosen };
    take(&mut least, args.rate_min, is_given("rate_min"));
    take(&mut most, args.rate_max, is_given("rate_max"));
    RateSetting::Auto { least, most }
}

/// Refuses settings that contradict each other, and flags that would have no effect.
pub(crate) fn check(settings: &RunSettings, given: &GivenFlags) -> Result<(), CommandError> {
    if settings.ramp.is_some() && settings.rate == RateSetting::Unlimited {
        return Err(CommandError::usage(
            "`--ramp` has no rate to grow to, because of `--rate none`",
        )
        .with_hint("give a rate such as `--rate 10/s`, or `--ramp 0s`"));
    }
    if settings.waves.is_none() && given.rank("wave-pause") == Rank::CommandLine {
        let error = "`--wave-pause` pauses between waves, and there are none";
        return Err(CommandError::usage(error).with_hint("add `--waves 1,10%,100%`"));
    }
    if settings.rate_group.is_some() && settings.rate == RateSetting::Unlimited {
        return Err(CommandError::usage(
            "`--rate-group` has no rate to share, because of `--rate none`",
        )
        .with_hint("give a rate such as `--rate 10/s`".to_owned()));
    }
    check_shard(settings)?;
    match settings.rate {
        RateSetting::Auto { least, most } => check_bounds(least, most),
        RateSetting::Fixed(_) | RateSetting::Unlimited => check_unbounded(given),
    }
}

/// Refuses a rate of which a shard would have no part, or which other runs of the machine keep.
fn check_shard(settings: &RunSettings) -> Result<(), CommandError> {
    let Some(shard) = settings.shard else { return Ok(()) };
    if settings.rate_group.is_some() {
        let error = "`--shard` divides the rate, and `--rate-group` shares it";
        return Err(CommandError::usage(error).with_hint("leave one of them out"));
    }
    let Some(rate) = settings.rate.limit().filter(|_| settings.rate.part(shard).is_none()) else {
        return Ok(());
    };
    let of = shard.of();
    let flag = if settings.rate.is_auto() { "--rate-max" } else { "--rate" };
    let hint = match rate.for_shards(of) {
        Some(longer) => format!("give it for a longer time: `{flag} {longer}`"),
        None => "make fewer shards".into(),
    };
    let error = format!("`{flag} {rate}` cannot be divided among {of} shards");
    Err(CommandError::usage(error).with_hint(hint))
}

fn check_bounds(least: Rate, most: Rate) -> Result<(), CommandError> {
    if least.per_second() <= most.per_second() {
        return Ok(());
    }
    let error = format!("`--rate-min {least}` is above `--rate-max {most}`");
    Err(CommandError::usage(error).with_hint(format!("give a `--rate-min` of {most} or less")))
}

/// Refuses bounds of a search beside a fixed rate, but only where they were typed: a variable or a
/// file holds them for the runs whose rate is found.
fn check_unbounded(given: &GivenFlags) -> Result<(), CommandError> {
    let typed = |bound: &&str| given.rank(bound) == Rank::CommandLine;
    let Some(bound) = ["rate-min", "rate-max"].into_iter().find(typed) else { return Ok(()) };
    let error = format!("`--{bound}` bounds what `--rate auto` finds, and the rate is fixed");
    Err(CommandError::usage(error)
        .with_hint(format!("use `--rate auto`, or leave `--{bound}` out")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_settings() {
        let settings_of = |words: &[&str]| {
            let matches = SettingArgs::augment_args(Command::new("test")).get_matches_from(words);
            let mut settings = RunSettings::default();
            SettingArgs::from_arg_matches(&matches).unwrap().apply(&mut settings, |_| true);
            settings
        };
        assert_eq!(settings_of(&["test"]), RunSettings::default());
        // Bounds of a search have their defaults in both places, too.
        let searching = settings_of(&["test", "--rate", "auto"]);
        let stored: RunSettings = serde_json::from_str(r#"{"rate":"auto"}"#).unwrap();
        assert_eq!(searching.rate, stored.rate);
    }
}
