//! Reads when the attempts of a run were sent and how they ended, and nothing else of them.
//!
//! What counts attempts needs no more, and most of what is kept of an attempt is what came back: a
//! run of millions is read sooner without it.

use crate::store::codes;
use crate::store::error::StoreError;
use crate::store::reading::reader::RunReader;
use crate::store::rows::SendingRow;
use rusqlite::Row;

impl RunReader {
    /// Hands every attempt that may have left, in the order of sending, to `take`.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_sending<E: From<StoreError>>(
        &self,
        take: impl FnMut(SendingRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT attempt.seq, attempt.number, attempt.sent_us, attempt.duration_us,
                       attempt.http_status, failure.error_kind
                   FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq
                   ORDER BY attempt.seq";
        self.walk(sql, [], |row| self.sending_row(row), take)
    }

    fn sending_row(&self, row: &Row<'_>) -> rusqlite::Result<Option<SendingRow>> {
        let duration: Option<i64> = row.get(3)?;
        if duration.is_none() && !self.departed.may_include(row.get(0)?) {
            return Ok(None);
        }
        Ok(Some(SendingRow {
            number: row.get(1)?,
            sent: self.at(row.get(2)?),
            duration: duration.map(codes::span),
            http_status: row.get(4)?,
            failed: codes::parsed_or_null(row, 5)?,
        }))
    }
}
