//! What runs are kept in: a directory, or a database that other machines reach as well.

use crate::cli::app::Verb;
use crate::cli::flags::effect::names_database;
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use crate::cli::process::environment::Environment;
use batchctl::api::Redactor;
use batchctl::event::StopReason;
use batchctl::report::ExitStatus;
use batchctl::store::RunId;
use std::path::{Path, PathBuf};

/// What runs are kept in.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Directory,
    #[cfg(feature = "postgres")]
    Database(std::sync::Arc<batchctl::run::SharedRuns>),
}

/// How libpq's other form of an address begins, which may hold a password, too.
const LIBPQ_WORDS: [&str; 5] = ["host=", "hostaddr=", "dbname=", "service=", "password="];

/// Which store is wanted, and what for.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "a directory needs none of it"))]
pub(crate) struct Wanted<'a> {
    pub(crate) place: Option<&'a str>,
    /// Where the place was named.
    pub(crate) rank: Rank,
    pub(crate) machine: &'a Path,
    pub(crate) verb: &'a Verb,
}

/// Opens the store, and returns it with the directory in which commands find runs.
pub(crate) fn open(
    wanted: &Wanted<'_>,
    environment: &Environment,
    redactor: &Redactor,
) -> Result<(Store, PathBuf), CommandError> {
    match wanted.place {
        None | Some("") => Ok((Store::Directory, wanted.machine.into())),
        Some(place) if names_database(place) => open_database(place, wanted, environment, redactor),
        // The text of an unknown address may hold a password.
        Some(place) if is_no_directory(place) => {
            let error = "`--store` names a place of another kind";
            Err(CommandError::usage(error)
                .with_hint("a directory, or a database as postgres://USER@HOST/NAME"))
        }
        Some(directory) => Ok((Store::Directory, directory.into())),
    }
}

/// Returns whether a place is meant for another reader: a URL, or the words of libpq.
fn is_no_directory(place: &str) -> bool {
    let mut words = place.split_ascii_whitespace();
    let is_of_libpq = |word: &str| LIBPQ_WORDS.iter().any(|known| word.starts_with(known));
    place.contains("://")
        || place.starts_with("postgres") && place.contains(':')
        || words.any(is_of_libpq)
}

impl Store {
    /// Returns whether other machines reach the runs as well.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !matches!(self, Self::Directory)
    }

    /// Returns the database, for people.
    pub(crate) fn shown(&self) -> Option<&str> {
        match self {
            Self::Directory => None,
            #[cfg(feature = "postgres")]
            Self::Database(runs) => Some(runs.address().shown()),
        }
    }

    /// Brings what commands read of a run up to date.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "a directory needs none of it")
    )]
    pub(crate) fn refresh(&self, id: &RunId) -> Result<(), CommandError> {
        match self {
            Self::Directory => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Database(runs) => Ok(runs.copy(id)?),
        }
    }

    /// Removes a new run of which nothing was sent, unless other workers are on it.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "a directory needs none of it")
    )]
    pub(crate) fn forget(&self, id: &RunId) {
        match self {
            Self::Directory => {}
            #[cfg(feature = "postgres")]
            Self::Database(runs) => {
                // The error that called the run off is the one to report, and the run is stopped.
                let _ = runs.remove(id);
            }
        }
    }

    /// Returns the exit status of this process, if that is not the one of the run: of several
    /// workers, one may have ended for a reason of its own.
    pub(crate) fn status(&self, stopped: Option<StopReason>) -> Option<ExitStatus> {
        match stopped.filter(|_| self.is_elsewhere())? {
            StopReason::Interrupted => Some(ExitStatus::Interrupted),
            StopReason::Terminated => Some(ExitStatus::Terminated),
            StopReason::NotAuthorised | StopReason::ProxyRefused => Some(ExitStatus::NotAuthorised),
            StopReason::Outage | StopReason::Throttled => Some(ExitStatus::StoppedEarly),
            StopReason::TooManyFailures
            | StopReason::OutOfTime
            | StopReason::CanaryFailed
            | StopReason::WaveFailed
            | StopReason::Drained
            | StopReason::RateGroupLost => None,
        }
    }
}

#[cfg(not(feature = "postgres"))]
fn open_database(
    _: &str,
    _: &Wanted<'_>,
    _: &Environment,
    _: &Redactor,
) -> Result<(Store, PathBuf), CommandError> {
    let error = "this batchctl was built without the feature `postgres`";
    Err(CommandError::usage(error).with_hint("name a directory with `--store DIR`"))
}

#[cfg(feature = "postgres")]
use database::open as open_database;

#[cfg(feature = "postgres")]
mod database {
    use super::{CommandError, Environment, Path, PathBuf, Rank, Redactor, Store, Verb, Wanted};
    use crate::cli::shared::copies;
    use batchctl::api::{Roots, read_text};
    use batchctl::database::{AddressSecrets, AddressSource, DatabaseAddress};
    use batchctl::run::SharedRuns;
    use batchctl::system::files::MetadataExt;
    use std::sync::Arc;

    impl Store {
        /// Returns the runs of the database, if they are in one.
        pub(crate) fn database(&self) -> Option<&Arc<SharedRuns>> {
            match self {
                Self::Directory => None,
                Self::Database(runs) => Some(runs),
            }
        }
    }

    pub(super) fn open(
        place: &str,
        wanted: &Wanted<'_>,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<(Store, PathBuf), CommandError> {
        copies::check(wanted.verb)?;
        let source = match wanted.rank {
            Rank::CommandLine => AddressSource::CommandLine,
            Rank::Variable => AddressSource::Variable,
            Rank::File | Rank::Absent => AddressSource::ConfigFile,
        };
        let password = environment.variable("PGPASSWORD").and_then(|it| it.to_str());
        let secrets =
            AddressSecrets { password: password.map(Into::into), pgpass: pgpass(environment)? };
        let mut address = DatabaseAddress::parse(place, source, &secrets)
            .map_err(|error| CommandError::usage(error.clone()).with_hint(error.hint()))?;
        if let Some(path) = address.authority() {
            let authorities = Roots::read(path).map_err(CommandError::usage)?;
            address.trust(authorities.certificates().cloned());
        }
        for password in address.passwords() {
            redactor.learn("password", password);
        }
        let opened = match wanted.verb {
            Verb::Do(_)
            | Verb::Start(_)
            | Verb::Stop(_)
            | Verb::Delete(_)
            | Verb::Run(_)
            | Verb::Plan { .. } => SharedRuns::open_or_empty,
            _ => SharedRuns::open,
        };
        let runs = opened(address, wanted.machine)?;
        let state = runs.state().to_owned();
        Ok((Store::Database(Arc::new(runs)), state))
    }

    /// Reads `~/.pgpass`, unless others can read it too: then it is not used, as by `psql`.
    fn pgpass(environment: &Environment) -> Result<Option<String>, CommandError> {
        let named = environment.variable("PGPASSFILE").map(PathBuf::from);
        let Some(path) = named.or_else(|| Some(environment.home()?.join(".pgpass"))) else {
            return Ok(None);
        };
        let Ok(about) = std::fs::metadata(&path) else { return Ok(None) };
        if about.mode() & 0o077 != 0 {
            return Err(not_private(&path));
        }
        read_text(&path).map(Some).map_err(|error| {
            CommandError::usage(format!("cannot read `{}`: {error}", path.display()))
        })
    }

    fn not_private(path: &Path) -> CommandError {
        let shown = path.display();
        CommandError::usage(format!("others can read the passwords in `{shown}`"))
            .with_hint(format!("chmod 600 {shown}"))
    }
}
