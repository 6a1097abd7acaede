//! The records of a run segment: facts about the run itself.

use crate::journal::bytes::{ByteReader, Malformed, put, put_signed};
use crate::journal::text::{ReadTexts, Repeats};
use crate::task::ServiceLimit;

const SESSION_STARTED: u8 = 1;
const SESSION_ENDED: u8 = 2;
const RATE_LEARNT: u8 = 3;
const HELD: u8 = 4;
const POLLED: u8 = 5;
const CHANGED: u8 = 6;
const EXCLUDED: u8 = 7;
const SENDINGS_LOST: u8 = 8;
const TASKS_LOST: u8 = 9;
const DRILLED: u8 = 10;
const DRILL_ENDED: u8 = 11;
/// The bit of a value that may be missing.
const PRESENT: u8 = 1 << 4;
/// The same of a second one.
const PRESENT_TOO: u8 = 1 << 5;

/// A fact about the run. Times are microseconds after its origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RunRecord<'a> {
    /// A process began its part.
    SessionStarted {
        /// The time.
        at_us: i64,
        /// The number of the process.
        process: u32,
        /// The version of batchctl.
        version: &'a str,
    },
    /// A process ended its part.
    SessionEnded {
        /// The time.
        at_us: i64,
        /// How long the service held it back, in microseconds.
        held_us: u64,
        /// The reason why it ended before every task had an outcome.
        stopped: Option<&'a str>,
    },
    /// The run met a limit of the service, or found that it no longer holds.
    RateLearnt(ServiceLimit),
    /// The whole run waited.
    Held {
        /// The beginning.
        at_us: i64,
        /// The end.
        until_us: i64,
        /// The reason, in a word.
        reason: &'a str,
    },
    /// A request for a page of the list was begun.
    Polled {
        /// The earliest time at which it can leave.
        leaves_us: i64,
    },
    /// An operator changed how the run is carried out.
    Changed {
        /// The time.
        at_us: i64,
        /// The kind of change.
        what: &'a str,
        /// The new value.
        value: Option<&'a str>,
        /// The operator.
        by: &'a str,
    },
    /// Tasks became excluded before they were sent.
    Excluded {
        /// Which, as JSON.
        tasks: &'a str,
    },
    /// Records of requests were lost: so many may have been sent until a time.
    SendingsLost {
        /// The time after which none of them was sent.
        until_us: i64,
        /// The number of requests; the largest number if it is not known.
        most: u64,
    },
    /// The ids of tasks were lost with a plan chunk.
    TasksLost {
        /// The chunk.
        chunk: u32,
        /// The number of tasks.
        tasks: u64,
        /// Their input and the first and the last line in it, if they are known.
        rows: Option<(u32, u64, u64)>,
    },
    /// A task was looked into.
    Drilled {
        /// What was seen, as JSON.
        task: &'a str,
    },
    /// No more tasks are looked into.
    DrillEnded {
        /// The number of tasks that were left out.
        left: u64,
        /// Why they were left out; nothing if because of the limit.
        why: Option<&'a str>,
    },
}

impl<'a> RunRecord<'a> {
    pub(crate) fn write(&self, body: &mut Vec<u8>, time_us: &mut i64, repeats: &mut Repeats) {
        let mut put_time = |body: &mut Vec<u8>, at_us: i64| {
            put_signed(body, at_us.wrapping_sub(*time_us));
            *time_us = at_us;
        };
        match *self {
            Self::SessionStarted { at_us, process, version } => {
                body.push(SESSION_STARTED);
                put_time(body, at_us);
                put(body, u64::from(process));
                repeats.write(body, version);
            }
            Self::SessionEnded { at_us, held_us, stopped } => {
                body.push(SESSION_ENDED | stopped.map_or(0, |_| PRESENT));
                put_time(body, at_us);
                put(body, held_us);
                stopped.into_iter().for_each(|stopped| repeats.write(body, stopped));
            }
            Self::RateLearnt(ServiceLimit { per_second, at_a_time }) => {
                let calls = at_a_time.map_or(0, |_| PRESENT_TOO);
                body.push(RATE_LEARNT | per_second.map_or(0, |_| PRESENT) | calls);
                per_second.into_iter().for_each(|rate| body.extend(rate.to_bits().to_le_bytes()));
                at_a_time.into_iter().for_each(|calls| put(body, u64::from(calls)));
            }
            Self::Held { at_us, until_us, reason } => {
                body.push(HELD);
                put_time(body, at_us);
                put_signed(body, until_us.wrapping_sub(at_us));
                repeats.write(body, reason);
            }
            Self::Polled { leaves_us } => {
                body.push(POLLED);
                put_time(body, leaves_us);
            }
            Self::Changed { at_us, what, value, by } => {
                body.push(CHANGED | value.map_or(0, |_| PRESENT));
                put_time(body, at_us);
                repeats.write(body, what);
                value.into_iter().for_each(|value| repeats.write(body, value));
                repeats.write(body, by);
            }
            Self::Excluded { tasks } => {
                body.push(EXCLUDED);
                repeats.write(body, tasks);
            }
            Self::Drilled { task } => {
                body.push(DRILLED);
                repeats.write(body, task);
            }
            Self::DrillEnded { left, why } => {
                body.push(DRILL_ENDED | why.map_or(0, |_| PRESENT));
                put(body, left);
                why.into_iter().for_each(|why| repeats.write(body, why));
            }
            Self::SendingsLost { until_us, most } => {
                body.push(SENDINGS_LOST);
                put_time(body, until_us);
                put(body, most);
            }
            Self::TasksLost { chunk, tasks, rows } => {
                body.push(TASKS_LOST | rows.map_or(0, |_| PRESENT));
                put(body, u64::from(chunk));
                put(body, tasks);
                if let Some((source, from, to)) = rows {
                    [u64::from(source), from, to].into_iter().for_each(|part| put(body, part));
                }
            }
        }
    }

    pub(crate) fn read(
        reader: &mut ByteReader<'a>,
        time_us: &mut i64,
        texts: &mut ReadTexts<'a>,
    ) -> Result<Self, Malformed> {
        let unknown = reader.malformed("there is no such record");
        let tag = reader.byte()?;
        let is_present = tag & PRESENT != 0;
        let mut time = |reader: &mut ByteReader<'_>| {
            *time_us = time_us.wrapping_add(reader.signed()?);
            Ok(*time_us)
        };
        Ok(match (tag & 15, tag >> 4) {
            (SESSION_STARTED, 0) => Self::SessionStarted {
                at_us: time(reader)?,
                process: reader.small()?,
                version: texts.read(reader)?,
            },
            (SESSION_ENDED, 0 | 1) => {
                let (at_us, held_us) = (time(reader)?, reader.number()?);
                let stopped = is_present.then(|| texts.read(reader)).transpose()?;
                Self::SessionEnded { at_us, held_us, stopped }
            }
            (RATE_LEARNT, 0..=3) => {
                let per_second = is_present.then(|| read_double(reader)).transpose()?;
                let is_present_too = tag & PRESENT_TOO != 0;
                let at_a_time = is_present_too.then(|| reader.small()).transpose()?;
                Self::RateLearnt(ServiceLimit { per_second, at_a_time })
            }
            (HELD, 0) => {
                let at_us = time(reader)?;
                let until_us = at_us.wrapping_add(reader.signed()?);
                Self::Held { at_us, until_us, reason: texts.read(reader)? }
            }
            (POLLED, 0) => Self::Polled { leaves_us: time(reader)? },
            (CHANGED, 0 | 1) => {
                let (at_us, what) = (time(reader)?, texts.read(reader)?);
                let value = is_present.then(|| texts.read(reader)).transpose()?;
                Self::Changed { at_us, what, value, by: texts.read(reader)? }
            }
            (EXCLUDED, 0) => Self::Excluded { tasks: texts.read(reader)? },
            (DRILLED, 0) => Self::Drilled { task: texts.read(reader)? },
            (DRILL_ENDED, 0 | 1) => {
                let left = reader.number()?;
                let why = is_present.then(|| texts.read(reader)).transpose()?;
                Self::DrillEnded { left, why }
            }
            (SENDINGS_LOST, 0) => {
                Self::SendingsLost { until_us: time(reader)?, most: reader.number()? }
            }
            (TASKS_LOST, 0 | 1) => {
                let (chunk, tasks) = (reader.small()?, reader.number()?);
                let rows = is_present
                    .then(|| Ok((reader.small()?, reader.number()?, reader.number()?)))
                    .transpose()?;
                Self::TasksLost { chunk, tasks, rows }
            }
            _ => return Err(unknown),
        })
    }
}

fn read_double(reader: &mut ByteReader<'_>) -> Result<f64, Malformed> {
    let mut bits = [0; 8];
    bits.copy_from_slice(reader.take(8)?);
    Ok(f64::from_bits(u64::from_le_bytes(bits)))
}
