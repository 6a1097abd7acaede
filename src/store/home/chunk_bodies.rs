//! A chunk with its segments, read from its home and ready to be folded or traced.

use crate::journal::{
    ChunkFold, Damage, Malformed, Place, PlanChunk, PlannedTask, TaskTrace, records,
};
use crate::store::error::damage;
use crate::store::home::door::{Home, check_distance};
use std::collections::BTreeMap;

/// The bodies of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkBodies {
    no: u32,
    plan: Vec<u8>,
    segments: Vec<(Place, u64, Vec<u8>)>,
}

impl ChunkBodies {
    /// Reads a chunk and its segments.
    pub(crate) fn read(home: Home<'_>, no: u32) -> rusqlite::Result<Self> {
        let plan = home.chunk(no)?;
        let mut segments = Vec::new();
        home.segments_of(Some(no), |segment| {
            segments.push((segment.place(), segment.seq, segment.body.to_owned()));
            Ok(())
        })?;
        Ok(Self { no, plan, segments })
    }

    /// Returns the number of segments.
    pub(crate) fn segments(&self) -> u64 {
        u64::try_from(self.segments.len()).expect("a usize fits a u64")
    }

    /// Folds the chunk; attempts up to this one may have left.
    pub(crate) fn fold(&self, last_that_may_have_left: u64) -> rusqlite::Result<ChunkFold<'_>> {
        self.folded(last_that_may_have_left).map_err(damage)
    }

    fn folded(&self, last_that_may_have_left: u64) -> Result<ChunkFold<'_>, Damage> {
        let place = Place::Chunk(self.no);
        let mut fold = ChunkFold::new(&self.plan).map_err(|malformed| place.damage(malformed))?;
        self.apply_all(|body| fold.apply(body))?;
        fold.finish(last_that_may_have_left);
        Ok(fold)
    }

    /// Returns the traces of the tasks with these ordinals, in their order; attempts up to the last
    /// one may have left.
    pub(crate) fn traced(
        &self,
        ordinals: &[u32],
        last_that_may_have_left: u64,
    ) -> rusqlite::Result<Vec<(PlannedTask<'_>, TaskTrace<'_>)>> {
        self.traces(ordinals, last_that_may_have_left).map_err(damage)
    }

    fn traces(
        &self,
        ordinals: &[u32],
        last_that_may_have_left: u64,
    ) -> Result<Vec<(PlannedTask<'_>, TaskTrace<'_>)>, Damage> {
        let malformed = |malformed| Place::Chunk(self.no).damage(malformed);
        let mut chunk = PlanChunk::new(&self.plan).map_err(malformed)?;
        let first = chunk.first;
        let mut traces = BTreeMap::new();
        while let Some(task) = chunk.next().map_err(malformed)? {
            if ordinals.contains(&task.ordinal) {
                traces.insert(task.ordinal, (task, TaskTrace::default()));
            }
        }
        self.apply_all(|body| {
            records(body, |record| {
                let ordinal = first.checked_add(record.offset);
                let trace = ordinal.and_then(|ordinal| traces.get_mut(&ordinal));
                trace.map_or(Ok(()), |(_, trace)| trace.apply(record.fact))
            })
        })?;
        let mut traces: Vec<_> = traces.into_values().collect();
        traces.iter_mut().for_each(|(_, trace)| trace.finish(last_that_may_have_left));
        Ok(traces)
    }

    /// Hands the segments to `apply`, which returns the distance to the one before. A segment that
    /// is missing is damage.
    fn apply_all<'a>(
        &'a self,
        mut apply: impl FnMut(&'a [u8]) -> Result<u64, Malformed>,
    ) -> Result<(), Damage> {
        let mut before = 0;
        for (place, seq, body) in &self.segments {
            let found = apply(body).map_err(|malformed| place.damage(malformed))?;
            check_distance(Some(self.no), (before, *seq), found)?;
            before = *seq;
        }
        Ok(())
    }
}
