//! Passes the orders for a run of several targets on to them.
//!
//! An order never waits for the answer to the one before it, so that a target that is busy cannot
//! keep a stop from the others.

use crate::engine::{ChangeAnswer, Control};
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};

/// The orders for a run of several targets.
#[derive(Debug)]
pub struct TargetOrders {
    /// Those for all of them.
    pub all: mpsc::UnboundedReceiver<Control>,
    /// Those for one of them, with its name.
    pub one: mpsc::UnboundedReceiver<(String, Control)>,
}

/// Where a target receives its orders, with its name.
pub(super) type OrderSender = (String, mpsc::UnboundedSender<Control>);

/// Gives every target the orders that are for it, and answers with what became of them.
pub(super) async fn share_out(mut orders: TargetOrders, targets: Vec<OrderSender>) {
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(order) = orders.all.recv() => answers.extend(give(order, &targets)),
            Some((name, order)) = orders.one.recv() => {
                if let Some(target) = targets.iter().find(|(target, _)| *target == name) {
                    answers.extend(give(order, std::slice::from_ref(target)));
                }
            }
            Some(()) = answers.next() => {}
            // All senders are gone: no order can come any more.
            else => std::future::pending().await,
        }
    }
}

/// Gives an order to some targets; returns the wait for their answers, if somebody waits for one.
fn give(order: Control, targets: &[OrderSender]) -> Option<BoxFuture<'static, ()>> {
    // A target that receives nothing any more has ended.
    let each = |order: &dyn Fn() -> Control| {
        targets.iter().for_each(|(_, target)| drop(target.send(order())));
    };
    match order {
        Control::Stop(reason) => each(&|| Control::Stop(reason)),
        Control::Abandon => each(&|| Control::Abandon),
        Control::GiveBack => each(&|| Control::GiveBack),
        Control::Change { change, by, answer: None } => {
            each(&|| Control::Change { change, by, answer: None });
        }
        Control::Change { change, by, answer: Some(client) } => {
            let asked = targets.iter().map(|(_, target)| {
                let (sender, answer) = oneshot::channel();
                drop(target.send(Control::Change { change, by, answer: Some(sender) }));
                answer
            });
            let asked: Vec<_> = asked.collect();
            let answered = async {
                let answers: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
                if let Some(answer) = in_one(&answers) {
                    // The client may have gone meanwhile.
                    let _ = client.send(answer);
                }
            };
            return Some(answered.boxed());
        }
    }
    None
}

/// Returns the answer of all targets: a change that holds for one of them is one.
fn in_one(answers: &[ChangeAnswer]) -> Option<ChangeAnswer> {
    let order = [
        ChangeAnswer::Changed,
        ChangeAnswer::AsBefore,
        ChangeAnswer::NotNow,
        ChangeAnswer::Stopping,
    ];
    order.into_iter().find(|answer| answers.contains(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Change, Operator, StopReason};

    /// Two targets, of which only the second one answers.
    #[tokio::test]
    async fn a_target_that_does_not_answer_keeps_no_stop_from_the_others() {
        let (all_sender, all) = mpsc::unbounded_channel();
        let (one_sender, one) = mpsc::unbounded_channel();
        let (silent, mut silent_orders) = mpsc::unbounded_channel();
        let (other, mut other_orders) = mpsc::unbounded_channel();
        let targets = vec![("silent".to_owned(), silent), ("other".to_owned(), other)];
        let (client, _answer) = oneshot::channel();
        let (change, by) = (Change::Paused, Operator::Key);
        all_sender.send(Control::Change { change, by, answer: Some(client) }).unwrap();
        all_sender.send(Control::Stop(StopReason::Interrupted)).unwrap();
        one_sender.send(("other".to_owned(), Control::Abandon)).unwrap();
        let served = async {
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(other_orders.recv().await.unwrap());
            }
            seen
        };
        let seen = tokio::select! {
            () = share_out(TargetOrders { all, one }, targets) => unreachable!(),
            seen = served => seen,
        };
        assert!(matches!(seen[..], [Control::Change { .. }, Control::Stop(_), Control::Abandon]));
        let first = silent_orders.recv().await;
        assert!(matches!(first, Some(Control::Change { answer: Some(_), .. })));
        assert!(matches!(silent_orders.recv().await, Some(Control::Stop(_))));
        assert!(silent_orders.recv().await.is_none(), "an order for another target came in");
    }
}
