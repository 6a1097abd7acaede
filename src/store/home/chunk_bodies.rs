//! A chunk with its segments, read from its home and ready to be folded.

use crate::journal::{ChunkFold, Damage, Place};
use crate::store::error::damage;
use crate::store::home::door::Home;

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
        let mut before = 0;
        for (place, seq, body) in &self.segments {
            let distance = fold.apply(body).map_err(|malformed| place.damage(malformed))?;
            let expected = if before == 0 { 0 } else { seq - before };
            if distance != expected {
                let missing = seq.saturating_sub(distance);
                return Err(
                    Place::Segment { chunk: Some(self.no), epoch: 0, seq: missing }.missing()
                );
            }
            before = *seq;
        }
        fold.finish(last_that_may_have_left);
        Ok(fold)
    }
}
