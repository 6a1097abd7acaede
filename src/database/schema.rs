//! The tables of the database: made once, brought up to date, and refused if they are not ours or
//! newer.

use crate::database::error::{DatabaseError, WhyOld};
use crate::database::link::Link;
use tokio_postgres::Transaction;

/// The statements that make the tables, for those who have to run them for others.
pub const TABLES: &str = concat!(include_str!("tables.sql"), include_str!("functions.sql"));
/// The statements that bring tables up to date: each from one version to the next, from the oldest on.
const UPDATES: [&str; 2] = [include_str!("version_2.sql"), include_str!("version_3.sql")];
/// What every update ends with.
const FUNCTIONS: &str = include_str!("functions.sql");
/// The version of the tables.
const VERSION: i32 = 3;
/// The oldest version with everything that reports need.
const OLDEST: i32 = 1;
/// The lock under which they are made: "bctl".
const LOCK: i64 = 0x6263_746c;

/// From the tables themselves: functions may answer from what the session has seen before.
const FIND: &str = "
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'batchctl'),
    EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'batchctl' AND c.relname = 'about')";
const VERSION_OF: &str = "SELECT version FROM batchctl.about";
/// No worker joins before the end of the transaction.
const NOBODY_JOINS: &str = "LOCK TABLE batchctl.worker IN ACCESS EXCLUSIVE MODE";
const IS_BUSY: &str = "
SELECT EXISTS (SELECT FROM batchctl.worker w JOIN batchctl.run r ON r.no = w.run
    WHERE w.gone IS NULL AND w.seen > clock_timestamp() - r.lease)";

/// What was found, and what became of it.
enum Found {
    /// The tables are made or up to date now, or are not ours to judge here.
    Prepared,
    /// They are old, and workers that know no others are on a run.
    InUse,
}

/// Makes the tables, if they are missing, brings them up to date if they are old, and checks their
/// version. Workers need all of it; what only reads does not.
///
/// # Errors
///
/// The tables are foreign or newer, or this user may not make or change them. They are old, and
/// workers of an older version are on a run.
pub(super) async fn prepare(link: &mut Link) -> Result<(), DatabaseError> {
    match found_version(link).await {
        Ok(VERSION) => return Ok(()),
        Ok(_) | Err(DatabaseError::NoTables { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut is_old = false;
    let prepared = link
        .with(async |client| {
            let transaction = client.transaction().await?;
            // Two planners that begin at once would both find nothing.
            transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            let found = transaction.query_one(FIND, &[]).await?;
            if !found.get::<_, bool>(0) {
                transaction.batch_execute(TABLES).await?;
            } else if found.get(1)
                && let updates @ [_, ..] = updates_from(version(&transaction).await?)
            {
                is_old = true;
                transaction.batch_execute(NOBODY_JOINS).await?;
                if transaction.query_one(IS_BUSY, &[]).await?.get(0) {
                    return Ok(Found::InUse);
                }
                for statements in updates.iter().chain([&FUNCTIONS]) {
                    transaction.batch_execute(statements).await?;
                }
            }
            transaction.commit().await?;
            Ok(Found::Prepared)
        })
        .await;
    let old = |why| DatabaseError::Old { shown: link.shown().to_owned(), known: VERSION, why };
    match prepared {
        Ok(Found::Prepared) => check(link).await,
        Ok(Found::InUse) => Err(old(WhyOld::Busy)),
        Err(DatabaseError::NoRights { .. }) if is_old => Err(old(WhyOld::NoRights)),
        Err(error) => Err(error),
    }
}

/// Returns the statements that bring tables of this version up to date; none if they are not old.
fn updates_from(version: Option<i32>) -> &'static [&'static str] {
    let done = version.and_then(|version| usize::try_from(version - OLDEST).ok());
    done.and_then(|done| UPDATES.get(done..)).unwrap_or_default()
}

async fn version(transaction: &Transaction<'_>) -> Result<Option<i32>, tokio_postgres::Error> {
    let rows = transaction.query(VERSION_OF, &[]).await?;
    Ok(rows.first().and_then(|row| row.try_get(0).ok()))
}

/// Checks that the tables are there and of a version that is known.
pub(super) async fn check(link: &mut Link) -> Result<(), DatabaseError> {
    found_version(link).await.map(drop)
}

async fn found_version(link: &mut Link) -> Result<i32, DatabaseError> {
    let version = link
        .with(async |client| {
            let row = client.query_one(FIND, &[]).await?;
            if !row.get::<_, bool>(1) {
                return Ok(Err(row.get::<_, bool>(0)));
            }
            let rows = client.query(VERSION_OF, &[]).await?;
            Ok(Ok(rows.first().and_then(|row| row.try_get::<_, i32>(0).ok())))
        })
        .await?;
    let shown = link.shown().to_owned();
    match version {
        Ok(Some(found @ OLDEST..=VERSION)) => Ok(found),
        Ok(Some(found)) if found > VERSION => {
            Err(DatabaseError::Newer { shown, found, known: VERSION })
        }
        Err(false) => Err(DatabaseError::NoTables { shown }),
        Ok(_) | Err(true) => Err(DatabaseError::Foreign { shown }),
    }
}
