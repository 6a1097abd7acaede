//! The facts about the run itself, from its own segments: sessions, holds, changes, pages.

use crate::clock::Timestamp;
use crate::event::StopReason;
use crate::journal::{Place, RunRecord as Fact, run_records};
use crate::store::codes;
use crate::store::error::damage;
use crate::store::home::door::{Home, check_distance};
use crate::store::record::{SessionRecord, StoredEnd};
use crate::task::ServiceLimit;
use rusqlite::Error;
use std::time::Duration;

/// Calls `take` for every fact about the run, with the number of the session that wrote it.
pub(crate) fn for_each_fact<E: From<Error>>(
    home: Home<'_>,
    mut take: impl FnMut(u32, Fact<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut failed = None;
    let mut before = 0;
    home.segments_of(None, |segment| {
        let distance = run_records(segment.body, |fact| {
            if failed.is_none() {
                failed = take(segment.epoch, fact).err();
            }
            Ok(())
        });
        let distance = distance.map_err(|malformed| segment.place().damage(malformed))?;
        check_distance(None, (before, segment.seq), distance)?;
        before = segment.seq;
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)
}

/// Reads the processes that carried the run out, in order.
pub(crate) fn read_sessions(
    home: Home<'_>,
    origin: Timestamp,
) -> rusqlite::Result<Vec<SessionRecord>> {
    let mut sessions: Vec<SessionRecord> = Vec::new();
    for_each_fact::<Error>(home, |epoch, fact| {
        match fact {
            Fact::SessionStarted { at_us, process, version } => sessions.push(SessionRecord {
                target: None,
                started: origin.plus_micros(at_us),
                end: None,
                process,
                version: version.to_owned(),
                learnt: ServiceLimit::default(),
            }),
            Fact::SessionEnded { at_us, held_us, stopped } => {
                let stopped = stopped.map(codes::word::<StopReason>).transpose()?;
                let (at, held) = (origin.plus_micros(at_us), Duration::from_micros(held_us));
                session_mut(&mut sessions, epoch)?.end = Some(StoredEnd { at, stopped, held });
            }
            Fact::RateLearnt(limit) => {
                session_mut(&mut sessions, epoch)?.learnt = limit;
            }
            Fact::Held { .. }
            | Fact::Polled { .. }
            | Fact::Changed { .. }
            | Fact::Excluded { .. }
            | Fact::SendingsLost { .. }
            | Fact::Drilled { .. }
            | Fact::DrillEnded { .. }
            | Fact::TasksLost { .. } => {}
        }
        Ok(())
    })?;
    Ok(sessions)
}

fn session_mut(sessions: &mut [SessionRecord], epoch: u32) -> rusqlite::Result<&mut SessionRecord> {
    let place = usize::try_from(epoch).ok().and_then(|number| number.checked_sub(1));
    let session = place.and_then(|place| sessions.get_mut(place));
    session.ok_or_else(|| damage(Place::Segment { chunk: None, epoch, seq: 0 }.missing()))
}
