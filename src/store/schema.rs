//! The format of a run's file.
//!
//! | version | since | change |
//! |---|---|---|
//! | 1 | before 0.1.0 | first |
//! | 2 | 0.1.0 | `failure` has `detail` and `params` |
//!
//! A writer brings an older run up to the version of today. A reader changes nothing, and sees it as
//! if that had been done.
//!
//! - Times are microseconds after `run.origin_us`.
//! - Commands and outcomes are numbers of which any two differ in two bits, see `codes`.
//! - A task without a row in `outcome` is not settled. An attempt without a duration has no end.
//! - An outcome's duration counts from the first sending. Its time is in the outcome, except if
//!   there was one attempt, which has it. Without an attempt it is the time of settling.
//! - The observed states of a task before and after its call are in `state`. An outcome there is
//!   that of the task, if it is not that of its call.
//! - A `poll` is a request for a page of the list.

use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::{beside, check_file};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// "bctl", in the header of every file.
const APPLICATION_ID: i64 = 0x6263_746c;
/// The version of the format.
const VERSION: i64 = 2;
/// Brings a run of version 1 up to version 2.
const UPGRADE: &str = "
BEGIN IMMEDIATE;
ALTER TABLE failure ADD COLUMN detail TEXT;
ALTER TABLE failure ADD COLUMN params TEXT;
PRAGMA user_version = 2;
COMMIT;
";
/// Shows failures of version 1 as those of version 2: a name is looked up among temporary views
/// before the tables of the file.
const VIEW_OF_OLDER: &str = "
CREATE TEMP VIEW failure AS
SELECT seq, error_kind, error_code, error_msg, reason, advice, error_list,
    NULL AS detail, NULL AS params
FROM main.failure
";
/// How long a reader waits for a commit under way.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The memory for a plan while it is loaded, in KiB. The plan is sorted in pieces of this size.
/// Pieces that fit the processor's cache are sorted faster: a million ids take three quarters of
/// the time of pieces of 32 MiB.
const LOADING_CACHE: i64 = 8_192;
/// The number of threads that sort a piece while the next one is read.
const SORTERS: i64 = 1;
/// The maximum size of a cell that is read, in bytes. The largest that is written is a row of the
/// input, at most 1 MiB, as JSON.
const MAX_CELL_BYTES: i32 = 16 << 20;
/// The size to which the write-ahead log shrinks when no reader needs it any more.
const LOG_BYTES: i64 = 16 << 20;

const TABLES: &str = "
CREATE TABLE run (
    id TEXT NOT NULL,
    parent TEXT,
    outstanding_before INTEGER,
    job TEXT,
    reason TEXT,
    command TEXT NOT NULL,
    origin_us INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    project_id TEXT NOT NULL,
    settings TEXT NOT NULL,
    rows INTEGER NOT NULL,
    selected INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    already_done INTEGER NOT NULL,
    invalid INTEGER NOT NULL
) STRICT;
CREATE TABLE source (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    columns TEXT NOT NULL
) STRICT;
CREATE TABLE task (
    ordinal INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    command INTEGER NOT NULL,
    source INTEGER NOT NULL,
    line INTEGER NOT NULL,
    position INTEGER,
    others TEXT
) STRICT;
CREATE TABLE session (
    number INTEGER PRIMARY KEY,
    started_us INTEGER NOT NULL,
    ended_us INTEGER,
    stopped TEXT,
    held_us INTEGER,
    rate_learnt REAL,
    process INTEGER NOT NULL,
    version TEXT NOT NULL,
    commits INTEGER NOT NULL
) STRICT;
CREATE TABLE attempt (
    seq INTEGER PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sent_us INTEGER NOT NULL,
    duration_us INTEGER,
    in_doubt INTEGER,
    http_status INTEGER,
    total_count INTEGER,
    failed_count INTEGER,
    succeed_count INTEGER,
    request_id TEXT
) STRICT;
CREATE TABLE failure (
    seq INTEGER PRIMARY KEY,
    error_kind TEXT NOT NULL,
    error_code TEXT,
    error_msg TEXT,
    reason TEXT,
    advice TEXT,
    error_list TEXT,
    detail TEXT,
    params TEXT
) STRICT;
CREATE TABLE outcome (
    ordinal INTEGER PRIMARY KEY,
    outcome INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_sent_us INTEGER,
    duration_us INTEGER NOT NULL
) STRICT;
CREATE TABLE state (
    ordinal INTEGER PRIMARY KEY,
    before TEXT,
    after TEXT,
    verified_us INTEGER,
    outcome INTEGER
) STRICT;
CREATE TABLE poll (
    sent_us INTEGER NOT NULL
) STRICT;
CREATE TABLE hold (
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE change (
    at_us INTEGER NOT NULL,
    what TEXT NOT NULL,
    value TEXT,
    by TEXT NOT NULL
) STRICT;
";

/// Creates a new file for its owner alone, with its tables, set up for one bulk load.
///
/// Until the load is complete the file has no journal, because it is removed if anything fails.
pub(crate) fn create(path: &Path) -> Result<Connection, StoreError> {
    File::options().write(true).create_new(true).mode(0o600).open(path).map_err(file(path))?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let set_up = || {
        sort_beside(&connection, path)?;
        lay_down(&connection)
    };
    set_up().map_err(sqlite(path))?;
    Ok(connection)
}

/// Places the temporary files of a sort beside the run, where the run itself needs space as well.
///
/// The default, `/var/tmp` or `/tmp`, may be memory, small or read-only. SQLite has only this
/// setting of the whole process for it. The setting is deprecated but guarded by a mutex, and
/// every run of a process has the same directory.
fn sort_beside(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let directory = path.parent().and_then(Path::to_str);
    // A directory whose name is not UTF-8 keeps the default: SQLite takes no other name.
    match directory {
        Some(directory) => connection.pragma_update(None, "temp_store_directory", directory),
        None => Ok(()),
    }
}

/// Prepares a loaded plan to be carried out.
pub(crate) fn finish(connection: &Connection) -> rusqlite::Result<()> {
    let count = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    // Empty pages are used again. If most pages are empty, few of them ever will be.
    if count("freelist_count")? > count("page_count")? / 2 {
        connection.execute_batch("VACUUM")?;
    }
    // Now, because a later change of the journal would need the file without any reader.
    connection.pragma_update(None, "journal_mode", "wal")
}

/// Returns a store in a temporary file that vanishes with it: the plan of a dry run.
pub(crate) fn temporary() -> rusqlite::Result<Connection> {
    let connection = Connection::open("")?;
    connection.pragma_update(None, "threads", SORTERS)?;
    lay_down(&connection)?;
    Ok(connection)
}

fn lay_down(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    connection.pragma_update(None, "journal_mode", "off")?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "cache_size", -LOADING_CACHE)?;
    connection.execute_batch(TABLES)
}

/// Opens a run to write to it: every commit is on disk when it returns.
///
/// Changes nothing in it: [`upgrade`] does, once the file is known to be whole.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(&connection, path)?;
    let set_up = || {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        // A long report keeps the log from starting anew; afterwards it shrinks to this size.
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        connection.pragma_update(None, "cache_size", -8_192)
    };
    set_up().map_err(sqlite(path))?;
    Ok(connection)
}

/// Brings a run of an older version up to the present one.
pub(crate) fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let version =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    if version < VERSION { connection.execute_batch(UPGRADE) } else { Ok(()) }
}

/// Opens a run to read it, also while another process writes to it.
///
/// All that is read is one snapshot: nothing is ever written in its transaction.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Before the checks: a writer that upgrades the file in between would not fit what they found.
    connection.execute_batch("BEGIN").map_err(sqlite(path))?;
    if check(&connection, path)? == 1 {
        connection.execute_batch(VIEW_OF_OLDER).map_err(sqlite(path))?;
    }
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        check_file(&path)?;
    }
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite(path))?;
    let set_up = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // The file may be damaged or crafted: its schema must not call functions, and cells must
        // not point outside their pages.
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "threads", SORTERS)?;
        connection.set_prepared_statement_cache_capacity(32);
        // A cell of a file that somebody made could be as large as memory.
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)?;
        Ok(())
    };
    set_up().map_err(sqlite(path))?;
    Ok(connection)
}

/// Checks that the file is a run, of a version that is known, and returns the version.
fn check(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("application_id").map_err(sqlite(path))? != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.into() });
    }
    let version = match number("user_version").map_err(sqlite(path))? {
        known @ 1..=VERSION => known,
        found => return Err(StoreError::Newer { path: path.into(), found, known: VERSION }),
    };
    // A view in the place of a table could make rows without end.
    let others = "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')";
    let others: i64 = connection.query_row(others, [], |row| row.get(0)).map_err(sqlite(path))?;
    if others == 0 { Ok(version) } else { Err(StoreError::Foreign { path: path.into() }) }
}
