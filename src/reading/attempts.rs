//! The attempts of a run in the order of sending.
//!
//! Segments are read in the order of writing, which is that of starts. An attempt is handed out
//! once it and all before it have ended, so memory holds the attempts on the wire.

use crate::journal::{Attempt, Ended, Fact, OrdinalMap, records};
use crate::store::{ChunkIndex, Home, MayHaveLeft, Segment, damage};
use crate::task::Ordinal;
use rusqlite::Error;
use std::collections::VecDeque;

/// The attempts that are begun and not handed out, each as `T` once it has ended.
#[derive(Debug, Clone)]
pub(super) struct Sending<T> {
    index: ChunkIndex,
    may_have_left: MayHaveLeft,
    /// In the order of their numbers.
    waiting: VecDeque<Waiting<T>>,
    /// The number of the attempt that each task has begun.
    begun: OrdinalMap<u64>,
    epoch: u32,
}

#[derive(Debug, Clone)]
struct Waiting<T> {
    seq: u64,
    ordinal: Ordinal,
    number: u32,
    leaves_us: i64,
    /// The row, once the attempt has ended, or is known to never end.
    row: Option<T>,
}

/// Calls `take` with what `make` returns for each attempt that may have left.
pub(super) fn for_each_attempt<T, E: From<Error>>(
    home: Home<'_>,
    may_have_left: MayHaveLeft,
    make: impl Fn(Ordinal, &Attempt<'_>) -> T,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let mut sending = Sending::new(home.chunks()?, may_have_left);
    home.segments::<E>(|segment| sending.read(segment, &make, &mut take))?;
    sending.finish(&make, &mut take)
}

impl<T> Sending<T> {
    /// Begins before the first segment.
    pub(super) fn new(index: ChunkIndex, may_have_left: MayHaveLeft) -> Self {
        let (waiting, begun) = (VecDeque::new(), OrdinalMap::default());
        Self { index, may_have_left, waiting, begun, epoch: 0 }
    }

    /// Reads the next segment, and hands out what is known to have ended.
    pub(super) fn read<E: From<Error>>(
        &mut self,
        segment: Segment<'_>,
        make: &impl Fn(Ordinal, &Attempt<'_>) -> T,
        take: &mut impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        // A session that is over ends no attempt any more. The first segment of the run in the next
        // session comes after that session has withdrawn what was not sent.
        if segment.chunk.is_none() && segment.epoch != self.epoch {
            self.epoch = segment.epoch;
            self.end_all(make);
        }
        if let Some(chunk) = segment.chunk {
            let first = self.index.first(chunk);
            let read = records(segment.body, |record| {
                let ordinal = first.and_then(|first| first.checked_add(record.offset));
                let ordinal = ordinal.ok_or("there is no such chunk")?;
                self.apply(Ordinal(ordinal), record.fact, make)
            });
            read.map_err(|malformed| damage(segment.place().damage(malformed)))?;
        }
        self.hand_out(take)
    }

    /// Hands out what is left behind the last segment.
    pub(super) fn finish<E>(
        mut self,
        make: &impl Fn(Ordinal, &Attempt<'_>) -> T,
        take: &mut impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.end_all(make);
        self.hand_out(take)
    }

    /// Takes a later word on which attempts may have left, and returns the tasks of those that
    /// had not left before.
    pub(super) fn left_since(&mut self, may_have_left: MayHaveLeft) -> Vec<Ordinal> {
        let before = std::mem::replace(&mut self.may_have_left, may_have_left);
        let has_left = |seq: u64| may_have_left.includes(seq) && !before.includes(seq);
        let begun = self.begun.iter().filter(|(_, seq)| has_left(**seq));
        begun.map(|(ordinal, _)| *ordinal).collect()
    }

    fn apply(
        &mut self,
        ordinal: Ordinal,
        fact: Fact<'_>,
        make: &impl Fn(Ordinal, &Attempt<'_>) -> T,
    ) -> Result<(), &'static str> {
        match fact {
            Fact::Started { seq, number, leaves_us } => {
                self.end_never(ordinal, make);
                self.begun.insert(ordinal, seq);
                self.start(Waiting { seq, ordinal, number, leaves_us, row: None });
            }
            Fact::Withdrawn => {
                let seq = self.begun.remove(&ordinal).ok_or("nothing was begun")?;
                self.remove(seq);
            }
            Fact::Ended(ended) => {
                let seq = self.begun.remove(&ordinal).ok_or("nothing was begun")?;
                self.end(seq, Some(ended), make);
            }
            Fact::Settled { .. } | Fact::Lost => self.end_never(ordinal, make),
            Fact::Before(_) | Fact::After { .. } => {}
        }
        Ok(())
    }

    /// Adds an attempt; nearly always, its number is the highest.
    fn start(&mut self, waiting: Waiting<T>) {
        if self.waiting.back().is_none_or(|last| last.seq < waiting.seq) {
            return self.waiting.push_back(waiting);
        }
        match self.find(waiting.seq) {
            Ok(place) => self.waiting[place] = waiting,
            Err(place) => self.waiting.insert(place, waiting),
        }
    }

    fn find(&self, seq: u64) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&seq, |waiting| waiting.seq)
    }

    fn remove(&mut self, seq: u64) {
        if let Ok(place) = self.find(seq) {
            self.waiting.remove(place);
        }
    }

    /// Notes that the attempt of a task never ended.
    fn end_never(&mut self, ordinal: Ordinal, make: &impl Fn(Ordinal, &Attempt<'_>) -> T) {
        if let Some(seq) = self.begun.remove(&ordinal) {
            self.end(seq, None, make);
        }
    }

    fn end(
        &mut self,
        seq: u64,
        ended: Option<Ended<'_>>,
        make: &impl Fn(Ordinal, &Attempt<'_>) -> T,
    ) {
        if let Ok(place) = self.find(seq) {
            let waiting = &mut self.waiting[place];
            let Waiting { ordinal, number, leaves_us, .. } = *waiting;
            waiting.row = Some(make(ordinal, &Attempt { seq, number, leaves_us, ended }));
        }
    }

    /// Ends all attempts that are begun: those that may have left never ended, the others are none.
    fn end_all(&mut self, make: &impl Fn(Ordinal, &Attempt<'_>) -> T) {
        for (_, seq) in std::mem::take(&mut self.begun) {
            if self.may_have_left.includes(seq) {
                self.end(seq, None, make);
            } else {
                self.remove(seq);
            }
        }
    }

    /// Hands out the attempts before the first one that is still begun.
    fn hand_out<E>(&mut self, take: &mut impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        while self.waiting.front().is_some_and(|first| first.row.is_some()) {
            let first = self.waiting.pop_front();
            first.and_then(|first| first.row).map_or(Ok(()), &mut *take)?;
        }
        Ok(())
    }
}
