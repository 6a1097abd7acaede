//! Whether a plan can be carried out in the time that it has.

use crate::cli::output::stream::Stderr;
use batchctl::clock::Clock;
use batchctl::settings::RunSettings;
use batchctl::store::RunDirectory;
use batchctl::text::{flag_span, plural, span};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use std::time::Duration;

/// How far clocks may be set back without a word: a minute, because other runs may begin meanwhile.
const SOON_US: i64 = 60_000_000;

/// A limit of time, as its flag is called.
struct Limit {
    flag: String,
    time: Duration,
}

/// Warns of a run whose time ends before its rate lets all tasks out.
pub(crate) fn warn(settings: &RunSettings, selected: u64, clock: Clock, stderr: &Stderr) {
    let limits = limits(settings, || here(clock));
    if let Some(message) = message(settings, selected, limits) {
        stderr.say("warning", &message);
    }
}

/// Warns of a run that is dated later than a new one: `latest` then names that run, whatever is begun.
pub(crate) fn warn_of_later_run(runs: &RunDirectory, clock: Clock, stderr: &Stderr) {
    let soon = clock.now().plus_micros(SOON_US);
    // Whether runs can be listed is told by what needs the list.
    let newest = runs.list().ok().and_then(|mut runs| runs.pop());
    if let Some(later) = newest.filter(|newest| newest.is_after(soon)) {
        stderr.say("warning", &format!("run {later} is dated later than now: `latest` names it"));
        let hint = "the clock is or was wrong; name runs by their ids, or remove that one with";
        stderr.say("hint", &format!("{hint} `batchctl runs remove {later}`"));
    }
}

/// Returns the limits that are set. The time is asked for only if one of them is a time of the day,
/// because this machine's zone is found among hundreds of files.
fn limits(
    settings: &RunSettings,
    now: impl FnOnce() -> ZonedDateTime,
) -> impl Iterator<Item = Limit> {
    let longest = settings.max_duration.map(|time| {
        let flag = format!("--max-duration {}", flag_span(time));
        Limit { flag, time }
    });
    let end = settings.finish_by.map(|finish_by| {
        let flag = format!("--finish-by {finish_by}");
        Limit { flag, time: finish_by.time_left(&now()) }
    });
    longest.into_iter().chain(end)
}

/// Says which limit comes too early, and how many calls it leaves out at least.
fn message(
    settings: &RunSettings,
    selected: u64,
    limits: impl Iterator<Item = Limit>,
) -> Option<String> {
    // Without a rate only the answers of the service decide how long it takes.
    let rate = settings.own_rate().limit()?;
    let needed = rate.shortest_time(selected);
    let limit = limits.filter(|limit| limit.time < needed).min_by_key(|limit| limit.time)?;
    let tasks = plural(selected, "task takes", "tasks take");
    Some(format!(
        "`{}` ends the run before it can be done: {tasks} {} at least at {rate}, and there are {}",
        limit.flag,
        span(needed),
        flag_span(limit.time)
    ))
}

/// Returns the present time where this process is.
pub(crate) fn here(clock: Clock) -> ZonedDateTime {
    let now = jiff::Timestamp::from_microsecond(clock.now().as_micros());
    now.expect("the present is a time").to_zoned_datetime(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;
    use batchctl::settings::RateSetting;

    #[track_caller]
    fn check(rate: &str, max_duration: u64, selected: u64, expected: Option<&str>) {
        let rate = RateSetting::Fixed(rate.parse().unwrap());
        let max_duration = Some(Duration::from_secs(max_duration));
        let settings = RunSettings { rate, max_duration, ..RunSettings::default() };
        let now: ZonedDateTime = "2024-07-05T05:59:00[UTC]".parse().unwrap();
        let message = message(&settings, selected, limits(&settings, || now.clone()));
        assert_eq!(message.as_deref(), expected);
    }

    #[test]
    fn a_plan_that_takes_longer_than_its_time_is_named() {
        let expected = "`--max-duration 1m 00s` ends the run before it can be done: 600 tasks \
                        take 4m 59s at least at 2/s, and there are 1m 00s";
        check("2/s", 60, 600, Some(expected));
        check("2/s", 300, 600, None);
        check("1/s", 60, 61, None);
        check("1/s", 60, 0, None);
    }

    #[test]
    fn of_two_limits_the_earlier_one_is_named() {
        let settings = RunSettings {
            max_duration: Some(Duration::from_secs(120)),
            finish_by: Some("06:00".parse().unwrap()),
            ..RunSettings::default()
        };
        let now: ZonedDateTime = "2024-07-05T05:59:00[UTC]".parse().unwrap();
        let named = |selected| message(&settings, selected, limits(&settings, || now.clone()));
        assert!(named(10_000).unwrap().starts_with("`--finish-by 06:00` ends"));
        assert_eq!(named(100), None);
        let unlimited = RunSettings { rate: RateSetting::Unlimited, ..settings.clone() };
        assert_eq!(message(&unlimited, 10_000, limits(&unlimited, || now.clone())), None);
    }
}
