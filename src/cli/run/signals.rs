//! Turns signals into control messages for the engine: stop, then stop at once.
//!
//! Says at once what it does. SIGHUP stays ignored if it was when the process started (`nohup`);
//! SIGINT does not: a script's background job would else never hear of it.

use crate::cli::process::environment::Environment;
use crate::cli::run::display::Talk;
use batchctl::engine::Control;
use batchctl::event::StopReason;
#[cfg(feature = "postgres")]
use batchctl::report::ExitStatus;
use batchctl::system::signals::{Signal, SignalKind, flag, signal};
use batchctl::text::flag_span;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;

/// The signals that are obeyed while a run is carried out.
struct ObeyedSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
    status: Signal,
}

/// What a signal asks for.
enum SignalRequest {
    Stop(StopReason, &'static str),
    Status,
}

/// Obeys signals from now on: the first that stops lets what is on the wire finish, the next gives
/// it up; SIGUSR1 asks for a line of status.
///
/// Must be called within a runtime.
pub(crate) fn obey(
    environment: &Environment,
    control: mpsc::UnboundedSender<Control>,
    talk: Talk,
    drain_timeout: Duration,
) -> io::Result<()> {
    switch().is_over.store(false, Ordering::SeqCst);
    // `nohup` ignores SIGHUP, and a handler would undo that.
    let hang_up = SignalKind::hangup();
    let signals = ObeyedSignals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hang_up: if environment.ignores(hang_up.as_raw_value()) {
            None
        } else {
            Some(signal(hang_up)?)
        },
        status: signal(SignalKind::user_defined1())?,
    };
    note_stops(environment)?;
    tokio::spawn(relay(signals, control, talk, drain_timeout));
    Ok(())
}

/// Lets signals end the process at once again, as they end one that does not listen for them.
///
/// A run that is over has nothing to lose: its report can be had again, any time.
pub(crate) fn obey_no_longer(environment: &Environment) -> io::Result<()> {
    let switch = switch();
    switch.is_over.store(true, Ordering::SeqCst);
    if switch.is_registered.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let hang_up = SignalKind::hangup().as_raw_value();
    let hang_up = (!environment.ignores(hang_up)).then_some(hang_up);
    let ends = [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| kind.as_raw_value());
    for signal in ends.into_iter().chain(hang_up) {
        flag::register_conditional_default(signal, Arc::clone(&switch.is_over))?;
    }
    Ok(())
}

/// Returns the status of a process that was told to stop, also if that came too late for its run.
///
/// Only a worker asks, which has another run before it.
#[cfg(feature = "postgres")]
pub(crate) fn asked_to_stop() -> Option<ExitStatus> {
    match switch().asked.load(Ordering::SeqCst) {
        0 => None,
        INTERRUPT => Some(ExitStatus::Interrupted),
        _ => Some(ExitStatus::Terminated),
    }
}

/// Whether signals end the process at once: a worker has one run after the other.
#[derive(Default)]
struct Switch {
    is_over: Arc<AtomicBool>,
    is_registered: AtomicBool,
    /// The last signal that asked to stop: 0 for none.
    asked: Arc<AtomicUsize>,
}

/// `SIGINT` among the signals that ask to stop.
#[cfg(feature = "postgres")]
const INTERRUPT: usize = 2;

/// Returns the switch of this process, for which signals are noted from the first call on.
fn switch() -> &'static Switch {
    static SWITCH: OnceLock<Switch> = OnceLock::new();
    SWITCH.get_or_init(Switch::default)
}

/// Notes the signals that ask to stop, because one that comes when a run has just ended reaches no
/// run.
fn note_stops(environment: &Environment) -> io::Result<()> {
    static NOTED: OnceLock<()> = OnceLock::new();
    if NOTED.set(()).is_err() {
        return Ok(());
    }
    let hang_up = Some(SignalKind::hangup());
    let hang_up = hang_up.filter(|kind| !environment.ignores(kind.as_raw_value()));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hang_up) {
        let signal = kind.as_raw_value();
        let number = usize::try_from(signal).unwrap_or(usize::MAX);
        flag::register_usize(signal, Arc::clone(&switch().asked), number)?;
    }
    Ok(())
}

async fn relay(
    mut signals: ObeyedSignals,
    control: mpsc::UnboundedSender<Control>,
    mut talk: Talk,
    drain_timeout: Duration,
) {
    let mut stopping = false;
    loop {
        let order = match signals.next().await {
            SignalRequest::Status => {
                talk.status();
                continue;
            }
            SignalRequest::Stop(_, name) if stopping => {
                talk.line(&format!(
                    "{name} again: stopping at once; what is on the wire stays in doubt"
                ));
                Control::Abandon
            }
            SignalRequest::Stop(reason, name) => {
                let patience = flag_span(drain_timeout);
                talk.line(&format!(
                    "{name}: nothing new is sent; up to {patience} for what is on the wire; \
                     once more stops at once"
                ));
                Control::Stop(reason)
            }
        };
        stopping = true;
        if control.send(order).is_err() {
            // The run is over; what follows it takes no orders.
            return;
        }
    }
}

impl ObeyedSignals {
    async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.interrupt.recv() => SignalRequest::Stop(StopReason::Interrupted, "SIGINT"),
            _ = self.terminate.recv() => SignalRequest::Stop(StopReason::Terminated, "SIGTERM"),
            () = arrival(&mut self.hang_up) => SignalRequest::Stop(StopReason::Terminated, "SIGHUP"),
            _ = self.status.recv() => SignalRequest::Status,
        }
    }
}

/// Waits for a signal; for ever for one that is not obeyed.
async fn arrival(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
