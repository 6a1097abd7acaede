//! Turns signals into what is asked of the engine: stop, then stop at once.

use batchctl::engine::Control;
use batchctl::event::StopReason;
use std::io;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;

/// Obeys signals from now on: the first stops the run, the next gives up what is on the wire.
///
/// Must be called within a runtime.
pub(super) fn obey(control: mpsc::UnboundedSender<Control>) -> io::Result<()> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    tokio::spawn(relay(interrupt, terminate, control));
    Ok(())
}

async fn relay(
    mut interrupt: Signal,
    mut terminate: Signal,
    control: mpsc::UnboundedSender<Control>,
) {
    let mut asked = false;
    loop {
        let reason = tokio::select! {
            _ = interrupt.recv() => StopReason::Interrupted,
            _ = terminate.recv() => StopReason::Terminated,
        };
        let control_message = if asked { Control::Abandon } else { Control::Stop(reason) };
        asked = true;
        if control.send(control_message).is_err() {
            // The run is over; what follows it takes no orders.
            return;
        }
    }
}
