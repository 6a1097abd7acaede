//! Numbers on their way into columns and out of them.
//!
//! The server has signed integers alone. Ours are far below the limits of its columns, and no column
//! holds a negative one; what does not fit all the same becomes the nearest number that does.

use std::num::TryFromIntError;
use std::time::Duration;
use tokio_postgres::Row;

/// Returns a number for a column of four bytes.
pub(super) fn i32_of<T: TryInto<i32, Error = TryFromIntError>>(number: T) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// Returns a number for a column of eight bytes.
pub(super) fn i64_of<T: TryInto<i64, Error = TryFromIntError>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Reads a number of four bytes.
pub(super) fn u32_at(row: &Row, column: usize) -> u32 {
    u32::try_from(row.get::<_, i32>(column)).unwrap_or_default()
}

/// Reads a number of four bytes, if there is one.
pub(super) fn u32_or_none(row: &Row, column: usize) -> Option<u32> {
    row.get::<_, Option<i32>>(column).and_then(|number| u32::try_from(number).ok())
}

/// Reads a number of eight bytes.
pub(super) fn u64_at(row: &Row, column: usize) -> u64 {
    u64::try_from(row.get::<_, i64>(column)).unwrap_or_default()
}

/// Reads the longest way to the database and back that a run allows for.
pub(super) fn trip_at(row: &Row, column: usize) -> Duration {
    Duration::from_micros(u32_at(row, column).into())
}
