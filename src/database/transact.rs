//! Transactions whose end is known, also if the answer to the commit is lost.
//!
//! The server remembers by its number whether a transaction was committed. Without that, a second try
//! would find its own work and take it for that of another process.

use crate::database::error::DatabaseError;
use crate::database::link::{Link, STATEMENT_TIMEOUT};
use std::time::Duration;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

const NUMBER: &str = "SELECT pg_current_xact_id()::text";
const STATUS: &str = "SELECT pg_xact_status($1::xid8)";
/// How often a server is asked what became of a transaction, and when: ten seconds.
const MOST_LOOKS: u32 = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A commit that was sent.
struct Sent<T> {
    number: String,
    result: T,
}

impl Link {
    /// Carries out a transaction, which is committed if there is a result.
    ///
    /// # Errors
    ///
    /// Nothing is committed, unless the database stayed away after its answer was lost.
    pub(super) async fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<Option<T>, tokio_postgres::Error>,
    ) -> Result<Option<T>, DatabaseError> {
        self.transact_within(STATEMENT_TIMEOUT, work).await
    }

    /// Carries out a transaction that may take so long.
    pub(super) async fn transact_within<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<Option<T>, tokio_postgres::Error>,
    ) -> Result<Option<T>, DatabaseError> {
        let mut sent = None;
        let done = self.with_limit(limit, async |client| {
            let transaction = client.transaction().await?;
            if limit > STATEMENT_TIMEOUT {
                transaction.batch_execute("SET LOCAL statement_timeout = 0").await?;
            }
            let Some(result) = work(&transaction).await? else { return Ok(()) };
            let number = transaction.query_typed_one(NUMBER, &[]).await?.get(0);
            sent = Some(Sent { number, result });
            transaction.commit().await
        });
        match (done.await, sent) {
            (Ok(()), sent) => Ok(sent.map(|sent| sent.result)),
            (Err(error), Some(sent)) if error.may_pass() => {
                if self.is_committed(&sent.number).await {
                    Ok(Some(sent.result))
                } else {
                    Err(error)
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Returns whether a transaction is known to be committed; asks while it is under way, or while
    /// the server is away.
    async fn is_committed(&mut self, number: &str) -> bool {
        for _ in 0..MOST_LOOKS {
            let asked = self.with(async |client| {
                client.query_typed_one(STATUS, &[(&number, Type::TEXT)]).await
            });
            match asked.await.map(|row| row.get::<_, Option<String>>(0)).as_ref() {
                Ok(Some(status)) if status == "committed" => return true,
                Ok(Some(status)) if status == "in progress" => {}
                Err(error) if error.may_pass() => {}
                Ok(_) | Err(_) => return false,
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        false
    }
}
