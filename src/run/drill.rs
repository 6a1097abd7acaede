//! Looks at the end of a run into the tasks whose outcome is not good.
//!
//! Every look is recorded as soon as it is over, so that a run that is killed in between goes on
//! where it was. Nothing is started or stopped. See `docs/GLOSSARY.md`: drill.

use crate::api::{ListedTask, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::event::{EventKind, StopReason};
use crate::run::drill_targets::{Chosen, Drill, Target};
use crate::run::error::RunError;
use crate::run::ledger::StoreLedger;
use crate::run::phases::{LIST_DELAY, RunPhases};
use crate::run::settings::remembered_sendings;
use crate::survey::{Gap, RequestLog, Walker, read_sub_task, read_sub_tasks};
use crate::task::{Command, DrillEnd, DrilledSubTask, DrilledTask, Toward};
use std::time::Duration;
use tokio::time::sleep_until;

/// The most characters of a text of the service that are kept.
const MOST_CHARACTERS: usize = 300;
/// The most bytes of the texts of one task that are kept. A record of the store is smaller than
/// 16 MiB, and JSON may need six bytes for one.
const MOST_BYTES: usize = 2 << 20;
/// After so many lists in a row that cannot be read, the service is not asked any more.
const MOST_UNREAD: u32 = 3;

impl<A: TaskApi> RunPhases<'_, A> {
    /// Looks into the tasks whose outcome is not good, and records what their lists show.
    ///
    /// Returns the reason why it ended before its end, if an order stopped it.
    pub(crate) async fn drill(
        &mut self,
        drill: &Drill<'_>,
    ) -> Result<Option<StopReason>, RunError> {
        let Chosen { targets, beyond, mut named, is_continued } = drill.choose()?;
        if targets.is_empty() && beyond == 0 && !is_continued {
            return Ok(None);
        }
        let tasks = targets.len() as u64;
        self.ledger.emit(self.clock.now(), EventKind::DrillStarted { tasks }).await?;
        let recall = remembered_sendings(self.settings).max(1);
        let sent = self.ledger.writer.last_sent(recall, self.clock.now()).await?;
        let due = self.clock.instant() + self.until_believed(&sent);
        if let Err(reason) = self.control_router.unless_stopped(sleep_until(due)).await {
            return Ok(Some(reason));
        }
        let mut walker = self.walker(&sent);
        let (mut unread, mut end) = (0, DrillEnd { left: beyond, why: None });
        for (number, target) in targets.iter().enumerate() {
            let left = tasks - number as u64;
            if named >= drill.limit {
                end.left += left;
                break;
            }
            let mut look =
                Look { walker: &mut walker, ledger: &mut self.ledger, clock: self.clock };
            let seen = look.at(target, drill.limit - named);
            let (task, gap) = match self.control_router.unless_stopped(seen).await {
                Ok(seen) => seen?,
                Err(reason) => return Ok(Some(reason)),
            };
            named += task.sub_tasks.len() as u64;
            self.ledger.emit(self.clock.now(), EventKind::Drilled(Box::new(task))).await?;
            unread = if matches!(gap, Some(Gap::Unread(_))) { unread + 1 } else { 0 };
            if let Some(gap) = gap.filter(|gap| unread >= MOST_UNREAD || is_final(gap)) {
                (end.left, end.why) = (end.left + left - 1, Some(kept(&gap.to_string())));
                break;
            }
        }
        self.ledger.emit(self.clock.now(), EventKind::DrillEnded(end)).await?;
        Ok(None)
    }

    /// Returns how long the lists are not believed yet: they may be late.
    fn until_believed(&self, sent: &[Timestamp]) -> Duration {
        let ago = sent.last().map_or(Duration::MAX, |&at| self.clock.now().since(at));
        LIST_DELAY.saturating_sub(ago)
    }
}

/// Returns whether no other list can be read either.
fn is_final(gap: &Gap) -> bool {
    match gap {
        Gap::Unauthorised(_) | Gap::OutOfTime | Gap::NoSlots(_) => true,
        Gap::Repeated { .. }
        | Gap::Short { .. }
        | Gap::Shrank
        | Gap::Endless
        | Gap::Nameless { .. }
        | Gap::Unread(_) => false,
    }
}

/// One look into a task, at the rate of the run.
struct Look<'a, 'b, A> {
    walker: &'a mut Walker<'b, A>,
    ledger: &'a mut StoreLedger,
    clock: Clock,
}

impl<A: TaskApi> Look<'_, '_, A> {
    /// Returns what the list of a task shows, and why it may not be whole. Names `room` sub-tasks at
    /// most.
    async fn at(
        &mut self,
        target: &Target,
        room: u64,
    ) -> Result<(DrilledTask, Option<Gap>), RunError> {
        let mut log = Requests { ledger: self.ledger, clock: self.clock };
        let listed = read_sub_tasks(self.walker, &mut log, &target.id, target.expected).await?;
        let mut task = DrilledTask {
            ordinal: target.ordinal.0,
            id: target.id.to_string(),
            listed: 0,
            not_there: 0,
            sub_tasks: Vec::new(),
            gap: None,
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(gap) => {
                task.gap = Some(kept(&gap.to_string()));
                return Ok((task, Some(gap)));
            }
        };
        task.listed = listed.len() as u64;
        let not_there: Vec<ListedTask> =
            listed.into_iter().filter(|it| !is_there(it, target.command)).collect();
        task.not_there = not_there.len() as u64;
        let mut bytes = 0;
        for listed in not_there.into_iter().take(usize::try_from(room).unwrap_or(usize::MAX)) {
            let seen = self.detail(listed).await?;
            bytes += size(&seen);
            if bytes > MOST_BYTES {
                break;
            }
            task.sub_tasks.push(seen);
        }
        Ok((task, None))
    }

    /// Asks for a sub-task by itself: only so does the service say what is wrong.
    async fn detail(&mut self, mut task: ListedTask) -> Result<DrilledSubTask, RunError> {
        let mut gap = None;
        // What cannot be called cannot be asked for either.
        if let Ok(id) = task.id.parse() {
            let mut log = Requests { ledger: self.ledger, clock: self.clock };
            match read_sub_task(self.walker, &mut log, id).await? {
                Ok(shown) => task.others.extend(shown.into_iter().flat_map(|shown| shown.others)),
                Err(found) => gap = Some(kept(&found.to_string())),
            }
        }
        Ok(DrilledSubTask {
            id: kept(&task.id),
            name: kept(&task.name),
            camera: kept(task.text("video_source_name")),
            state: kept(task.state_word()),
            status: kept(task.text("status")),
            error_code: kept(task.error("code")),
            error_msg: kept(task.error("message")),
            gap,
        })
    }
}

/// Returns whether a sub-task is where a command leads, or on its way there.
fn is_there(task: &ListedTask, command: Command) -> bool {
    task.states.toward(command) == Toward::Reached || task.states.are_on_the_way(command)
}

fn size(task: &DrilledSubTask) -> usize {
    let DrilledSubTask { id, name, camera, state, status, error_code, error_msg, gap } = task;
    let texts = [id, name, camera, state, status, error_code, error_msg];
    let gap = gap.as_ref().map_or(0, String::len);
    gap + texts.into_iter().map(String::len).sum::<usize>()
}

fn kept(text: &str) -> String {
    text.chars().take(MOST_CHARACTERS).collect()
}

/// Makes requests durable in the run's own store, so that they count against its rate.
struct Requests<'a> {
    ledger: &'a mut StoreLedger,
    clock: Clock,
}

impl RequestLog for Requests<'_> {
    type Error = RunError;

    async fn request(&mut self, leaves: Timestamp) -> Result<(), RunError> {
        self.ledger.emit(self.clock.now(), EventKind::PollStarted { leaves }).await
    }
}
