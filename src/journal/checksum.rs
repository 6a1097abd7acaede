//! The checksum of everything that is kept: CRC-32C over the place and the body.
//!
//! The place is part of it, so that a whole segment in the wrong place is damage as well.

use crate::journal::bytes::Malformed;
use std::fmt;

/// The place of a body in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The description of the run.
    Head,
    /// The totals of the run.
    Totals,
    /// A plan chunk, by its number.
    Chunk(u32),
    /// A segment: of a chunk, or of the run itself.
    Segment {
        /// The chunk; `None` for a segment of the run.
        chunk: Option<u32>,
        /// The session that wrote it.
        epoch: u32,
        /// Its sequence number.
        seq: u64,
    },
}

impl Place {
    /// Returns the number of the chunk as it is kept; a negative one is no chunk of the plan.
    pub(crate) fn chunk_number(self) -> i64 {
        match self {
            Self::Chunk(no) | Self::Segment { chunk: Some(no), .. } => i64::from(no),
            Self::Segment { chunk: None, .. } => -1,
            Self::Head => -2,
            Self::Totals => -3,
        }
    }

    /// Returns the checksum of a body in this place.
    pub(crate) fn checksum(self, body: &[u8]) -> u32 {
        let (epoch, seq) = match self {
            Self::Segment { epoch, seq, .. } => (epoch, seq),
            Self::Head | Self::Totals | Self::Chunk(_) => (0, 0),
        };
        let mut place = [0; 20];
        place[..8].copy_from_slice(&self.chunk_number().to_le_bytes());
        place[8..12].copy_from_slice(&epoch.to_le_bytes());
        place[12..].copy_from_slice(&seq.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&place), body)
    }

    /// Checks a body that was found in this place.
    pub(crate) fn check(self, body: &[u8], checksum: i64) -> Result<(), Damage> {
        if i64::from(self.checksum(body)) == checksum {
            return Ok(());
        }
        Err(Damage { place: self, reason: Reason::Checksum })
    }

    /// Returns the damage of a body in this place that cannot be decoded.
    pub(crate) fn damage(self, malformed: Malformed) -> Damage {
        Damage { place: self, reason: Reason::Malformed(malformed) }
    }

    /// Returns the damage of a body that is missing in this place.
    pub(crate) fn missing(self) -> Damage {
        Damage { place: self, reason: Reason::Missing }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the description of the run"),
            Self::Totals => f.write_str("the totals of the run"),
            Self::Chunk(no) => write!(f, "plan chunk {no}"),
            Self::Segment { chunk: Some(no), seq, .. } => write!(f, "segment {seq} of chunk {no}"),
            Self::Segment { chunk: None, seq, .. } => write!(f, "segment {seq} of the run"),
        }
    }
}

/// A body that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub(crate) struct Damage {
    /// Where it is.
    pub(crate) place: Place,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Checksum,
    Malformed(Malformed),
    Missing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("the checksum does not fit"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Missing => f.write_str("it is missing"),
        }
    }
}
