//! What the flags for the pace mean together.
//!
//! A flag that would silently do nothing is refused: whoever gave it counts on it.

use crate::cli::Context;
use crate::cli::args::PaceArgs;
use crate::cli::args::RateChoice;
use crate::cli::failure::Failure;
use crate::cli::rank::rank;
use batchctl::run::RunSettings;

/// Sets the rate from flags that all have a value.
pub(crate) fn set_rate(settings: &mut RunSettings, args: &PaceArgs) {
    (settings.rate, settings.auto_from) = match args.rate {
        RateChoice::Limit(rate) => (Some(rate), None),
        RateChoice::None => (None, None),
        RateChoice::Auto => (Some(args.rate_max), Some(args.rate_min)),
    };
}

/// Changes the rate of a run as far as flags or variables say so.
pub(crate) fn adjust_rate(settings: &mut RunSettings, args: &PaceArgs, context: &Context) {
    // What is searched for already keeps its bounds.
    let goes_on = args.rate == RateChoice::Auto && settings.auto_from.is_some();
    if context.is_given("rate") && !goes_on {
        set_rate(settings, args);
    }
    if settings.auto_from.is_none() {
        return;
    }
    if context.is_given("rate_min") {
        settings.auto_from = Some(args.rate_min);
    }
    if context.is_given("rate_max") {
        settings.rate = Some(args.rate_max);
    }
}

/// Refuses flags that contradict each other, or that would have no effect.
pub(crate) fn check(settings: &RunSettings, context: &Context) -> Result<(), Failure> {
    if settings.ramp.is_some() && settings.rate.is_none() {
        return Err(Failure::usage("`--ramp` has no rate to grow to, for there is `--rate none`")
            .with_hint("give a rate such as `--rate 10/s`, or `--ramp 0s`".to_owned()));
    }
    let Some(least) = settings.auto_from else { return check_unbounded(context) };
    match settings.rate.filter(|most| most.per_second() < least.per_second()) {
        None => Ok(()),
        Some(most) => {
            let error = format!("`--rate-min {least}` is above `--rate-max {most}`");
            Err(Failure::usage(error).with_hint(format!("give a `--rate-min` of {most} or less")))
        }
    }
}

/// Refuses bounds for a rate that is fixed where they were typed: a variable or a file says what
/// holds whenever the rate is found.
fn check_unbounded(context: &Context) -> Result<(), Failure> {
    let typed = |bound: &&str| rank(bound, &context.matches) == 3;
    let Some(bound) = ["rate-min", "rate-max"].into_iter().find(typed) else { return Ok(()) };
    let error = format!("`--{bound}` bounds what `--rate auto` finds, and the rate is fixed");
    Err(Failure::usage(error).with_hint(format!("use `--rate auto`, or leave `--{bound}` out")))
}
