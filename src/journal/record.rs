//! The records of a segment: one fact about one task each.
//!
//! A tag has the kind in its lower half. Places and times are differences from the record before.

use crate::journal::bytes::{ByteReader, Malformed, folded, put, put_signed, unfolded};
use crate::journal::codes;
use crate::journal::failure::FailureTexts;
use crate::journal::text::{ReadTexts, Repeats, Text};
use crate::task::{Counts, Outcome, StateWord, TaskState};

/// The kinds, in the lower half of a tag.
const STARTED: u8 = 1;
const WITHDRAWN: u8 = 2;
const ENDED: u8 = 3;
const SETTLED: u8 = 4;
const BEFORE: u8 = 5;
const AFTER: u8 = 6;
const LOST: u8 = 7;
/// The bits of a start: the number of the attempt follows, because it is not the first.
const NUMBERED: u8 = 1 << 4;
/// The bits of an end.
const IN_DOUBT: u8 = 1 << 4;
const COUNTS: u8 = 1 << 5;
const FAILURE: u8 = 1 << 6;
const REQUEST: u8 = 1 << 7;
/// The status that most answers have; it is written as 1.
const USUAL_STATUS: i64 = 200;
/// The bits of a state after the call: the lowest three are the verdict plus one.
const VERDICT: u8 = 7;
const VERIFIED: u8 = 8;

/// A fact about one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The task: its ordinal minus that of the first task of the chunk.
    pub(crate) offset: u32,
    /// What happened.
    pub(crate) fact: Fact<'a>,
}

/// What happened to a task. Times are microseconds after the origin of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact<'a> {
    /// An attempt was begun.
    Started {
        /// Its number in the run.
        seq: u64,
        /// Its number within the task, from 1.
        number: u32,
        /// The earliest time at which it can leave.
        leaves_us: i64,
    },
    /// The attempt that was begun last did not leave.
    Withdrawn,
    /// The attempt that was begun last ended.
    Ended(Ended<'a>),
    /// The task got its outcome; its last attempt is the one before.
    Settled {
        /// The outcome of its call.
        outcome: Outcome,
        /// The time.
        at_us: i64,
    },
    /// The state of the task before anything was sent.
    Before(TaskState),
    /// The state of the task after its call; it replaces an earlier one.
    After {
        /// The state.
        state: TaskState,
        /// The time at which the task was seen where its command leads.
        verified_us: Option<i64>,
        /// The outcome of the task, if it is not that of its call.
        verdict: Option<Outcome>,
    },
    /// Other facts about the task were lost with a damaged segment: it is in doubt.
    Lost,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended<'a> {
    /// The time at which it was sent.
    pub(crate) sent_us: i64,
    /// How long it took, in microseconds.
    pub(crate) duration_us: u64,
    /// Whether it may have been carried out without a trustworthy answer.
    pub(crate) in_doubt: bool,
    /// The status of the answer.
    pub(crate) http_status: Option<u16>,
    /// The service's id of the request.
    pub(crate) request_id: Option<Text<'a>>,
    /// The counts in the answer.
    pub(crate) counts: Option<Counts>,
    /// Why it did not succeed.
    pub(crate) failure: Option<Box<FailureTexts<'a>>>,
}

/// The values that the next record's are differences from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Previous {
    offset: u32,
    seq: u64,
    time_us: i64,
    ended_us: i64,
}

impl Record<'_> {
    pub(crate) fn write(&self, body: &mut Vec<u8>, before: &mut Previous, repeats: &mut Repeats) {
        body.push(self.fact.tag());
        put_signed(body, i64::from(self.offset) - i64::from(before.offset));
        before.offset = self.offset;
        match &self.fact {
            Fact::Started { seq, number, leaves_us } => {
                put_signed(body, seq.wrapping_sub(before.seq).cast_signed());
                before.seq = *seq;
                if *number != 1 {
                    put(body, u64::from(*number));
                }
                before.put_time(body, *leaves_us);
            }
            Fact::Withdrawn | Fact::Lost => {}
            Fact::Before(state) => write_word(*state, body, repeats),
            Fact::Ended(ended) => ended.write(body, before, repeats),
            Fact::Settled { at_us, .. } => {
                put_signed(body, at_us.wrapping_sub(before.ended_us));
            }
            Fact::After { state, verified_us, verdict } => {
                write_word(*state, body, repeats);
                let verdict = verdict.map_or(0, |verdict| codes::outcome_code(verdict) + 1);
                body.push(verdict | verified_us.map_or(0, |_| VERIFIED));
                if let Some(verified_us) = verified_us {
                    before.put_time(body, *verified_us);
                }
            }
        }
    }
}

impl<'a> Record<'a> {
    pub(crate) fn read(
        reader: &mut ByteReader<'a>,
        before: &mut Previous,
        texts: &mut ReadTexts<'a>,
    ) -> Result<Self, Malformed> {
        let unknown = reader.malformed("there is no such record");
        let tag = reader.byte()?;
        let offset = i64::from(before.offset).checked_add(reader.signed()?);
        let offset = offset.and_then(|offset| u32::try_from(offset).ok());
        let offset = offset.ok_or_else(|| reader.malformed("a place is outside of the chunk"))?;
        before.offset = offset;
        let fact = match (tag & 15, tag >> 4) {
            (STARTED, 0 | 1) => Fact::read_started(tag, reader, before)?,
            (WITHDRAWN, 0) => Fact::Withdrawn,
            (LOST, 0) => Fact::Lost,
            (ENDED, _) => Fact::Ended(Ended::read(tag, reader, before, texts)?),
            (SETTLED, code) => {
                let outcome = codes::outcome(code).ok_or(unknown)?;
                Fact::Settled { outcome, at_us: before.ended_us.wrapping_add(reader.signed()?) }
            }
            (BEFORE, code) => Fact::Before(read_state(code, reader, texts)?),
            (AFTER, code) => {
                let state = read_state(code, reader, texts)?;
                Fact::read_after(state, reader, before)?
            }
            _ => return Err(unknown),
        };
        Ok(Self { offset, fact })
    }
}

impl Fact<'_> {
    fn tag(&self) -> u8 {
        match self {
            Self::Started { number: 1, .. } => STARTED,
            Self::Started { .. } => STARTED | NUMBERED,
            Self::Withdrawn => WITHDRAWN,
            Self::Lost => LOST,
            Self::Ended(ended) => {
                ENDED
                    | if ended.in_doubt { IN_DOUBT } else { 0 }
                    | ended.counts.map_or(0, |_| COUNTS)
                    | ended.failure.as_ref().map_or(0, |_| FAILURE)
                    | ended.request_id.map_or(0, |_| REQUEST)
            }
            Self::Settled { outcome, .. } => SETTLED | codes::outcome_code(*outcome) << 4,
            Self::Before(state) => BEFORE | codes::state_code(*state) << 4,
            Self::After { state, .. } => AFTER | codes::state_code(*state) << 4,
        }
    }

    fn read_started(
        tag: u8,
        reader: &mut ByteReader<'_>,
        before: &mut Previous,
    ) -> Result<Self, Malformed> {
        let seq = before.seq.wrapping_add(reader.signed()?.cast_unsigned());
        before.seq = seq;
        let number = if tag & NUMBERED == 0 { 1 } else { reader.small()? };
        Ok(Self::Started { seq, number, leaves_us: before.time(reader)? })
    }

    fn read_after(
        state: TaskState,
        reader: &mut ByteReader<'_>,
        before: &mut Previous,
    ) -> Result<Self, Malformed> {
        let bits = reader.byte()?;
        let unknown = reader.malformed("there is no such outcome");
        if bits & !(VERDICT | VERIFIED) != 0 {
            return Err(unknown);
        }
        let verdict = match bits & VERDICT {
            0 => None,
            code => Some(codes::outcome(code - 1).ok_or(unknown)?),
        };
        let verified_us = if bits & VERIFIED == 0 { None } else { Some(before.time(reader)?) };
        Ok(Self::After { state, verified_us, verdict })
    }
}

/// Appends the word of a state that has one of its own.
fn write_word(state: TaskState, body: &mut Vec<u8>, repeats: &mut Repeats) {
    if let TaskState::Named(word) = state {
        repeats.write(body, word.as_str());
    }
}

fn read_state<'a>(
    code: u8,
    reader: &mut ByteReader<'a>,
    texts: &mut ReadTexts<'a>,
) -> Result<TaskState, Malformed> {
    let unknown = reader.malformed("there is no such state");
    if code != codes::NAMED_STATE {
        return codes::state(code).ok_or(unknown);
    }
    let word = StateWord::of(texts.read(reader)?);
    word.map(TaskState::Named).map_err(|_| unknown)
}

impl<'a> Ended<'a> {
    fn write(&self, body: &mut Vec<u8>, before: &mut Previous, repeats: &mut Repeats) {
        before.put_time(body, self.sent_us);
        put(body, self.duration_us);
        before.ended_us = end_us(self.sent_us, self.duration_us);
        match self.http_status {
            None => put(body, 0),
            Some(status) => {
                put(body, folded(i64::from(status) - USUAL_STATUS) + 1);
            }
        }
        if let Some(request_id) = self.request_id {
            request_id.write(body);
        }
        if let Some(Counts { total, failed, succeeded }) = self.counts {
            [total, failed, succeeded].into_iter().for_each(|count| put(body, count));
        }
        if let Some(failure) = &self.failure {
            failure.write(body, repeats);
        }
    }

    fn read(
        tag: u8,
        reader: &mut ByteReader<'a>,
        before: &mut Previous,
        texts: &mut ReadTexts<'a>,
    ) -> Result<Self, Malformed> {
        let (sent_us, duration_us) = (before.time(reader)?, reader.number()?);
        before.ended_us = end_us(sent_us, duration_us);
        let http_status = match reader.number()? {
            0 => None,
            number => {
                let status = unfolded(number - 1).checked_add(USUAL_STATUS);
                let status = status.and_then(|status| u16::try_from(status).ok());
                Some(status.ok_or_else(|| reader.malformed("there is no such status"))?)
            }
        };
        let request_id = if tag & REQUEST == 0 { None } else { Some(Text::read(reader)?) };
        let counts = if tag & COUNTS == 0 { None } else { Some(read_counts(reader)?) };
        let failure = match tag & FAILURE {
            0 => None,
            _ => Some(Box::new(FailureTexts::read(reader, texts)?)),
        };
        let in_doubt = tag & IN_DOUBT != 0;
        Ok(Self { sent_us, duration_us, in_doubt, http_status, request_id, counts, failure })
    }
}

fn read_counts(reader: &mut ByteReader<'_>) -> Result<Counts, Malformed> {
    let (total, failed, succeeded) = (reader.number()?, reader.number()?, reader.number()?);
    Ok(Counts { total, failed, succeeded })
}

fn end_us(sent_us: i64, duration_us: u64) -> i64 {
    sent_us.wrapping_add(duration_us.cast_signed())
}

impl Previous {
    /// Appends a time as the difference from the last one.
    fn put_time(&mut self, body: &mut Vec<u8>, time_us: i64) {
        put_signed(body, time_us.wrapping_sub(self.time_us));
        self.time_us = time_us;
    }

    fn time(&mut self, reader: &mut ByteReader<'_>) -> Result<i64, Malformed> {
        self.time_us = self.time_us.wrapping_add(reader.signed()?);
        Ok(self.time_us)
    }
}
