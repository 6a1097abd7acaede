//! The address of a database: where it is, who asks, and how the way there is protected.
//!
//! A password is never part of a flag or of a file of ours: other users can read a command line,
//! and files are copied. The text that messages show has host and database alone.

use crate::database::dsn::{Dsn, for_each_host, hosts, ports};
use rustls::pki_types::CertificateDer;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long connecting may take, and how long the server may be silent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(5);

/// The options that are decided on here, and not by the client.
const MODE: &str = "sslmode";
const AUTHORITY: &str = "sslrootcert";
const ATTRIBUTES: &str = "target_session_attrs";
const OWN: [&str; 3] = [MODE, AUTHORITY, ATTRIBUTES];

/// Where an address was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// On the command line.
    CommandLine,
    /// In a variable, which only this user can read.
    Variable,
    /// In the config file.
    ConfigFile,
}

/// The secrets that were found beside an address.
#[derive(Clone, Default)]
pub struct AddressSecrets {
    /// `PGPASSWORD`.
    pub password: Option<String>,
    /// The content of `~/.pgpass`.
    pub pgpass: Option<String>,
}

/// The address of a database of runs.
#[derive(Clone)]
pub struct DatabaseAddress {
    /// How each of its hosts is reached, in the order of the address.
    pub(super) hosts: Vec<Config>,
    pub(super) tls: Tls,
    /// What is trusted besides the authorities of the machine.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    shown: String,
}

/// How the way to the database is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all: it does not leave the machine.
    None,
    /// The server proves its name, to an authority of the machine or of this file.
    VerifyFull {
        /// The file.
        authority: Option<PathBuf>,
    },
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is no address of PostgreSQL.
    #[error("a database is named `postgres://USER@HOST/NAME`: {0}")]
    Malformed(&'static str),
    /// It holds a password where others can read it.
    #[error("the address of the database holds a password")]
    Password,
    /// The way to another machine would not be protected.
    #[error("`sslmode={0}` does not protect the way to another machine")]
    Unprotected(String),
    /// It asks for a node that does not write.
    #[error("only the node of a database that writes has the leases of workers")]
    NotTheWriter,
}

impl AddressError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => {
                "such as `postgres://batch@db.example.com/batch`, or `postgres://batch@one:5432,two:5432/batch`"
            }
            Self::NotTheWriter => "leave out `target_session_attrs`, or say `read-write`",
            Self::Password => {
                "leave it out, and put it into ~/.pgpass, PGPASSWORD or BATCHCTL_STORE"
            }
            Self::Unprotected(_) => {
                "leave it out; `sslrootcert=FILE` names an authority of your own"
            }
        }
    }
}

impl std::fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseAddress").field(&self.shown).finish()
    }
}

impl DatabaseAddress {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// It is malformed, holds a password where others can read it, or leaves the way unprotected.
    pub fn parse(
        text: &str,
        source: AddressSource,
        secrets: &AddressSecrets,
    ) -> Result<Self, AddressError> {
        let dsn = Dsn::without(text, &OWN).map_err(AddressError::Malformed)?;
        let config = dsn.config();
        let has_password = match &config {
            Ok(config) => config.get_password().is_some(),
            // What the client cannot read may hold one all the same.
            Err(_) => false,
        };
        if has_password && source != AddressSource::Variable {
            return Err(AddressError::Password);
        }
        let config = config.map_err(AddressError::Malformed)?;
        let Some(name) = config.get_dbname().map(str::to_owned) else {
            return Err(AddressError::Malformed("it names no database"));
        };
        // Of several nodes only the one that writes has the newest leases.
        match dsn.option(ATTRIBUTES) {
            None | Some("any" | "read-write" | "primary") => {}
            Some("read-only" | "standby" | "prefer-standby") => {
                return Err(AddressError::NotTheWriter);
            }
            Some(_) => {
                return Err(AddressError::Malformed("`target_session_attrs` has no such value"));
            }
        }
        let authority = dsn.option(AUTHORITY).map(PathBuf::from);
        let tls = protection(&config, dsn.option(MODE), authority)?;
        let shown = format!("{name} on {}", hosts(&config).join(", "));
        let mut each = for_each_host(&config);
        for one in &mut each {
            one.ssl_mode(if tls == Tls::None { SslMode::Disable } else { SslMode::Require });
            one.connect_timeout(CONNECT_TIMEOUT);
            one.tcp_user_timeout(SILENCE);
            one.keepalives_idle(SILENCE);
            one.application_name("batchctl");
            one.target_session_attrs(TargetSessionAttrs::ReadWrite);
            if one.get_password().is_none()
                && let Some(password) = secrets.password_for(one, &name)
            {
                one.password(password);
            }
        }
        Ok(Self { hosts: each, tls, authorities: Vec::new(), shown })
    }

    /// Returns the file of authorities that it names.
    pub fn authority(&self) -> Option<&Path> {
        match &self.tls {
            Tls::VerifyFull { authority } => authority.as_deref(),
            Tls::None => None,
        }
    }

    /// Trusts the authorities of that file, besides those of the machine.
    pub fn trust(&mut self, authorities: impl IntoIterator<Item = CertificateDer<'static>>) {
        self.authorities.extend(authorities);
    }

    /// Returns host and database, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the passwords, which no output may hold: each host can have one of its own.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        let passwords = self.hosts.iter().filter_map(Config::get_password);
        passwords.filter_map(|password| std::str::from_utf8(password).ok())
    }
}

/// Returns how the way is protected: fully, unless it does not leave the machine.
fn protection(
    config: &Config,
    mode: Option<&str>,
    authority: Option<PathBuf>,
) -> Result<Tls, AddressError> {
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse();
            name == "localhost" || address.is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    };
    // A name of this machine may stand before the address of another one.
    let is_local = config.get_hosts().iter().all(is_here)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    match mode {
        None if is_local && authority.is_none() => Ok(Tls::None),
        None | Some("verify-full") => Ok(Tls::VerifyFull { authority }),
        Some("disable" | "allow" | "prefer") if is_local => Ok(Tls::None),
        Some(known @ ("disable" | "allow" | "prefer" | "require" | "verify-ca")) => {
            Err(AddressError::Unprotected(known.into()))
        }
        Some(_) => Err(AddressError::Malformed("`sslmode` has no such value")),
    }
}

impl AddressSecrets {
    /// Returns the password for the one host of a configuration.
    fn password_for(&self, config: &Config, name: &str) -> Option<String> {
        if let Some(password) = self.password.as_deref().filter(|it| !it.is_empty()) {
            return Some(password.to_owned());
        }
        let host = hosts(config).concat();
        // A socket in the file is written as the host of this machine.
        let host = if host.starts_with('/') { "localhost" } else { &host };
        let port = ports(config).first().map(u16::to_string).unwrap_or_default();
        let wanted = [host, &port, name, config.get_user().unwrap_or_default()];
        let lines = self.pgpass.as_deref()?.lines().filter(|line| !line.starts_with('#'));
        lines.map(fields).find_map(|fields| {
            let [.., password] = fields.as_slice() else { return None };
            let fits = fields.len() == 5
                && fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
            fits.then(|| password.clone())
        })
    }
}

/// Splits a line of `~/.pgpass` at its colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is always one");
        match character {
            '\\' => field.extend(characters.next()),
            ':' => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<DatabaseAddress, AddressError> {
        DatabaseAddress::parse(text, AddressSource::CommandLine, &AddressSecrets::default())
    }

    #[test]
    fn messages_show_host_and_database_alone() {
        let secret = "postgres://batch:s3cret@db.example.com:6432/runs";
        let address =
            DatabaseAddress::parse(secret, AddressSource::Variable, &AddressSecrets::default());
        let address = address.unwrap();
        assert_eq!(address.shown(), "runs on db.example.com");
        assert_eq!(address.passwords().collect::<Vec<_>>(), ["s3cret"]);
        assert!(!format!("{address:?}").contains("s3cret"));
    }

    #[test]
    fn a_password_is_refused_where_others_can_read_it() {
        for text in [
            "postgres://batch:s3cret@db/runs",
            "postgres://batch@db/runs?password=s3cret",
            "postgresql://:s3cret@localhost/runs",
            "postgres://batch:s3cret@a:1,b:2/runs",
            "postgres://a/runs:s3cret@b/runs",
        ] {
            for source in [AddressSource::CommandLine, AddressSource::ConfigFile] {
                let error = DatabaseAddress::parse(text, source, &AddressSecrets::default());
                assert_eq!(error.unwrap_err(), AddressError::Password, "{text}");
            }
        }
    }

    #[test]
    fn the_way_to_another_machine_is_protected_in_full() {
        let tls = |text: &str| parsed(text).map(|address| address.tls);
        let full = |authority: Option<&str>| {
            Ok(Tls::VerifyFull { authority: authority.map(PathBuf::from) })
        };
        assert_eq!(tls("postgres://db/runs"), full(None));
        assert_eq!(tls("postgres://db/runs?sslmode=verify-full"), full(None));
        assert_eq!(tls("postgres://db/runs?sslrootcert=/etc/ca.pem"), full(Some("/etc/ca.pem")));
        assert_eq!(tls("postgres://db,localhost/runs"), full(None));
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let refused = tls(&format!("postgres://db/runs?sslmode={mode}"));
            assert_eq!(refused, Err(AddressError::Unprotected(mode.into())));
        }
        for here in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(tls(&format!("postgres://{here}/runs")), Ok(Tls::None), "{here}");
            assert_eq!(tls(&format!("postgres://{here}/runs?sslmode=disable")), Ok(Tls::None));
        }
        assert_eq!(tls("postgres:///runs?host=/run/postgresql"), Ok(Tls::None));
        // The address is called, whatever the name says.
        assert_eq!(tls("postgres://localhost/runs?hostaddr=127.0.0.1"), Ok(Tls::None));
        assert_eq!(tls("postgres://localhost/runs?hostaddr=192.0.2.1"), full(None));
        let refused = tls("postgres://localhost/runs?hostaddr=192.0.2.1&sslmode=disable");
        assert_eq!(refused, Err(AddressError::Unprotected("disable".into())));
    }

    #[test]
    fn of_several_hosts_the_one_that_writes_is_used() {
        for attributes in ["", "&target_session_attrs=read-write", "&target_session_attrs=primary"]
        {
            let text = format!("postgres://a:1,b:2/runs?sslmode=verify-full{attributes}");
            let address = parsed(&text).unwrap();
            assert_eq!(address.shown(), "runs on a, b");
            assert_eq!(address.hosts.len(), 2);
            let writes =
                |one: &Config| one.get_target_session_attrs() == TargetSessionAttrs::ReadWrite;
            assert!(address.hosts.iter().all(writes));
        }
        for attributes in ["read-only", "standby", "prefer-standby"] {
            let refused = parsed(&format!("postgres://a,b/runs?target_session_attrs={attributes}"));
            assert_eq!(refused.unwrap_err(), AddressError::NotTheWriter);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_quoting_it() {
        for text in ["", "db", "mysql://db/runs", "postgres://", "postgres://db", "postgres:///x"] {
            assert!(matches!(parsed(text), Err(AddressError::Malformed(_))), "{text}");
        }
        let error = parsed("postgres://db/runs?s3cret=1").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn the_password_comes_from_the_variable_or_the_file_of_the_user() {
        let pgpass = "# comment\nother:5432:*:*:wrong\ndb:6432:runs:batch:a\\:b\\\\c\n*:*:*:*:any";
        let of = |text: &str, password: Option<&str>| {
            let secrets =
                AddressSecrets { password: password.map(Into::into), pgpass: Some(pgpass.into()) };
            let address = DatabaseAddress::parse(text, AddressSource::CommandLine, &secrets);
            address.unwrap().passwords().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of("postgres://batch@db:6432/runs", None), ["a:b\\c"]);
        assert_eq!(of("postgres://batch@db:6433/runs", None), ["any"]);
        assert_eq!(of("postgres://batch@db:6432/runs", Some("env")), ["env"]);
        assert_eq!(of("postgres://batch@db:6432,db:6433/runs", None), ["a:b\\c", "any"]);
    }
}
