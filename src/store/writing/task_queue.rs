//! Hands out the tasks without an outcome, each once, in the order of the plan.
//!
//! Counts them: a task that went missing is damage and must not look like the end of the run. See
//! `docs/GLOSSARY.md`: claim.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::journal::{OrdinalMap, Place, PlanChunk};
use crate::store::codes;
use crate::store::error::damage;
use crate::store::home::Home;
use crate::store::unsettled::OpenTask;
use crate::store::writing::journal_end::JournalEnd;
use crate::task::{Ordinal, Task};
use std::collections::VecDeque;

/// A task without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledTask {
    /// The task.
    pub task: Task,
    /// The number of its attempts.
    pub attempts: u32,
    /// The number of attempts that were throttled, or refused for their credentials.
    pub throttled: u32,
    /// Whether any attempt may have been carried out.
    pub in_doubt: bool,
    /// Whether a run before may have carried it out.
    pub doubted_before: bool,
    /// The time of the first attempt.
    pub first_sent: Option<Timestamp>,
    /// The number of the last attempt.
    pub last_seq: Option<AttemptSeq>,
}

/// The tasks that are still to be handed out.
#[derive(Debug, Default)]
pub(crate) struct TaskQueue {
    /// The tasks that earlier processes have begun and not settled.
    open: OrdinalMap<OpenTask>,
    origin: Option<Timestamp>,
    /// The tasks of the chunk that was read last and are not handed out.
    ready: VecDeque<(Task, bool)>,
    /// The first chunk that was not read.
    next: u32,
    /// The number of tasks that were settled before, and of those that were handed out.
    accounted_for: u64,
}

impl TaskQueue {
    /// Returns a queue of all tasks that are not settled; `settled` is their number.
    pub(crate) fn new(open: OrdinalMap<OpenTask>, settled: u64, origin: Timestamp) -> Self {
        Self { open, origin: Some(origin), accounted_for: settled, ..Self::default() }
    }

    /// Hands out the next tasks; fewer than `limit` only if there are no more.
    pub(crate) fn take(
        &mut self,
        home: Home<'_>,
        end: &JournalEnd,
        limit: usize,
    ) -> rusqlite::Result<Vec<UnsettledTask>> {
        let mut claimed = Vec::with_capacity(limit.min(self.ready.len().max(64)));
        while claimed.len() < limit {
            match self.ready.pop_front() {
                Some(task) => claimed.push(self.hand_out(task)),
                None if self.next < end.index.len() => self.read_chunk(home, end)?,
                None => break,
            }
        }
        Ok(claimed)
    }

    fn read_chunk(&mut self, home: Home<'_>, end: &JournalEnd) -> rusqlite::Result<()> {
        let no = self.next;
        self.next += 1;
        // A resumed run may begin with thousands of settled chunks: reading them only to skip their
        // tasks would take seconds.
        let beyond = end.index.first(no + 1);
        let is_settled = end
            .index
            .first(no)
            .zip(beyond)
            .is_some_and(|(first, beyond)| end.settled.first_absent(first) >= beyond);
        if is_settled {
            return Ok(());
        }
        let (body, place) = (home.chunk(no)?, Place::Chunk(no));
        let mut chunk = PlanChunk::new(&body).map_err(|bad| damage(place.damage(bad)))?;
        if !end.index.fits(no, chunk.first, chunk.tasks) {
            return Err(damage(place.missing()));
        }
        while let Some(task) = chunk.next().map_err(|bad| damage(place.damage(bad)))? {
            let ordinal = Ordinal(task.ordinal);
            if !end.settled.contains(ordinal) {
                let (id, command) = (codes::task_id(&task)?, task.command);
                let cells = codes::cells(&task);
                self.ready.push_back((Task { ordinal, id, command, cells }, task.doubted));
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, (task, doubted_before): (Task, bool)) -> UnsettledTask {
        self.accounted_for += 1;
        let open = self.open.remove(&task.ordinal);
        let first_sent =
            open.zip(self.origin).map(|(open, origin)| origin.plus_micros(open.first_sent_us));
        let last_seq = open.map(|open| AttemptSeq(open.last_seq));
        let OpenTask { attempts, throttled, in_doubt, .. } = open.unwrap_or_default();
        UnsettledTask { task, attempts, throttled, in_doubt, doubted_before, first_sent, last_seq }
    }

    /// Returns the number of settled and handed out tasks: all of the plan, at its end.
    pub(crate) fn accounted_for(&self) -> u64 {
        self.accounted_for
    }

    /// Begins anew after a survey has settled some of the tasks; nothing may have been handed out.
    pub(crate) fn refill(&mut self, end: &JournalEnd) {
        self.open.retain(|&ordinal, _| !end.settled.contains(ordinal));
        self.ready.clear();
        (self.next, self.accounted_for) = (0, end.settled.len());
    }
}
