//! Words the progress of a run: for a terminal of some width, and as one plain line.
//!
//! Pure: the same tally at the same time gives the same text. A bar never exceeds its width, and
//! omits nothing: figures that do not fit beside the bar go below it.

use super::condition::{Hold, Trouble};
use super::layout::{DisplayLine, Piece, flow, sentence};
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::{
    Change, HoldReason, Operator, StopReason, StoreWait, SurveyCounts, WaitCause, WaveStarted,
};
use crate::task::{Outcome, UnderWay};
use crate::text::{Colour, Style, grouped, plural, printable, span};
use std::time::Duration;

/// The fewest columns in which anything is shown.
const LEAST_WIDTH: usize = 10;
/// The fewest and the most columns of the bar between its brackets.
const BAR_COLUMNS: (usize, usize) = (8, 30);
/// The time for which one picture of the spinner stays, in microseconds.
const SPIN_MICROS: i64 = 100_000;
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// One column of the bar, by the number of its eighths that are full.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// The most columns of the last error during an outage.
const TROUBLE_COLUMNS: usize = 80;

/// Returns the lines for a terminal of that many columns; none before the run has started.
pub fn render_bar(tally: &Tally, now: Timestamp, width: u16, style: Style) -> Vec<String> {
    let width = usize::from(width);
    if width < LEAST_WIDTH || (!tally.has_started() && tally.pages() == 0) {
        return Vec::new();
    }
    if !tally.has_started() {
        let text = format!("{} {}", spinner(now), reading(tally));
        return sentence(&text, Colour::Cyan, width)
            .iter()
            .map(|line| line.painted(style))
            .collect();
    }
    let mut lines = head(tally, now, width);
    let wave = tally.wave().map(|it| Piece::new(format!("wave {} of {}", it.wave, it.of)));
    lines.extend(flow(wave.into_iter().chain(counts(tally)).collect(), " · ", width));
    if let Some(notice) = notice(tally, now) {
        lines.extend(sentence(&notice, Colour::Yellow, width));
    }
    lines.iter().map(|line| line.painted(style)).collect()
}

/// Returns the progress of the run as one plain line.
pub fn render_line(tally: &Tally, now: Timestamp) -> String {
    let mut text = progress(tally);
    if tally.ended().is_none() {
        text = format!("{text}, {}", rate(tally, now).trim_start());
        text.extend(eta(tally, now).map(|eta| format!(", {eta}")));
    }
    let counts: Vec<String> = counts(tally).into_iter().map(Piece::into_text).collect();
    if !counts.is_empty() {
        text = format!("{text}: {}", counts.join(", "));
    }
    text.extend(notice(tally, now).map(|notice| format!("; {notice}")));
    text
}

fn progress(tally: &Tally) -> String {
    let tasks = plural(tally.selected(), "task", "tasks");
    let wave = tally.wave().filter(|_| tally.ended().is_none());
    let wave = wave.map_or_else(String::new, |it| format!(", wave {} of {}", it.wave, it.of));
    format!("{} of {tasks} settled, {}%{wave}", grouped(tally.done()), tally.percent())
}

// The bar and the figures beside it.

/// Puts all figures beside the bar, or only the percentage, or omits the bar.
fn head(tally: &Tally, now: Timestamp, width: usize) -> Vec<DisplayLine> {
    let (percent, eta) = (format!("{:>2}%", tally.percent()), eta(tally, now).unwrap_or_default());
    let (done, rate) = (done(tally), rate(tally, now));
    // Padded, so that the bar keeps its length while that of the time left changes.
    let all = format!("{done}  {percent}  {rate}  {eta:<10}");
    if let Some(line) = beside_bar(tally, now, &all, width) {
        return vec![line];
    }
    let mut figures = vec![done, rate, eta];
    let bar = beside_bar(tally, now, &percent, width);
    if bar.is_none() {
        figures.insert(0, percent);
    }
    let figures = figures.iter().map(|figure| figure.trim()).filter(|figure| !figure.is_empty());
    let figures = flow(figures.map(Piece::new).collect(), "  ", width);
    bar.into_iter().chain(figures).collect()
}

fn beside_bar(tally: &Tally, now: Timestamp, text: &str, width: usize) -> Option<DisplayLine> {
    let (opening, text) = (format!("{} [", spinner(now)), Piece::new(format!("] {text}")));
    let (least, most) = BAR_COLUMNS;
    let opening = Piece::new(opening);
    let room = width.saturating_sub(opening.columns() + text.columns());
    let bar = (room >= least).then(|| bar(tally, room.min(most)))?;
    Some(DisplayLine::new(vec![opening, Piece::coloured(bar, Colour::Cyan), text]))
}

fn spinner(now: Timestamp) -> char {
    let turn = (now.as_micros() / SPIN_MICROS).rem_euclid(SPINNER.len() as i64);
    SPINNER[turn as usize]
}

/// Fills the columns to the eighth; only a run that is done fills all of them.
fn bar(tally: &Tally, columns: usize) -> String {
    let all = columns as u64 * 8;
    let full = match tally.selected() {
        // A run without tasks is done from its start.
        0 => all,
        selected => tally.done().min(selected) * all / selected,
    };
    let eighths = |column: u64| full.saturating_sub(column * 8).min(8) as usize;
    (0..columns as u64).map(|column| EIGHTHS[eighths(column)]).collect()
}

// The figures.

fn done(tally: &Tally) -> String {
    let selected = grouped(tally.selected());
    format!("{:>1$}/{selected}", grouped(tally.done()), selected.len())
}

/// Returns the rate and its limit, such as `9.9/s of 10/s`, and the limit of the service below it.
fn rate(tally: &Tally, now: Timestamp) -> String {
    let own = own_rate(tally, now);
    let limit = tally.service_limit();
    let rate = limit.per_second.map(|rate| format!("{}/s", decimal(rate)));
    let calls = limit.at_a_time.map(|most| format!("{most} at a time"));
    let words: Vec<_> = rate.into_iter().chain(calls).collect();
    if words.is_empty() { own } else { format!("{own} (service: {})", words.join(", ")) }
}

fn own_rate(tally: &Tally, now: Timestamp) -> String {
    let rate = tally.rate(now);
    let Some(limit) = tally.rate_limit() else { return format!("{}/s", decimal(rate)) };
    // Limits with any other window are shown by the second.
    let per = match limit.window.as_secs() {
        60 => "/m",
        3_600 => "/h",
        _ => "/s",
    };
    let (rate, most) = match per {
        "/s" => (rate / limit.window.as_secs_f64(), limit.per_second()),
        _ => (rate, f64::from(limit.limit.get())),
    };
    format!("{:>1$}{per} of {limit}", decimal(rate), decimal(most).len())
}

fn decimal(rate: f64) -> String {
    match rate {
        // From 99.95 on, one decimal would round to a fourth digit.
        0.0..99.95 => format!("{rate:.1}"),
        _ => grouped(rate.round() as u64),
    }
}

fn eta(tally: &Tally, now: Timestamp) -> Option<String> {
    tally.eta(now).map(|eta| format!("eta {}", coarse(eta)))
}

/// Returns a time, rounded more coarsely the longer it is, because hours need no seconds.
fn coarse(time: Duration) -> String {
    let seconds = whole_seconds(time);
    let step = match seconds {
        0..60 => 1,
        60..600 => 5,
        600.. => 60,
    };
    // Rounded up, so that the time left is never promised too short.
    match seconds.next_multiple_of(step) {
        seconds @ 600..3_600 => format!("{}m", seconds / 60),
        seconds => span(Duration::from_secs(seconds)),
    }
}

/// Rounds up, so that a countdown shows zero only when it is over.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

// The counts.

/// Returns the counts that are not zero.
fn counts(tally: &Tally) -> Vec<Piece> {
    let plain = |(count, what): (u64, &str)| (count > 0).then(|| Piece::new(counted(count, what)));
    let on_wire = if tally.ended().is_some() { "without an answer" } else { UnderWay::ON_THE_WIRE };
    let before = plain((tally.settled_before(), "settled before"));
    let outcomes = Outcome::ALL.into_iter().filter_map(|outcome| of_outcome(tally, outcome));
    let under_way = [
        (tally.on_wire(), on_wire),
        (tally.waiting(), UnderWay::WAITING),
        (tally.arrived(), "arrived"),
        (tally.settling(), "settling"),
        (tally.stuck(), "stuck"),
    ];
    before.into_iter().chain(outcomes).chain(under_way.into_iter().filter_map(plain)).collect()
}

fn of_outcome(tally: &Tally, outcome: Outcome) -> Option<Piece> {
    let (what, colour) = match outcome {
        Outcome::Succeeded => ("ok", Colour::Green),
        Outcome::Partial => ("partial", Colour::Yellow),
        Outcome::Failed => ("failed", Colour::Red),
        Outcome::Ambiguous => ("ambiguous", Colour::Magenta),
        Outcome::Unchanged => ("unchanged", Colour::Green),
        Outcome::NotAttempted => ("not attempted", Colour::Yellow),
    };
    let count = tally.outcomes()[outcome];
    (count > 0).then(|| Piece::coloured(counted(count, what), colour))
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}", grouped(count))
}

// The notice of an unusual condition.

fn notice(tally: &Tally, now: Timestamp) -> Option<String> {
    if let Some(stats) = tally.ended() {
        let elapsed = span(tally.elapsed(now));
        return Some(match &stats.stopped {
            None => format!("done in {elapsed}"),
            Some(reason) => format!("stopped after {elapsed}: {}", why_stopped(reason)),
        });
    }
    if let Some((done, all)) = tally.drilling() {
        return Some(drilling(done, all));
    }
    // The most final condition wins: a run that stops ignores its pause, and a pause its hold.
    let stopping = tally.stopping().map(|reason| stopping(reason, tally.on_wire()));
    let paused = || tally.paused_since().map(paused);
    let own = stopping.or_else(paused).or_else(|| tally.hold().map(|hold| held(tally, hold, now)));
    // Beside any other one: whoever reads this can end it.
    let notices: Vec<_> = own.into_iter().chain(tally.store_wait().map(store_waits)).collect();
    (!notices.is_empty()).then(|| notices.join("; "))
}

/// Returns the text for a wait of the store.
pub(super) fn store_waits(wait: &StoreWait) -> String {
    let (place, until) = (printable(&wait.place, TROUBLE_COLUMNS), time_of_day(wait.until));
    let (what, that) = match wait.cause {
        WaitCause::NoRoom => (format!("no space is left in {place}"), "there is"),
        WaitCause::DatabaseAway => (format!("the database {place} cannot be used"), "it can"),
    };
    format!("{what}: nothing new is sent until {that}; otherwise the run ends here at {until}")
}

/// Returns the text for the end of a wait of the store.
pub(super) fn store_goes_on(cause: WaitCause) -> &'static str {
    match cause {
        WaitCause::NoRoom => "there is room for the run store again: going on",
        WaitCause::DatabaseAway => "the database can be used again: going on",
    }
}

fn paused(since: Timestamp) -> String {
    format!("paused by hand since {}", time_of_day(since))
}

/// Returns the text for the progress of looking into tasks.
pub(super) fn drilling(done: u64, all: u64) -> String {
    let tasks = plural(all, "task", "tasks");
    let done = if done == 0 { String::new() } else { format!("{} of ", grouped(done)) };
    format!("looking into {done}{tasks} whose outcome is not good")
}

/// Returns the text for a change by an operator.
pub(super) fn changed(change: Change, by: Operator) -> String {
    match change {
        Change::Paused => format!("paused by {by}: nothing new is sent"),
        Change::Resumed => format!("going on, as {by} asked"),
        Change::Rate(None) => format!("no rate limit any more, as {by} asked"),
        Change::Rate(Some(limit)) => format!("rate {limit} from now on, as {by} asked"),
        Change::Concurrency(most) => format!("{most} at a time from now on, as {by} asked"),
        Change::Drained => format!("draining, as {by} asked"),
    }
}

/// Returns the text for the progress of a survey.
pub(super) fn reading(tally: &Tally) -> String {
    // For pages of a list as for single states: which they are is the service's to say.
    let requests = plural(tally.pages(), "request", "requests");
    format!("reading the states of the tasks: {requests}")
}

/// Returns the text for the result of a survey.
pub(super) fn surveyed(counts: &SurveyCounts) -> String {
    let parts = [
        (counts.will_change, "to change"),
        (counts.unchanged, "there already"),
        (counts.confirmed, "no longer in doubt"),
        (counts.in_trouble, "in trouble"),
        (counts.unknown, "unknown to the project"),
        (counts.unread, "not read"),
    ];
    let shown = parts.into_iter().filter(|&(count, _)| count > 0);
    let shown: Vec<String> = shown.map(|(count, what)| counted(count, what)).collect();
    format!("the states were read: {}", shown.join(", "))
}

/// Returns the text for a run that stops: the reason, and the calls it still waits for.
pub(super) fn stopping(reason: &StopReason, on_wire: u64) -> String {
    let why = why_stopped(reason);
    match on_wire {
        0 => format!("stopping: {why}"),
        _ => {
            format!("stopping: {why}; {} on the wire may finish", plural(on_wire, "call", "calls"))
        }
    }
}

/// Returns the text for a hold: its reason and its end, and during an outage the last error.
pub(super) fn held(tally: &Tally, hold: Hold, now: Timestamp) -> String {
    let why = match hold.reason {
        HoldReason::Throttled => "the service asked for fewer calls".into(),
        HoldReason::Away => "the service is away, one call at a time asks for it".into(),
        HoldReason::WavePause => wave_is_over(tally),
        // No end is shown, because the time of a renewal is unknown.
        HoldReason::Credentials => return "the credentials are being renewed".into(),
    };
    let until = match whole_seconds(hold.until.since(now)) {
        0 => "now".to_owned(),
        left => {
            format!("in {}, at {}", span(Duration::from_secs(left)), time_of_day(hold.until))
        }
    };
    let seen = tally.trouble().filter(|_| hold.reason == HoldReason::Away);
    let seen = seen.map(last_seen).unwrap_or_default();
    format!("{why}: going on {until}{seen}")
}

/// Returns the text for the pause after a wave.
fn wave_is_over(tally: &Tally) -> String {
    match tally.wave() {
        Some(it) => format!("pause after wave {} of {}", it.wave, it.of),
        // A resumed run begins within the pause.
        None => "pause between two waves".into(),
    }
}

/// Returns the text for the beginning of a wave.
pub(super) fn wave(wave: WaveStarted) -> String {
    let tasks = plural(wave.end, "task is", "tasks are");
    format!("wave {} of {}: until {tasks} sent", wave.wave, wave.of)
}

fn last_seen(trouble: &Trouble) -> String {
    let message = printable(&trouble.message, TROUBLE_COLUMNS);
    let status = trouble.http_status.map(|status| format!("HTTP {status}: ")).unwrap_or_default();
    format!("; last seen: {status}{message}")
}

fn why_stopped(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::Interrupted => "interrupted",
        StopReason::Terminated => "terminated",
        StopReason::TooManyFailures => "too many tasks failed",
        StopReason::OutOfTime => "out of time",
        StopReason::NotAuthorised => "the credentials were refused",
        StopReason::ProxyRefused => "the proxy refused to pass calls on",
        StopReason::Outage => "the service was away for too long",
        StopReason::Throttled => "the service throttled for too long",
        StopReason::CanaryFailed => "a task of the canary did not succeed",
        StopReason::WaveFailed => "a task of the wave did not succeed",
        StopReason::Drained => "asked to drain",
        StopReason::RateGroupLost => "the file of the rate group cannot be used",
    }
}

/// Returns the time without its day, such as `12:00:42 UTC`.
fn time_of_day(at: Timestamp) -> String {
    let seconds = at.as_micros().div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
