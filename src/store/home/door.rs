//! The rows of a run's file: `run`, `chunk` and `segment`.
//!
//! The only place that knows their columns.

use crate::journal::{Damage, Place, distance};
use crate::store::codes::unfit;
use crate::store::error::damage;
use crate::store::home::chunk_index::ChunkIndex;
use crate::store::home::head::parse_head;
use crate::store::home::totals::Totals;
use crate::store::record::RunRecord;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, params};

/// The rows of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home<'a> {
    connection: &'a Connection,
}

/// A segment as it was read; its checksum fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// The chunk; `None` for a segment of the run.
    pub(crate) chunk: Option<u32>,
    /// The session that wrote it.
    pub(crate) epoch: u32,
    /// Its sequence number.
    pub(crate) seq: u64,
    /// The records.
    pub(crate) body: &'a [u8],
}

impl Segment<'_> {
    /// Returns its place.
    pub(crate) fn place(&self) -> Place {
        Place::Segment { chunk: self.chunk, epoch: self.epoch, seq: self.seq }
    }
}

impl<'a> Home<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(self) -> &'a Connection {
        self.connection
    }

    /// Records the run itself; a plan without this row is not complete.
    pub(crate) fn put_head(self, head: &str) -> rusqlite::Result<()> {
        let totals = Totals::default().text();
        let checksums = (Place::Head.checksum(head.as_bytes()), totals_checksum(&totals));
        self.connection
            .execute(
                "INSERT INTO run (head, head_crc, totals, totals_crc) VALUES (?, ?, ?, ?)",
                params![head, checksums.0, totals, checksums.1],
            )
            .map(drop)
    }

    /// Reads the description of the run, without its sessions.
    pub(crate) fn head(self) -> rusqlite::Result<RunRecord> {
        self.connection.query_row("SELECT head, head_crc FROM run", [], |row| {
            let text = row.get_ref(0)?.as_str()?;
            Place::Head.check(text.as_bytes(), row.get(1)?).map_err(damage)?;
            parse_head(text).map_err(|error| unfit(Type::Text, error))
        })
    }

    pub(crate) fn totals(self) -> rusqlite::Result<Totals> {
        let mut query = self.connection.prepare_cached("SELECT totals, totals_crc FROM run")?;
        query.query_row([], |row| {
            let text = row.get_ref(0)?.as_str()?;
            Place::Totals.check(text.as_bytes(), row.get(1)?).map_err(damage)?;
            Totals::parse(text).map_err(|error| unfit(Type::Text, error))
        })
    }

    pub(crate) fn put_totals(self, totals: &Totals) -> rusqlite::Result<()> {
        let text = totals.text();
        let mut update =
            self.connection.prepare_cached("UPDATE run SET totals = ?, totals_crc = ?")?;
        update.execute(params![text, totals_checksum(&text)]).map(drop)
    }

    /// Adds a chunk, or replaces the one with its number.
    pub(crate) fn put_chunk(
        self,
        no: u32,
        first: u32,
        tasks: u32,
        body: &[u8],
    ) -> rusqlite::Result<()> {
        self.put_chunk_as([no, first, tasks], body, Place::Chunk(no).checksum(body).into())
    }

    /// Adds a chunk with a checksum that may not fit: its number, its first ordinal and its tasks.
    pub(crate) fn put_chunk_as(
        self,
        [no, first, tasks]: [u32; 3],
        body: &[u8],
        checksum: i64,
    ) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO chunk (no, first, tasks, body, crc) VALUES (?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![no, first, tasks, body, checksum]).map(drop)
    }

    /// Removes the chunks from this one on.
    pub(crate) fn remove_chunks(self, from: u32) -> rusqlite::Result<()> {
        self.connection.execute("DELETE FROM chunk WHERE no >= ?", [from]).map(drop)
    }

    /// Reads the body of a chunk.
    pub(crate) fn chunk(self, no: u32) -> rusqlite::Result<Vec<u8>> {
        let place = Place::Chunk(no);
        let mut query =
            self.connection.prepare_cached("SELECT body, crc FROM chunk WHERE no = ?")?;
        let found = query.query_row([no], |row| {
            let body: Vec<u8> = row.get(0)?;
            place.check(&body, row.get(1)?).map_err(damage)?;
            Ok(body)
        });
        found.optional()?.ok_or_else(|| damage(place.missing()))
    }

    /// Reads where each chunk begins. Numbers that do not follow each other are damage.
    pub(crate) fn chunks(self) -> rusqlite::Result<ChunkIndex> {
        let mut index = ChunkIndex::default();
        let mut query =
            self.connection.prepare("SELECT no, first, tasks FROM chunk ORDER BY no")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let missing = Place::Chunk(index.len()).missing();
            if row.get::<_, u32>(0)? != index.len() {
                return Err(damage(missing));
            }
            index.push(row.get(1)?, row.get(2)?);
        }
        Ok(index)
    }

    /// Adds a segment.
    pub(crate) fn append(self, segment: Segment<'_>) -> rusqlite::Result<()> {
        self.append_as(segment, segment.place().checksum(segment.body))
    }

    /// Adds a segment with a checksum that may not fit.
    pub(crate) fn append_as(self, segment: Segment<'_>, checksum: u32) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO segment (seq, chunk, epoch, body, crc) VALUES (?, ?, ?, ?, ?)",
        )?;
        let Segment { epoch, seq, body, .. } = segment;
        let chunk = segment.place().chunk_number();
        insert.execute(params![seq, chunk, epoch, body, checksum]).map(drop)
    }

    /// Calls `take` for every segment of a chunk, or of the run, in the order of writing.
    pub(crate) fn segments_of(
        self,
        chunk: Option<u32>,
        mut take: impl FnMut(Segment<'_>) -> Result<(), Damage>,
    ) -> rusqlite::Result<()> {
        let mut query = self.connection.prepare_cached(
            "SELECT seq, epoch, body, crc FROM segment WHERE chunk = ? ORDER BY seq",
        )?;
        let number = chunk.map_or(-1, i64::from);
        let mut rows = query.query([number])?;
        while let Some(row) = rows.next()? {
            let (seq, epoch) = (row.get(0)?, row.get(1)?);
            let segment = Segment { chunk, epoch, seq, body: row.get_ref(2)?.as_blob()? };
            segment.place().check(segment.body, row.get(3)?).map_err(damage)?;
            take(segment).map_err(damage)?;
        }
        Ok(())
    }

    /// Calls `take` for every segment in the order of writing. One that is missing is damage.
    pub(crate) fn segments<E: From<Error>>(
        self,
        take: impl FnMut(Segment<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.segments_after(0, take)
    }

    /// Calls `take` for every segment behind one, in the order of writing.
    pub(crate) fn segments_after<E: From<Error>>(
        self,
        mut last: u64,
        mut take: impl FnMut(Segment<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let all = self.totals()?.segments;
        let mut query = self.connection.prepare(
            "SELECT seq, chunk, epoch, body, crc FROM segment WHERE seq > ? ORDER BY seq",
        )?;
        let mut rows = query.query([last])?;
        while let Some(row) = rows.next()? {
            let (seq, chunk): (u64, i64) = (row.get(0)?, row.get(1)?);
            let chunk = u32::try_from(chunk).ok();
            let segment = Segment {
                chunk,
                epoch: row.get(2)?,
                seq,
                body: row.get_ref(3)?.as_blob().map_err(Error::from)?,
            };
            if seq != last + 1 {
                return Err(damage(missing_segment(None, last + 1)).into());
            }
            segment.place().check(segment.body, row.get(4)?).map_err(damage)?;
            last = seq;
            take(segment)?;
        }
        if last < all {
            return Err(damage(missing_segment(None, last + 1)).into());
        }
        Ok(())
    }
}

/// Checks that nothing is missing between a segment of a chunk, or of the run, and the one before it:
/// the later one begins with the distance.
pub(crate) fn check_distance(
    chunk: Option<u32>,
    (before, seq): (u64, u64),
    found: u64,
) -> Result<(), Damage> {
    if found == distance(seq, before) {
        return Ok(());
    }
    Err(missing_segment(chunk, seq.saturating_sub(found)))
}

fn missing_segment(chunk: Option<u32>, seq: u64) -> Damage {
    Place::Segment { chunk, epoch: 0, seq }.missing()
}

fn totals_checksum(text: &str) -> u32 {
    Place::Totals.checksum(text.as_bytes())
}
