//! Passes on what is asked of a run to whichever part of it is at work.

use crate::engine::{ChangeAnswer, Control};
use crate::event::{Change, StopReason};
use tokio::sync::{mpsc, oneshot};

/// Where what is asked of a run comes in.
pub(crate) struct ControlRouter {
    orders: mpsc::UnboundedReceiver<Control>,
}

impl ControlRouter {
    pub(crate) fn new(orders: mpsc::UnboundedReceiver<Control>) -> Self {
        Self { orders }
    }

    /// Does some work until somebody asks the run to stop: then it is dropped.
    pub(crate) async fn unless_stopped<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, StopReason> {
        tokio::select! {
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
                    tell(answer, ChangeAnswer::Changed);
                    return StopReason::Drained;
                }
                Some(Control::Change { answer, .. }) => tell(answer, ChangeAnswer::NotNow),
                None => std::future::pending().await,
            }
        }
    }

    /// Does some work that takes what is asked by itself.
    pub(crate) async fn beside<T>(
        &mut self,
        work: impl AsyncFnOnce(mpsc::UnboundedReceiver<Control>) -> T,
    ) -> T {
        let (way_in, orders) = mpsc::unbounded_channel();
        tokio::select! {
            biased;
            () = pass_on(&mut self.orders, way_in) => unreachable!("orders are passed on for ever"),
            done = work(orders) => done,
        }
    }
}

fn tell(asker: Option<oneshot::Sender<ChangeAnswer>>, answer: ChangeAnswer) {
    // Who asked may have gone meanwhile.
    asker.map(|asker| asker.send(answer));
}

async fn pass_on(
    orders: &mut mpsc::UnboundedReceiver<Control>,
    way_in: mpsc::UnboundedSender<Control>,
) {
    while let Some(order) = orders.recv().await {
        // Whoever does not take it any more has come to its end.
        let _ = way_in.send(order);
    }
    std::future::pending::<()>().await;
}
