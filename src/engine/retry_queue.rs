//! The tasks that wait for their next attempt. A waiting task holds no slot.

use crate::clock::Instant;
use futures::FutureExt;
use std::collections::VecDeque;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Expired;

/// Three queues: tasks due later, tasks due now, and tasks held until the whole run continues.
///
/// A throttled task joins the held ones when its own wait is over: it goes before others.
pub(super) struct RetryQueue<T> {
    later: DelayQueue<(Joins, T)>,
    due: VecDeque<T>,
    held: VecDeque<T>,
}

/// The queue that a task joins when its wait is over.
#[derive(Debug, Clone, Copy)]
enum Joins {
    Due,
    Held,
}

impl<T> RetryQueue<T> {
    pub(super) fn new() -> Self {
        Self { later: DelayQueue::new(), due: VecDeque::new(), held: VecDeque::new() }
    }

    /// Keeps a task until `due`.
    pub(super) fn push_until(&mut self, due: Instant, task: T) {
        self.later.insert_at((Joins::Due, task), due);
    }

    /// Keeps a throttled task until `due`.
    pub(super) fn push_throttled_until(&mut self, due: Instant, task: T) {
        self.later.insert_at((Joins::Held, task), due);
    }

    /// Holds a task until the run continues; the task held last goes first.
    pub(super) fn push_held_first(&mut self, task: T) {
        self.held.push_front(task);
    }

    /// Holds a withdrawn task until the run continues, behind all that are held already.
    pub(super) fn push_held_last(&mut self, task: T) {
        self.held.push_back(task);
    }

    /// Takes the next held task.
    pub(super) fn take_held(&mut self) -> Option<T> {
        self.held.pop_front()
    }

    /// Takes the next due task.
    pub(super) fn take_due(&mut self) -> Option<T> {
        self.due.pop_front()
    }

    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Brings the first due task that `wanted` accepts to the front, if there is one.
    pub(super) fn bring_forward(&mut self, wanted: impl Fn(&T) -> bool) {
        let index = self.due.iter().position(wanted);
        // Rotating keeps the cyclic order: the skipped tasks only move to the back.
        self.due.rotate_left(index.unwrap_or(0));
    }

    /// Drops the tasks that `is_kept` refuses.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.due.retain(&is_kept);
        self.held.retain(&is_kept);
        // A delay queue cannot be walked, so it is emptied and filled again.
        let mut kept = Vec::new();
        while let Some(first) = self.later.peek() {
            let due = self.later.deadline(&first);
            let (joins, task) = self.later.remove(&first).into_inner();
            if is_kept(&task) {
                kept.push((due, joins, task));
            }
        }
        for (due, joins, task) in kept {
            self.later.insert_at((joins, task), due);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.later.len() + self.due.len() + self.held.len()
    }

    /// Returns when the first task is due, if all of them wait for their time.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let first = self.later.peek().map(|key| self.later.deadline(&key));
        first.filter(|_| self.due.is_empty() && self.held.is_empty())
    }

    /// Moves all tasks that have become due into the queue of due tasks.
    pub(super) fn gather_due(&mut self) {
        while self.fall_due().now_or_never().is_some() {}
    }

    /// Waits until one more task is due; forever if no task waits.
    ///
    /// Cancel safe: no task is lost when the future is dropped.
    pub(super) async fn fall_due(&mut self) {
        let expired = std::future::poll_fn(|context| self.later.poll_expired(context)).await;
        match expired.map(Expired::into_inner) {
            Some((Joins::Due, task)) => self.due.push_back(task),
            Some((Joins::Held, task)) => self.held.push_back(task),
            None => std::future::pending().await,
        }
    }
}
