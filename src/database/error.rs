//! The errors of a database, each with what to do about it.

use crate::store::{OtherHomeError, OtherHomeFailure, RunId, StoreError};
use std::error::Error;
use std::io;
use tokio_postgres::error::{DbError, SqlState};

/// What the server said, in one line. The client puts a line around it that says nothing, and breaks
/// the text into several.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServerWords(String);

impl ServerWords {
    fn of(said: &DbError) -> Self {
        let parts = [Some(said.message()), said.detail()].into_iter().flatten();
        let lines: Vec<&str> = parts.flat_map(str::lines).collect();
        Self(format!("{}: {}", said.severity(), lines.join("; ")))
    }
}

/// Why old tables are not brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyOld {
    /// Workers of an older version are on a run.
    Busy,
    /// Only the owner of the tables may change them.
    NoRights,
}

/// Why the database of runs cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It does not answer, or refuses the connection.
    #[error("cannot reach the database {shown}")]
    Unreachable {
        /// Host and database.
        shown: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server is older than the statements need.
    #[error("the server of the database {shown} is PostgreSQL {found}; {} or newer is needed", OLDEST_SERVER / 10_000)]
    TooOld {
        /// Host and database.
        shown: String,
        /// Its version.
        found: String,
    },
    /// A pooler in between gives one session of the server to several connections.
    #[error("a pooler on the way to the database {shown} gives each transaction another session")]
    SharedSession {
        /// Host and database.
        shown: String,
    },
    /// A newer version of batchctl made the tables.
    #[error("the tables of the database {shown} have version {found}; this batchctl knows {known}")]
    Newer {
        /// Host and database.
        shown: String,
        /// Their version.
        found: i32,
        /// The version that is known.
        known: i32,
    },
    /// An older version made the tables, and they cannot be brought up to date now.
    #[error(
        "the tables of the database {shown} are older than version {known}, which workers need now"
    )]
    Old {
        /// Host and database.
        shown: String,
        /// The version that is needed.
        known: i32,
        /// What stands in the way.
        why: WhyOld,
    },
    /// There is a schema of that name that batchctl did not make.
    #[error("the schema `batchctl` of the database {shown} is not one of batchctl")]
    Foreign {
        /// Host and database.
        shown: String,
    },
    /// There are no tables yet.
    #[error("the database {shown} has no runs of batchctl")]
    NoTables {
        /// Host and database.
        shown: String,
    },
    /// There are no tables, and this user may not create them.
    #[error("this user may not use the tables of batchctl in the database {shown}")]
    NoRights {
        /// Host and database.
        shown: String,
        /// What the server said.
        source: ServerWords,
    },
    /// The user or the database does not exist, or the password is wrong.
    #[error("cannot log in to the database {shown}")]
    NoEntry {
        /// Host and database.
        shown: String,
        /// What the server said.
        source: ServerWords,
    },
    /// A statement names a table or a function that is not there.
    #[error("the database {shown} misses a part of batchctl's tables")]
    Undefined {
        /// Host and database.
        shown: String,
        /// What the server said.
        source: ServerWords,
    },
    /// A statement failed.
    #[error("the database {shown} refused a statement")]
    Statement {
        /// Host and database.
        shown: String,
        /// What the server said.
        source: ServerWords,
    },
    /// The run is not there any longer.
    #[error("the run is no longer in the database {shown}")]
    RunGone {
        /// Host and database.
        shown: String,
    },
    /// The lease of the job ended before the run was stored, and another run has taken it.
    #[error("another run has taken the job, while the database {shown} was away")]
    JobTaken {
        /// Host and database.
        shown: String,
    },
    /// Another planner has chosen the same id for a run of its own, at the same moment.
    #[error("the database {shown} has another run {run}, planned at the same moment")]
    RunExists {
        /// Host and database.
        shown: String,
        /// The id.
        run: RunId,
    },
    /// The thread of the writer is gone.
    #[error("the writer of the database has stopped")]
    WriterGone,
    /// A row is not what was written.
    #[error("the run is damaged in the database {shown}: {detail}")]
    Damaged {
        /// Host and database.
        shown: String,
        /// The place.
        detail: String,
    },
}

/// The oldest server, as `server_version_num` says it.
pub(super) const OLDEST_SERVER: i32 = 140_000;

impl DatabaseError {
    /// Sorts an error of the client: whether the server said no, or did not answer.
    pub(super) fn from_client(shown: &str, source: tokio_postgres::Error) -> Self {
        let shown = shown.to_owned();
        let Some(said) = source.as_db_error() else {
            return Self::Unreachable { shown, source: Box::new(source) };
        };
        let source = ServerWords::of(said);
        match said.code() {
            code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::NoRights { shown, source },
            code if is_of_others(code) => Self::SharedSession { shown },
            code if is_undefined(code) => Self::Undefined { shown, source },
            code if is_no_entry(code) => Self::NoEntry { shown, source },
            code if is_passing(code) => Self::Unreachable { shown, source: Box::new(source) },
            _ => Self::Statement { shown, source },
        }
    }

    /// Returns what the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { source, .. } if is_untrusted(&**source) => {
                "the name in the address has to be that of the certificate; `sslrootcert=FILE` in the \
                 address names an authority of your own"
                    .into()
            }
            Self::Unreachable { .. } => {
                "check the address and the server; `batchctl work` goes on from what was recorded"
                    .into()
            }
            Self::WriterGone => "`batchctl work` goes on from what was recorded".into(),
            Self::JobTaken { .. } | Self::RunExists { .. } => {
                "nothing was stored; start the run again".into()
            }
            Self::TooOld { .. } => {
                "name another server with `--store postgres://USER@HOST/NAME`".into()
            }
            Self::SharedSession { .. } => {
                "let it pool sessions (`pool_mode = session` of PgBouncer), or name the server itself"
                    .into()
            }
            Self::Newer { .. } => "use the version that made them, or a newer one".into(),
            Self::Old { why: WhyOld::Busy, .. } => {
                "workers of an older batchctl are on a run; once they have ended, the next worker \
                 brings the tables up to date"
                    .into()
            }
            Self::Old { why: WhyOld::NoRights, .. } => {
                "the owner of the tables brings them up to date with `batchctl work`".into()
            }
            Self::NoTables { .. } => "`batchctl start` makes the tables with the first run".into(),
            Self::Foreign { .. } => "name another database, or rename that schema".into(),
            Self::NoRights { .. } => {
                "the owner can `GRANT CREATE ON DATABASE … TO` who makes the tables; a worker needs \
                 `GRANT USAGE ON SCHEMA batchctl` and `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL \
                 TABLES IN SCHEMA batchctl`"
                    .into()
            }
            Self::NoEntry { .. } => {
                "check both names of the address; a password belongs into ~/.pgpass, PGPASSWORD or \
                 BATCHCTL_STORE"
                    .into()
            }
            Self::RunGone { .. } => {
                "somebody removed it while this worker was silent; its last calls are in no report"
                    .into()
            }
            Self::Undefined { .. } => {
                "somebody changed the schema `batchctl`, or a pooler in between pools transactions \
                 and not sessions"
                    .into()
            }
            Self::Statement { .. } => "the log of the server says more".into(),
            Self::Damaged { .. } => {
                "nothing of it was sent; `batchctl resume RUN --repair` takes what is damaged as in \
                 doubt, or put back a copy of the database"
                    .into()
            }
        }
    }

    /// Returns whether the same statement may succeed later, on another connection.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// What uses a database uses files, too, and has one error for both.
impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        let failure = match error {
            DatabaseError::Unreachable { .. } => OtherHomeFailure::MayPass,
            DatabaseError::Damaged { .. } => OtherHomeFailure::Damage,
            DatabaseError::TooOld { .. }
            | DatabaseError::SharedSession { .. }
            | DatabaseError::Newer { .. }
            | DatabaseError::Old { .. }
            | DatabaseError::Foreign { .. }
            | DatabaseError::NoTables { .. }
            | DatabaseError::NoRights { .. }
            | DatabaseError::NoEntry { .. }
            | DatabaseError::Undefined { .. }
            | DatabaseError::Statement { .. }
            | DatabaseError::RunGone { .. }
            | DatabaseError::JobTaken { .. }
            | DatabaseError::RunExists { .. }
            | DatabaseError::WriterGone => OtherHomeFailure::Lasting,
        };
        let hint = error.hint();
        Self::OtherHome(OtherHomeError::new(error, failure, hint))
    }
}

/// Returns whether the certificate of the server was refused.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    // An error of input and output does not name what it wraps as its source.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner = inner.map(|inner| inner as &(dyn Error + 'static));
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
        || inner.or_else(|| error.source()).is_some_and(is_untrusted)
}

/// Returns whether a prepared statement is missing or there already: each connection names its own.
fn is_of_others(code: &SqlState) -> bool {
    [SqlState::DUPLICATE_PSTATEMENT, SqlState::INVALID_SQL_STATEMENT_NAME].contains(code)
}

fn is_undefined(code: &SqlState) -> bool {
    [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION].contains(code)
}

/// Returns whether the server knows no such user or database, or refuses the password.
fn is_no_entry(code: &SqlState) -> bool {
    code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME
}

/// What passes of classes that do not: a read-only node, a transaction or a wait for a lock that the
/// server's own limits of time ended.
const PASSING: [&str; 4] = ["25006", "25P03", "25P04", "55P03"];

/// Returns whether the server is only away: it restarts, is full, or another node has taken over.
fn is_passing(code: &SqlState) -> bool {
    let class = &code.code()[..2];
    // Connection, a transaction that was rolled back for another one, resources, operator
    // intervention, and system.
    matches!(class, "08" | "40" | "53" | "57" | "58") || PASSING.contains(&code.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;

    #[test]
    fn a_certificate_that_is_refused_has_a_hint_of_its_own() {
        let hint = |source: io::Error| {
            let source = Box::new(source) as Box<dyn Error + Send + Sync>;
            DatabaseError::Unreachable { shown: "runs on db".into(), source }.hint()
        };
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(hint(io::Error::other(refused)).contains("`sslrootcert=FILE`"));
        for other in [io::Error::other("away"), io::Error::from(io::ErrorKind::ConnectionRefused)] {
            assert!(hint(other).starts_with("check the address"));
        }
    }

    #[test]
    fn the_error_of_the_store_says_what_the_database_said() {
        let away = || DatabaseError::Unreachable {
            shown: "runs on db".into(),
            source: Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
        };
        let damaged = || DatabaseError::Damaged { shown: "runs on db".into(), detail: "x".into() };
        let told = |error: DatabaseError| match StoreError::from(error) {
            StoreError::OtherHome(error) => error,
            other => panic!("{other:?}"),
        };
        for (error, passed_on) in [(away(), told(away())), (damaged(), told(damaged()))] {
            assert_eq!(passed_on.to_string(), error.to_string());
            assert_eq!(passed_on.hint(), error.hint());
            let reason = |error: &dyn Error| error.source().map(ToString::to_string);
            assert_eq!(reason(&StoreError::from(passed_on)), reason(&error));
        }
        assert!(told(away()).may_pass() && !told(away()).is_damage());
        assert!(told(damaged()).is_damage() && !told(damaged()).may_pass());
        assert!(!told(DatabaseError::WriterGone).may_pass());
    }
}
