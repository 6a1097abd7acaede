//! The tables of the database: made once, and refused if they are not ours or newer.

use crate::store::database::error::DatabaseError;
use crate::store::database::link::Link;

/// The statements that make the tables, for those who have to run them for others.
pub const TABLES: &str = include_str!("tables.sql");
/// The version of the tables.
const VERSION: i32 = 1;
/// The lock under which they are made: "bctl".
const LOCK: i64 = 0x6263_746c;

/// Makes the tables, if they are missing, and checks their version.
///
/// # Errors
///
/// The tables are foreign or newer, or this user may not make them.
pub(crate) async fn prepare(link: &mut Link) -> Result<(), DatabaseError> {
    let made = link
        .with(async |client| {
            let transaction = client.transaction().await?;
            // Two planners that begin at once would both find nothing.
            transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            let exists = "SELECT to_regnamespace('batchctl') IS NOT NULL";
            if !transaction.query_one(exists, &[]).await?.get::<_, bool>(0) {
                transaction.batch_execute(TABLES).await?;
            }
            transaction.commit().await
        })
        .await;
    made?;
    check(link).await
}

/// Checks that the tables are there and of a version that is known.
pub(crate) async fn check(link: &mut Link) -> Result<(), DatabaseError> {
    let version = link
        .with(async |client| {
            let exists = "SELECT to_regnamespace('batchctl') IS NOT NULL, \
                          to_regclass('batchctl.about') IS NOT NULL";
            let row = client.query_one(exists, &[]).await?;
            if !row.get::<_, bool>(1) {
                return Ok(Err(row.get::<_, bool>(0)));
            }
            let rows = client.query("SELECT version FROM batchctl.about", &[]).await?;
            Ok(Ok(rows.first().and_then(|row| row.try_get::<_, i32>(0).ok())))
        })
        .await?;
    let shown = link.shown().to_owned();
    match version {
        Ok(Some(VERSION)) => Ok(()),
        Ok(Some(found)) if found > VERSION => {
            Err(DatabaseError::Newer { shown, found, known: VERSION })
        }
        Err(false) => Err(DatabaseError::NoTables { shown }),
        Ok(_) | Err(true) => Err(DatabaseError::Foreign { shown }),
    }
}
