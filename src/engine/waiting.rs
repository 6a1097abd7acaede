//! Tasks that wait for their next attempt. A waiting task holds no slot.

use crate::clock::Instant;
use futures::FutureExt;
use std::collections::VecDeque;
use tokio_util::time::DelayQueue;

/// Tasks that are due at some time, those that are due already, and those that the service told
/// to wait.
pub(super) struct Waiting<T> {
    later: DelayQueue<T>,
    due: VecDeque<T>,
    held: VecDeque<T>,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Self { later: DelayQueue::new(), due: VecDeque::new(), held: VecDeque::new() }
    }

    /// Keeps a task until then.
    pub(super) fn until(&mut self, due: Instant, task: T) {
        self.later.insert_at(task, due);
    }

    /// Keeps a task until the whole run goes on; the last one that was told so goes first.
    pub(super) fn hold(&mut self, task: T) {
        self.held.push_front(task);
    }

    /// Keeps a task that was taken back until the run goes on; those that were taken back before
    /// go before it.
    pub(super) fn keep_back(&mut self, task: T) {
        self.held.push_back(task);
    }

    /// Takes the next task that was held with the run.
    pub(super) fn take_held(&mut self) -> Option<T> {
        self.held.pop_front()
    }

    /// Takes the next task whose own wait is over.
    pub(super) fn take_due(&mut self) -> Option<T> {
        self.due.pop_front()
    }

    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Brings the first due task of that kind to the front, if there is one.
    pub(super) fn bring_forward(&mut self, wanted: impl Fn(&T) -> bool) {
        let index = self.due.iter().position(wanted);
        self.due.rotate_left(index.unwrap_or(0));
    }

    pub(super) fn len(&self) -> usize {
        self.later.len() + self.due.len() + self.held.len()
    }

    /// Moves every task whose time has come to those that are due.
    pub(super) fn gather_due(&mut self) {
        while self.fall_due().now_or_never().is_some() {}
    }

    /// Waits until one more task is due; for ever if none waits.
    ///
    /// Nothing is lost when the future is dropped.
    pub(super) async fn fall_due(&mut self) {
        let expired = std::future::poll_fn(|context| self.later.poll_expired(context)).await;
        match expired {
            Some(expired) => self.due.push_back(expired.into_inner()),
            None => std::future::pending().await,
        }
    }
}
