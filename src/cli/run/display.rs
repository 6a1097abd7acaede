//! Which displays watch a run: a bar on a terminal, lines elsewhere, a log if asked for.

use crate::cli::flags::output::{DisplayArgs, ProgressChoice};
use crate::cli::output::stream::{Audience, Stderr, standard_error};
use crate::cli::process::environment::Environment;
use crate::cli::run::log_file::LogFile;
use batchctl::clock::{Clock, Timestamp};
use batchctl::event::{Event, StopReason, StoreWait, Watch};
use batchctl::progress::{
    AsciiTerminal, Bar, Lines, Log, LogFormat, Tally, TargetTallies, Verbosity, render_line,
};
use batchctl::task::{Outcome, Rate};
use batchctl::text::whole_millis;
use console::Term;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What watches a run, and how to say something beside it.
pub(crate) struct Displays {
    pub(crate) watchers: Vec<Box<dyn Watch>>,
    pub(crate) talk: Talk,
    pub(crate) live_status: LiveStatus,
    /// Where keys can say something, if there are any.
    pub(crate) keys_to: Option<Box<dyn Write + Send>>,
}

/// The state of the run, as far as it is recorded.
#[derive(Clone)]
pub(crate) struct LiveStatus {
    tallies: Arc<Mutex<TargetTallies>>,
    clock: Clock,
}

/// The numbers of a status that are added up over the targets.
const SUMS: [&str; 8] = [
    "selected",
    "done",
    "settled_before",
    "attempts",
    "on_wire",
    "waiting",
    "rate_per_second",
    "concurrency",
];

impl LiveStatus {
    /// Returns the names of the targets that have begun, in a run of several.
    pub(crate) fn targets(&self) -> Vec<Arc<str>> {
        lock(&self.tallies).targets().iter().map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Returns whether the run is paused; one of several targets if each of them is.
    pub(crate) fn is_paused(&self) -> bool {
        let tallies = lock(&self.tallies);
        match tallies.targets() {
            [] => tallies.whole().paused_since().is_some(),
            targets => targets.iter().all(|(_, it)| it.paused_since().is_some() || is_over(it)),
        }
    }

    pub(crate) fn rate_limit(&self) -> Option<Rate> {
        lock(&self.tallies).whole().rate_limit()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says it in a line, or in one for each target.
    fn line(&self) -> String {
        let (tallies, now) = (lock(&self.tallies), self.clock.now());
        let line =
            |(name, tally): &(Arc<str>, Tally)| format!("{name}: {}", render_line(tally, now));
        match tallies.targets() {
            [] => render_line(tallies.whole(), now),
            targets => targets.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Says it to programs; fields are only ever added.
    pub(crate) fn status(&self) -> Value {
        let (line, now) = (self.line(), self.clock.now());
        let tallies = lock(&self.tallies);
        let mut whole = status_of(tallies.whole(), now);
        if tallies.targets().is_empty() {
            return whole;
        }
        let targets: Vec<(&str, Value)> =
            tallies.targets().iter().map(|(name, it)| (&**name, status_of(it, now))).collect();
        let sum = |of: &dyn Fn(&Value) -> f64| targets.iter().map(|(_, it)| of(it)).sum::<f64>();
        for name in SUMS {
            let sum = sum(&|it| it[name].as_f64().unwrap_or_default());
            whole[name] = if name == "rate_per_second" { sum.into() } else { (sum as u64).into() };
        }
        for outcome in Outcome::ALL.map(Outcome::as_str) {
            let sum = sum(&|it| it["outcomes"][outcome].as_f64().unwrap_or_default());
            whole["outcomes"][outcome] = (sum as u64).into();
        }
        // As long as one of them sends, the run does.
        let states = targets.iter().map(|(_, it)| it["state"].as_str().unwrap_or_default());
        let order = ["running", "held", "paused", "starting", "stopping"];
        let rank = |state: &&str| order.iter().position(|it| it == state);
        whole["state"] = states.min_by_key(rank).unwrap_or_default().into();
        whole["line"] = line.replace('\n', "; ").into();
        let targets = targets.into_iter().map(|(name, it)| (name.to_owned(), it));
        whole["targets"] = Map::from_iter(targets).into();
        whole
    }
}

fn is_over(tally: &Tally) -> bool {
    tally.ended().is_some()
}

fn held(reason: &str, since: Timestamp, until: Timestamp) -> Value {
    json!({ "reason": reason, "since": since.to_string(), "until": until.to_string() })
}

/// Says the state of one tally to programs.
fn status_of(tally: &Tally, now: Timestamp) -> Value {
    // The tally counts per window of the limit; programs get calls per second.
    let window = tally.rate_limit().map_or(1.0, |limit| limit.window.as_secs_f64());
    let outcomes =
        Outcome::ALL.map(|outcome| (outcome.as_str().into(), tally.outcomes()[outcome].into()));
    let hold = tally.hold().map(|hold| held(hold.reason.as_str(), hold.since, hold.until));
    // No hold ends as long as the store waits.
    let waits = tally.store_wait().map(|wait| held(wait.cause.as_str(), wait.since, wait.until));
    json!({
        "state": state(tally),
        "line": render_line(tally, now),
        "selected": tally.selected(),
        "done": tally.done(),
        "settled_before": tally.settled_before(),
        "outcomes": Map::from_iter(outcomes),
        "attempts": tally.attempts(),
        "on_wire": tally.on_wire(),
        "waiting": tally.waiting(),
        "rate_limit": tally.rate_limit().map(|limit| limit.to_string()),
        "rate_per_second": (tally.rate(now) / window * 1_000.0).round() / 1_000.0,
        "set_by_service": tally.service_limit().per_second.map(|limit| (limit * 1_000.0).round() / 1_000.0),
        "at_a_time_set_by_service": tally.service_limit().at_a_time,
        "concurrency": tally.concurrency(),
        "held": waits.or(hold),
        "paused_since": tally.paused_since().map(|since| since.to_string()),
        "stopping": tally.stopping().map(StopReason::as_str),
        "elapsed_ms": whole_millis(tally.elapsed(now)),
        "eta_ms": tally.eta(now).map(whole_millis),
    })
}

fn state(tally: &Tally) -> &'static str {
    if !tally.has_started() {
        return "starting";
    }
    // A stopping run may still be paused or held; that it ends is the news.
    if tally.stopping().is_some() || tally.ended().is_some() {
        return "stopping";
    }
    let is_held = tally.hold().is_some() || tally.store_wait().is_some();
    match tally.paused_since() {
        Some(_) => "paused",
        None if is_held => "held",
        None => "running",
    }
}

/// Says lines to the operator without disturbing the display.
pub(crate) struct Talk {
    out: Box<dyn Write + Send>,
    live_status: LiveStatus,
}

impl Talk {
    pub(crate) fn line(&mut self, text: &str) {
        // If standard error is gone, there is no stream left to report that on.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// Prints the state of the run.
    pub(crate) fn status(&mut self) {
        let line = self.live_status.line();
        self.line(&line);
    }
}

/// Returns the displays that the flags ask for.
///
/// The log file is one of them: it records every attempt as JSON.
pub(crate) fn open(
    args: &DisplayArgs,
    log_file: Option<LogFile>,
    environment: &Environment,
    stderr: &Stderr,
    clock: Clock,
) -> Displays {
    let tallies = Arc::new(Mutex::new(TargetTallies::default()));
    let count = Counting(Arc::clone(&tallies));
    // The tally comes first, so that keys and `ctl` see an event before it is drawn.
    let mut watchers: Vec<Box<dyn Watch>> = vec![Box::new(count)];
    let mut keys_to: Option<Box<dyn Write + Send>> = None;
    let (log_to, talk_to): (Box<dyn Write + Send>, Box<dyn Write + Send>) =
        match mode(args, environment, stderr) {
            DisplayMode::Bar => {
                let terminal = Term::buffered_stderr();
                let mut bar = if environment.shows_ascii_alone() {
                    Bar::new(AsciiTerminal(terminal), stderr.style, clock)
                } else {
                    Bar::new(terminal, stderr.style, clock)
                };
                if has_keys(environment) {
                    bar.remark("? for keys");
                    keys_to = Some(Box::new(bar.above()));
                }
                // Lines must go above the bar, because it redraws its own lines in place.
                let (log_to, talk_to) = (bar.above(), bar.above());
                watchers.push(Box::new(bar));
                (Box::new(log_to), Box::new(talk_to))
            }
            DisplayMode::Lines => {
                watchers.push(Box::new(Lines::new(standard_error())));
                (standard_error(), standard_error())
            }
            DisplayMode::Nothing => (standard_error(), standard_error()),
        };
    if let Some(log_file) = log_file {
        let log = Log::new(Box::new(log_file), Verbosity::Attempts, LogFormat::Json);
        watchers.push(Box::new(log));
    }
    let verbosity = verbosity(args.verbose).filter(|_| !is_for_cron(stderr));
    if let Some(verbosity) = verbosity {
        watchers.push(Box::new(Log::new(log_to, verbosity, args.log_format)));
    }
    let live_status = LiveStatus { tallies, clock };
    let talk = Talk { out: talk_to, live_status: live_status.clone() };
    Displays { watchers, talk, live_status, keys_to }
}

/// Counts events, of a run or of its targets.
struct Counting(Arc<Mutex<TargetTallies>>);

impl Watch for Counting {
    fn on_events(&mut self, events: &[Event]) {
        lock(&self.0).take(None, events);
    }

    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        lock(&self.0).take(Some(target), events);
    }

    fn on_settled_by_all(&mut self, settled: u64, now: Timestamp) {
        lock(&self.0).settled_by_all(None, settled, now);
    }

    fn on_target_settled_by_all(&mut self, target: &Arc<str>, settled: u64, now: Timestamp) {
        lock(&self.0).settled_by_all(Some(target), settled, now);
    }

    fn on_store_wait(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        lock(&self.0).wait_for_store(None, wait, now);
    }

    fn on_target_store_wait(
        &mut self,
        target: &Arc<str>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        lock(&self.0).wait_for_store(Some(target), wait, now);
    }
}

/// Takes the tally even after a panic elsewhere: counting leaves it whole at every step.
fn lock(tallies: &Mutex<TargetTallies>) -> MutexGuard<'_, TargetTallies> {
    tallies.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether a person sees the bar and can press keys.
fn has_keys(environment: &Environment) -> bool {
    environment.stdin_is_terminal && environment.stderr_is_terminal
}

enum DisplayMode {
    Bar,
    Lines,
    Nothing,
}

fn mode(args: &DisplayArgs, environment: &Environment, stderr: &Stderr) -> DisplayMode {
    let dumb = environment.variable("TERM").is_none_or(|term| term == "dumb");
    let is_terminal = environment.stderr_is_terminal && !dumb;
    // A log that machines read is not mixed with lines for people.
    let machine_log = args.verbose > 0 && args.log_format == LogFormat::Json;
    match args.progress {
        _ if is_for_cron(stderr) => DisplayMode::Nothing,
        ProgressChoice::None => DisplayMode::Nothing,
        ProgressChoice::Bar => DisplayMode::Bar,
        ProgressChoice::Auto if args.quiet || machine_log => DisplayMode::Nothing,
        ProgressChoice::Auto if is_terminal => DisplayMode::Bar,
        ProgressChoice::Auto | ProgressChoice::Lines => DisplayMode::Lines,
    }
}

fn is_for_cron(stderr: &Stderr) -> bool {
    stderr.audience == Audience::Cron
}

fn verbosity(count: u8) -> Option<Verbosity> {
    match count {
        0 => None,
        1 => Some(Verbosity::Tasks),
        2.. => Some(Verbosity::Attempts),
    }
}
