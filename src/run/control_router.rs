//! Routes control messages (stop, pause, …) to the phase that is running.

use crate::engine::{ChangeAnswer, Control};
use crate::event::{Change, StopReason};
use tokio::sync::{mpsc, oneshot};

/// The receiver of a run's control messages.
pub(crate) struct ControlRouter {
    orders: mpsc::UnboundedReceiver<Control>,
}

impl ControlRouter {
    pub(crate) fn new(orders: mpsc::UnboundedReceiver<Control>) -> Self {
        Self { orders }
    }

    /// Does some work until an order stops the run; the work is dropped then.
    pub(crate) async fn unless_stopped<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, StopReason> {
        tokio::select! {
            // An order that came in while the work ended still stops the run.
            biased;
            reason = self.stopped() => Err(reason),
            done = work => Ok(done),
        }
    }

    async fn stopped(&mut self) -> StopReason {
        loop {
            match self.orders.recv().await {
                Some(Control::Stop(reason)) => return reason,
                Some(Control::Abandon) => return StopReason::Interrupted,
                Some(Control::Change { change: Change::Drained, answer, .. }) => {
                    notify(answer, ChangeAnswer::Changed);
                    return StopReason::Drained;
                }
                Some(Control::Change { answer, .. }) => notify(answer, ChangeAnswer::NotNow),
                // All senders are gone: no order can come any more, and the work goes on.
                None => std::future::pending().await,
            }
        }
    }

    /// Does some work that receives the orders itself.
    pub(crate) async fn beside<T>(
        &mut self,
        work: impl AsyncFnOnce(mpsc::UnboundedReceiver<Control>) -> T,
    ) -> T {
        let (sender, orders) = mpsc::unbounded_channel();
        tokio::select! {
            biased;
            () = pass_on(&mut self.orders, sender) => unreachable!("orders are passed on for ever"),
            done = work(orders) => done,
        }
    }
}

fn notify(client: Option<oneshot::Sender<ChangeAnswer>>, answer: ChangeAnswer) {
    if let Some(client) = client {
        // The client may have gone meanwhile.
        let _ = client.send(answer);
    }
}

async fn pass_on(
    orders: &mut mpsc::UnboundedReceiver<Control>,
    receiver: mpsc::UnboundedSender<Control>,
) {
    while let Some(order) = orders.recv().await {
        // A phase that receives nothing any more is about to end.
        let _ = receiver.send(order);
    }
    std::future::pending::<()>().await;
}
