//! Tasks that wait for their next attempt. A waiting task holds no slot.

use crate::clock::Instant;
use futures::FutureExt;
use std::collections::VecDeque;
use tokio_util::time::DelayQueue;

/// Tasks that are due at some time, and those that are due already.
pub(super) struct Waiting<T> {
    later: DelayQueue<T>,
    due: VecDeque<T>,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Self { later: DelayQueue::new(), due: VecDeque::new() }
    }

    /// Keeps a task until then.
    pub(super) fn until(&mut self, due: Instant, task: T) {
        self.later.insert_at(task, due);
    }

    /// Puts a task before all others that are due.
    pub(super) fn first(&mut self, task: T) {
        self.due.push_front(task);
    }

    /// Takes the next task that is due.
    pub(super) fn take(&mut self) -> Option<T> {
        self.due.pop_front()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.later.len() + self.due.len()
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
