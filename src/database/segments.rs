//! Rows of the table of segments, each with the checksum of its place.

use crate::database::numbers::i32_of;
use crate::journal::Place;
use tokio_postgres::Transaction;

const SEGMENTS: &str = "
INSERT INTO segment (run, chunk, seq, epoch, worker, body, crc)
SELECT $1, f.chunk, f.seq, f.epoch, $2, f.body, f.crc
FROM unnest($3::int[], $4::int[], $5::int[], $6::bytea[], $7::bigint[]) AS f(chunk, seq, epoch, body, crc)";
/// So many segments are written by one statement.
const AT_ONCE: usize = 256;

/// A row of the table of segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentRow<'a> {
    pub(super) chunk: i32,
    pub(super) seq: i32,
    pub(super) epoch: i32,
    pub(super) body: &'a [u8],
    pub(super) crc: i64,
}

impl<'a> SegmentRow<'a> {
    /// Returns a segment of a chunk under the epoch of its lease.
    pub(super) fn of_chunk(no: u32, epoch: u32, seq: u32, body: &'a [u8]) -> Self {
        let place = Place::Segment { chunk: Some(no), epoch, seq: u64::from(seq) };
        let (chunk, seq, epoch) = (i32_of(no), i32_of(seq), i32_of(epoch));
        Self { chunk, seq, epoch, body, crc: i64::from(place.checksum(body)) }
    }

    /// Returns a segment about the run itself: it has the number of a worker, negative, in place of a
    /// chunk.
    pub(super) fn of_worker(worker: i32, seq: u32, body: &'a [u8]) -> Self {
        let epoch = worker.unsigned_abs();
        let place = Place::Segment { chunk: None, epoch, seq: u64::from(seq) };
        let (chunk, seq, epoch) = (-i32_of(epoch), i32_of(seq), i32_of(epoch));
        Self { chunk, seq, epoch, body, crc: i64::from(place.checksum(body)) }
    }
}

/// Adds segments that a worker has written.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    run: i64,
    worker: i32,
    rows: &[SegmentRow<'_>],
) -> Result<(), tokio_postgres::Error> {
    for rows in rows.chunks(AT_ONCE) {
        let column = |of: fn(&SegmentRow<'_>) -> i32| -> Vec<i32> { rows.iter().map(of).collect() };
        let bodies: Vec<&[u8]> = rows.iter().map(|row| row.body).collect();
        let checksums: Vec<i64> = rows.iter().map(|row| row.crc).collect();
        let (chunks, seqs) = (column(|row| row.chunk), column(|row| row.seq));
        let epochs = column(|row| row.epoch);
        transaction
            .execute(SEGMENTS, &[&run, &worker, &chunks, &seqs, &epochs, &bodies, &checksums])
            .await?;
    }
    Ok(())
}
