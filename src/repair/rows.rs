//! Puts rebuilt rows in the place of those that are not whole: for one reader, or in the file.

use crate::journal::Place;
use crate::repair::rebuild::Rebuilt;
use crate::store::Home;
use rusqlite::{Connection, params};

/// Tables of this connection alone, under the names of those of the file: SQLite looks there first.
const SHADOWS: &str = "
CREATE TEMP TABLE chunk_out (no INTEGER PRIMARY KEY);
CREATE TEMP TABLE chunk_in (no INTEGER PRIMARY KEY, first, tasks, body, crc);
CREATE TEMP TABLE segment_out (seq INTEGER PRIMARY KEY);
CREATE TEMP TABLE segment_in (seq INTEGER PRIMARY KEY, chunk, epoch, body, crc);
CREATE INDEX temp.segment_in_of_chunk ON segment_in (chunk, seq);
CREATE TEMP TABLE run (head, head_crc, totals, totals_crc);
INSERT INTO temp.run SELECT head, head_crc, totals, totals_crc FROM main.run;
";

const VIEWS: &str = "
CREATE TEMP VIEW chunk AS
    SELECT no, first, tasks, body, crc FROM main.chunk
        WHERE no NOT IN (SELECT no FROM temp.chunk_out)
    UNION ALL SELECT no, first, tasks, body, crc FROM temp.chunk_in;
CREATE TEMP VIEW segment AS
    SELECT seq, chunk, epoch, body, crc FROM main.segment
        WHERE seq NOT IN (SELECT seq FROM temp.segment_out)
    UNION ALL SELECT seq, chunk, epoch, body, crc FROM temp.segment_in;
";

/// The rows that are set aside, kept as they were found for whoever looks at the damage.
const SET_ASIDE: &str = "
CREATE TABLE IF NOT EXISTS damaged (was TEXT, no, first, tasks, seq, chunk, epoch, body, crc);
INSERT INTO about (text) SELECT 'damaged: rows that were not what was written, as they were found'
    WHERE NOT EXISTS (SELECT 1 FROM about WHERE text LIKE 'damaged:%');
INSERT INTO damaged (was, no, first, tasks, body, crc)
    SELECT 'chunk', no, first, tasks, body, crc FROM main.chunk
    WHERE no IN (SELECT no FROM temp.chunk_out);
INSERT INTO damaged (was, seq, chunk, epoch, body, crc)
    SELECT 'segment', seq, chunk, epoch, body, crc FROM main.segment
    WHERE seq IN (SELECT seq FROM temp.segment_out);
DELETE FROM main.chunk WHERE no IN (SELECT no FROM temp.chunk_out);
DELETE FROM main.segment WHERE seq IN (SELECT seq FROM temp.segment_out);
INSERT INTO main.chunk SELECT no, first, tasks, body, crc FROM temp.chunk_in;
INSERT INTO main.segment SELECT seq, chunk, epoch, body, crc FROM temp.segment_in;
UPDATE main.run SET (totals, totals_crc) = (SELECT totals, totals_crc FROM temp.run);
";

/// Lets every reader of this connection see rebuilt rows; the file stays as it is.
pub(super) fn shadow(connection: &Connection, rebuilt: &Rebuilt) -> rusqlite::Result<()> {
    connection.execute_batch(SHADOWS)?;
    let mut out = connection.prepare("INSERT INTO temp.chunk_out VALUES (?)")?;
    rebuilt.chunks_out.iter().try_for_each(|no| out.execute([no]).map(drop))?;
    let mut out = connection.prepare("INSERT INTO temp.segment_out VALUES (?)")?;
    rebuilt.segments_out.iter().try_for_each(|seq| out.execute([seq]).map(drop))?;
    let mut chunk = connection.prepare("INSERT INTO temp.chunk_in VALUES (?, ?, ?, ?, ?)")?;
    for (no, first, tasks, body) in &rebuilt.chunks {
        chunk.execute(params![no, first, tasks, body, Place::Chunk(*no).checksum(body)])?;
    }
    let mut segment = connection.prepare("INSERT INTO temp.segment_in VALUES (?, ?, ?, ?, ?)")?;
    for (owner, epoch, seq, body) in &rebuilt.segments {
        let place = Place::Segment { chunk: *owner, epoch: *epoch, seq: *seq };
        let (chunk, checksum) = (place.chunk_number(), place.checksum(body));
        segment.execute(params![seq, chunk, epoch, body, checksum])?;
    }
    connection.execute_batch(VIEWS)?;
    // A statement that was prepared before would still read the damaged rows.
    connection.flush_prepared_statement_cache();
    Home::new(connection).put_totals(&rebuilt.totals)
}

/// Replaces in the file what is shadowed, in the transaction under way.
pub(super) fn replace(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SET_ASIDE)
}
