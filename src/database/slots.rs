//! Sending slots from the database: one row is the timeline of all workers of a run.

use crate::database::error::DatabaseError;
use crate::database::link::{Link, Values};
use tokio_postgres::types::Type;

/// Slots on the timeline of the database, in its nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotGrant {
    /// The first slot.
    pub first_ns: i64,
    /// How many there are; 0 if all slots up to the horizon are taken.
    pub count: i32,
    /// The time between two slots; 0 without a limit.
    pub step_ns: i64,
    /// The database's time.
    pub now_ns: i64,
    /// Until when the service wants nothing.
    pub hold_ns: i64,
}

/// Reserves up to `wanted` slots.
pub(super) async fn grant(
    link: &mut Link,
    scope: &str,
    wanted: i32,
) -> Result<SlotGrant, DatabaseError> {
    let grant = "SELECT first_ns, n, step_ns, now_ns, hold_ns FROM rate_grant($1, $2)";
    // With the types of its values a statement needs no preparation, and so one round trip: the width
    // of what is known of the database's time is that of the round trip.
    let values: Values<'_, 2> = [(&scope, Type::TEXT), (&wanted, Type::INT4)];
    let row = link.with(async |client| client.query_typed_one(grant, &values).await).await?;
    Ok(SlotGrant {
        first_ns: row.get(0),
        count: row.get(1),
        step_ns: row.get(2),
        now_ns: row.get(3),
        hold_ns: row.get(4),
    })
}

/// Grants no more than a quota leaves room for until then, to every worker; 0 is no quota.
pub(super) async fn limit(
    link: &mut Link,
    scope: &str,
    step_ns: i64,
    until_ns: i64,
) -> Result<(), DatabaseError> {
    let limit = "UPDATE rate SET quota_ns = $2, quota_until_ns = $3 \
                 WHERE scope = (SELECT timeline FROM rate WHERE scope = $1)";
    let values: Values<'_, 3> =
        [(&scope, Type::TEXT), (&step_ns, Type::INT8), (&until_ns, Type::INT8)];
    link.with(async |client| client.execute_typed(limit, &values).await.map(drop)).await
}

/// Keeps all slots free until then, for every worker.
pub(super) async fn hold(link: &mut Link, scope: &str, until_ns: i64) -> Result<(), DatabaseError> {
    let hold = "UPDATE rate SET hold_until_ns = greatest(hold_until_ns, $2) \
                WHERE scope = (SELECT timeline FROM rate WHERE scope = $1)";
    link.with(async |client| client.execute(hold, &[&scope, &until_ns]).await.map(drop)).await
}
