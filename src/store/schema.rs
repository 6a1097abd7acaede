//! The format of a run's file.
//!
//! | version | since | change |
//! |---|---|---|
//! | 1, 2 | before 0.1.0 | a row for each attempt and outcome; refused by name |
//! | 3 | 0.1.0 | the journal: plan chunks and segments under checksums |
//!
//! - `run` is one row: the description of the run and its totals, each JSON under a checksum.
//! - `chunk` holds the plan, `segment` all facts since, in the bytes of `journal`.
//! - The sequence numbers of segments follow each other without a gap, over the whole run. The
//!   chunk of a segment of the run itself is -1. The epoch is the number of the session.

use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::{beside, check_file};
use crate::system::files::OpenOptionsExt;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// "bctl", in the header of every file.
const APPLICATION_ID: i64 = 0x6263_746c;
/// The version of the format.
const VERSION: i64 = 3;
/// How long a reader waits for a commit under way.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The memory for a plan while it is loaded, in KiB. The plan is sorted in pieces of this size.
/// Pieces that fit the processor's cache are sorted faster: a million ids take three quarters of
/// the time of pieces of 32 MiB.
const LOADING_CACHE: i64 = 8_192;
/// The number of threads that sort a piece while the next one is read.
const SORTERS: i64 = 1;
/// The maximum size of a cell that is read, in bytes. Bodies are closed at 1 MiB, and the longest row
/// of an input adds one more.
const MAX_CELL_BYTES: i32 = 16 << 20;
/// The size to which the write-ahead log shrinks when no reader needs it any more.
const LOG_BYTES: i64 = 16 << 20;

const TABLES: &str = "
CREATE TABLE about (
    line INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;
INSERT INTO about (text) VALUES
    ('This is a run of batchctl. To read it: batchctl report, batchctl runs show.'),
    ('run: one row; its description and its totals, as JSON'),
    ('chunk: the plan, up to 1,000 tasks in each body'),
    ('segment: what happened to the tasks of a chunk, or to the run (chunk -1), in one commit'),
    ('A body has a CRC-32C over its place and its bytes. docs/design/journal-format.md has both.');
CREATE TABLE run (
    head TEXT NOT NULL,
    head_crc INTEGER NOT NULL,
    totals TEXT NOT NULL,
    totals_crc INTEGER NOT NULL
) STRICT;
CREATE TABLE chunk (
    no INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    tasks INTEGER NOT NULL,
    body BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE segment (
    seq INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    body BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE INDEX segment_of_chunk ON segment (chunk, seq);
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
    // Before anything is written: with a journal each of the next two statements syncs four times.
    connection.pragma_update(None, "journal_mode", "off")?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "cache_size", -LOADING_CACHE)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    connection.execute_batch(TABLES)
}

/// Opens a run to write to it: every commit is on disk when it returns.
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

/// Opens a run to read it, also while another process writes to it.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check(&connection, path)?;
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

/// Checks that the file is a run, of a version that is known.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("application_id").map_err(sqlite(path))? != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.into() });
    }
    match number("user_version").map_err(sqlite(path))? {
        VERSION => {}
        found @ ..VERSION => return Err(StoreError::Older { path: path.into(), found }),
        found => return Err(StoreError::Newer { path: path.into(), found, known: VERSION }),
    }
    // A view in the place of a table could make rows without end.
    let others = "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')";
    let others: i64 = connection.query_row(others, [], |row| row.get(0)).map_err(sqlite(path))?;
    if others == 0 { Ok(()) } else { Err(StoreError::Foreign { path: path.into() }) }
}
