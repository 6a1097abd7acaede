//! The rows of a run in their order, whether the run is one file or several shards.
//!
//! Each file is read by a walk that hands its rows to a callback. To merge such walks, every file
//! but the first is read by a thread of its own, which sends its rows in batches. So is the only file
//! of a large run, because making rows takes as long as writing them. Memory holds some batches a
//! file.

use crate::journal::RunRecord as Fact;
use crate::reading::attempts::for_each_attempt;
use crate::reading::reader::{OtherShard, RunReader};
use crate::reading::rows::{AttemptRow, HoldRow, SendingRow, TaskRow};
use crate::reading::task_rows::{attempt_row, sending_row};
use crate::store::{StoreError, WalkError, for_each_fact, told};
use crate::task::Outcome;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::thread::Scope;
use std::vec;

/// The most rows that a thread sends at a time.
const BATCH: usize = 256;
/// The most batches that wait for the merge.
const WAITING: usize = 2;

/// One kind of rows of a run.
pub(super) trait Rows {
    type Row: Send;

    /// Whether it takes long to make them, compared with handing them over.
    const ARE_COSTLY: bool = false;

    /// Calls `take` for the rows of one file, in order.
    fn read<E: From<StoreError>>(
        run: &RunReader,
        take: impl FnMut(Self::Row) -> Result<(), E>,
    ) -> Result<(), E>;

    /// Returns the number by which rows of several files are ordered.
    fn order(row: &Self::Row) -> i64;

    /// Moves a row's place in the run by this much.
    fn shift(_row: &mut Self::Row, _by: u32) {}
}

/// Every task.
pub(super) struct Tasks;
/// The tasks that are partial, failed or ambiguous.
pub(super) struct FailedTasks;
/// The attempts that may have left.
pub(super) struct Attempts;
/// The times and ends of these attempts.
pub(super) struct Sendings;
/// The times in which the whole run waited.
pub(super) struct Holds;

impl Rows for Tasks {
    type Row = TaskRow;

    const ARE_COSTLY: bool = true;

    fn read<E: From<StoreError>>(
        run: &RunReader,
        mut take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        run.for_each_record(|task, record| take(run.row(task, record)?))
    }

    fn order(row: &TaskRow) -> i64 {
        i64::from(row.ordinal.0)
    }

    fn shift(row: &mut TaskRow, by: u32) {
        row.ordinal.0 += by;
    }
}

impl Rows for FailedTasks {
    type Row = TaskRow;

    fn read<E: From<StoreError>>(
        run: &RunReader,
        mut take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        // Of a finished run in which all is well nothing needs to be read.
        if run.has_no_failures() {
            return Ok(());
        }
        run.for_each_record(|task, record| {
            let outcome = record.outcome();
            if outcome.is_good() || outcome == Outcome::NotAttempted {
                return Ok(());
            }
            take(run.row(task, record)?)
        })
    }

    fn order(row: &TaskRow) -> i64 {
        Tasks::order(row)
    }

    fn shift(row: &mut TaskRow, by: u32) {
        Tasks::shift(row, by);
    }
}

impl Rows for Attempts {
    type Row = AttemptRow;

    fn read<E: From<StoreError>>(
        run: &RunReader,
        mut take: impl FnMut(AttemptRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let walked = for_each_attempt(
            run.home(),
            run.may_have_left,
            |ordinal, attempt| attempt_row(run.origin, ordinal, attempt),
            |row| take(row).map_err(WalkError::Callback),
        );
        told(walked, &run.path)
    }

    fn order(row: &AttemptRow) -> i64 {
        row.sent.as_micros()
    }

    fn shift(row: &mut AttemptRow, by: u32) {
        row.ordinal.0 += by;
    }
}

impl Rows for Sendings {
    type Row = SendingRow;

    fn read<E: From<StoreError>>(
        run: &RunReader,
        mut take: impl FnMut(SendingRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let walked = for_each_attempt(
            run.home(),
            run.may_have_left,
            |_, attempt| sending_row(run.origin, attempt),
            |row| take(row).map_err(WalkError::Callback),
        );
        told(walked, &run.path)
    }

    fn order(row: &SendingRow) -> i64 {
        row.sent.as_micros()
    }
}

impl Rows for Holds {
    type Row = HoldRow;

    fn read<E: From<StoreError>>(
        run: &RunReader,
        mut take: impl FnMut(HoldRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let walked = for_each_fact(run.home(), |_, fact| {
            let Fact::Held { at_us, until_us, reason } = fact else { return Ok(()) };
            let (from, until) = (run.at(at_us), run.at(until_us));
            take(HoldRow { from, until, reason: reason.to_owned() }).map_err(WalkError::Callback)
        });
        told(walked, &run.path)
    }

    fn order(row: &HoldRow) -> i64 {
        row.from.as_micros()
    }
}

/// Calls `take` for the rows of a run, in order.
pub(super) fn for_each<R: Rows, E: From<StoreError>>(
    run: &RunReader,
    mut take: impl FnMut(R::Row) -> Result<(), E>,
) -> Result<(), E> {
    if run.others().is_empty() {
        let second = if R::ARE_COSTLY { run.second_reader() } else { None };
        return match second {
            Some(second) => made_beside::<R, E>(second, take),
            None => R::read(run, take),
        };
    }
    thread::scope(|scope| {
        let others = run.others().iter();
        // Dropped before the scope ends, which ends the threads after an error as well.
        let mut others = Others::<R>::new(others.map(|other| Stream::open::<R>(scope, other)))?;
        R::read::<E>(run, |row| {
            others.take_before(R::order(&row), &mut take)?;
            take(row)
        })?;
        others.take_before(i64::MAX, &mut take)
    })
}

/// Calls `take` for the rows that a thread of its own reads.
fn made_beside<R: Rows, E: From<StoreError>>(
    second: RunReader,
    mut take: impl FnMut(R::Row) -> Result<(), E>,
) -> Result<(), E> {
    let file = OtherShard { run: Mutex::new(second), shift: 0 };
    thread::scope(|scope| {
        let mut rows = Stream::open::<R>(scope, &file);
        // Dropped before the scope ends, which ends the thread after an error as well.
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    })
}

/// The files but the first, ordered by their next rows.
struct Others<R: Rows> {
    streams: Vec<Stream<R::Row>>,
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

impl<R: Rows> Others<R> {
    fn new(streams: impl Iterator<Item = Stream<R::Row>>) -> Result<Self, StoreError> {
        let mut others = Self { streams: streams.collect(), next: BinaryHeap::new() };
        (0..others.streams.len()).try_for_each(|index| others.enqueue(index))?;
        Ok(others)
    }

    fn enqueue(&mut self, index: usize) -> Result<(), StoreError> {
        if let Some(row) = self.streams[index].peek()? {
            self.next.push(Reverse((R::order(row), index)));
        }
        Ok(())
    }

    /// Calls `take` for the rows that come before a number.
    fn take_before<E: From<StoreError>>(
        &mut self,
        end: i64,
        take: &mut impl FnMut(R::Row) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(&Reverse((order, index))) = self.next.peek()
            && order < end
        {
            self.next.pop();
            let stream = &mut self.streams[index];
            if let Some(mut row) = stream.first.take() {
                R::shift(&mut row, stream.shift);
                take(row)?;
            }
            self.enqueue(index)?;
        }
        Ok(())
    }
}

/// The rows of one file, read by a thread.
struct Stream<T> {
    batches: Receiver<Result<Vec<T>, StoreError>>,
    batch: vec::IntoIter<T>,
    first: Option<T>,
    shift: u32,
}

/// Why a thread ends before the last row.
enum ReadEnd {
    Store(StoreError),
    /// Nobody wants more rows.
    Unwanted,
}

impl From<StoreError> for ReadEnd {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<T: Send> Stream<T> {
    fn open<'scope, R: Rows<Row = T>>(
        scope: &'scope Scope<'scope, '_>,
        other: &'scope OtherShard,
    ) -> Self
    where
        T: 'scope,
    {
        let (sender, batches) = sync_channel(WAITING);
        scope.spawn(move || send_rows::<R>(other, &sender));
        Self { batches, batch: Vec::new().into_iter(), first: None, shift: other.shift }
    }

    fn peek(&mut self) -> Result<Option<&T>, StoreError> {
        self.first = self.next()?;
        Ok(self.first.as_ref())
    }

    fn next(&mut self) -> Result<Option<T>, StoreError> {
        if let Some(row) = self.batch.next() {
            return Ok(Some(row));
        }
        // A thread that has sent all its rows has closed its end.
        let Ok(batch) = self.batches.recv() else { return Ok(None) };
        self.batch = batch?.into_iter();
        Ok(self.batch.next())
    }
}

fn send_rows<R: Rows>(other: &OtherShard, sender: &SyncSender<Result<Vec<R::Row>, StoreError>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let read = other.with(|run| {
        R::read::<ReadEnd>(run, |row| {
            batch.push(row);
            if batch.len() < BATCH {
                return Ok(());
            }
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            sender.send(Ok(full)).map_err(|_| ReadEnd::Unwanted)
        })
    });
    // A send fails only if nobody wants the rows any more.
    let _ = match read {
        Ok(()) if batch.is_empty() => Ok(()),
        Ok(()) => sender.send(Ok(batch)),
        Err(ReadEnd::Store(error)) => sender.send(Err(error)),
        Err(ReadEnd::Unwanted) => Ok(()),
    };
}
