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
                // Nothing is held.
                Some(Control::GiveBack) => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Operator;
    use std::time::Duration;
    use tokio::time::sleep;

    const LONG: Duration = Duration::from_secs(3_600);

    fn change(change: Change) -> (Control, oneshot::Receiver<ChangeAnswer>) {
        let (answer, answered) = oneshot::channel();
        (Control::Change { change, by: Operator::Key, answer: Some(answer) }, answered)
    }

    #[tokio::test(start_paused = true)]
    async fn each_order_to_stop_ends_the_work_with_its_reason() {
        let (drain, answered) = change(Change::Drained);
        for (order, expected) in [
            (Control::Stop(StopReason::Terminated), StopReason::Terminated),
            (Control::Abandon, StopReason::Interrupted),
            (drain, StopReason::Drained),
        ] {
            let (sender, orders) = mpsc::unbounded_channel();
            sender.send(order).unwrap();
            let stopped = ControlRouter::new(orders).unless_stopped(sleep(LONG)).await;
            assert_eq!(stopped, Err(expected));
        }
        assert_eq!(answered.await, Ok(ChangeAnswer::Changed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_what_is_not_under_way_is_told_and_the_work_goes_on_without_senders() {
        let (sender, orders) = mpsc::unbounded_channel();
        let (pause, answered) = change(Change::Paused);
        sender.send(pause).unwrap();
        drop(sender);
        let done = ControlRouter::new(orders).unless_stopped(sleep(LONG)).await;
        assert_eq!((done, answered.await), (Ok(()), Ok(ChangeAnswer::NotNow)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_orders_itself_gets_all_of_them() {
        let (sender, orders) = mpsc::unbounded_channel();
        let mut router = ControlRouter::new(orders);
        sender.send(Control::Stop(StopReason::Terminated)).unwrap();
        sender.send(Control::Abandon).unwrap();
        drop(sender);
        let taken = router.beside(async |mut orders| {
            let (first, second) = (orders.recv().await, orders.recv().await);
            matches!(first, Some(Control::Stop(StopReason::Terminated)))
                && matches!(second, Some(Control::Abandon))
        });
        assert!(taken.await);
    }
}
