//! The connection to the database. A lost one is made anew for the next statement.
//!
//! Statements are plain and in autocommit, so that nothing has to outlive a connection.

use crate::database::address::DatabaseAddress;
use crate::database::error::{DatabaseError, OLDEST_SERVER};
use crate::database::tls::connector;
use std::sync::LazyLock;
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one statement may take.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// The mark of this process in its sessions: a new one that has it belongs to another connection, too.
pub(super) static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", fastrand::u64(..)));
/// How long a host may take until a connection can be used, with the name of the host, TLS and a login.
const HOST_TIMEOUT: Duration = Duration::from_secs(5);

/// The values of a statement, each with its type: so it needs one round trip and no preparation.
pub(super) type Values<'a, const N: usize> = [(&'a (dyn ToSql + Sync), Type); N];

/// A connection that may have to be made again.
pub(super) struct Link {
    address: DatabaseAddress,
    tls: Option<MakeRustlsConnect>,
    client: Option<Client>,
    /// Which host answered last: after a failover the first one is not asked first.
    last_host: usize,
}

impl Link {
    /// Returns a link without a connection.
    pub(super) fn new(address: DatabaseAddress) -> Result<Self, DatabaseError> {
        let tls = connector(&address)?;
        Ok(Self { address, tls, client: None, last_host: 0 })
    }

    /// Returns the link without its connection, for another runtime.
    pub(super) fn without_connection(self) -> Self {
        Self { client: None, ..self }
    }

    /// Returns host and database, for messages.
    pub(super) fn shown(&self) -> &str {
        self.address.shown()
    }

    /// Carries out some statements on the connection, which is made if there is none.
    ///
    /// # Errors
    ///
    /// The database is away or refuses. After an error that may pass, what the statements did is
    /// not known: they may be committed.
    pub(super) async fn with<T>(
        &mut self,
        statements: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DatabaseError> {
        self.with_limit(STATEMENT_TIMEOUT, statements).await
    }

    /// Carries out some statements that may take so long together.
    pub(super) async fn with_limit<T>(
        &mut self,
        limit: Duration,
        statements: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DatabaseError> {
        let mut client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        let done = tokio::time::timeout(limit, statements(&mut client)).await;
        let Ok(done) = done else {
            // The connection is dropped: its statement goes on, and nobody knows with which end.
            return Err(self.silent(limit));
        };
        let done = done.map_err(|error| DatabaseError::from_client(self.shown(), error));
        if !done.as_ref().is_err_and(DatabaseError::may_pass) {
            self.client = Some(client);
        }
        done
    }

    /// Connects to the first host that writes.
    async fn connect(&mut self) -> Result<Client, DatabaseError> {
        let count = self.address.hosts.len();
        let mut why = None;
        for place in (0..count).map(|turn| (self.last_host + turn) % count) {
            let connecting = self.connect_to(&self.address.hosts[place]);
            let connected = match tokio::time::timeout(HOST_TIMEOUT, connecting).await {
                Ok(connected) => connected,
                // It takes connections and says nothing: it is frozen, or the way is cut.
                Err(_) => Err(self.silent(HOST_TIMEOUT)),
            };
            match connected {
                Ok(client) => {
                    self.last_host = place;
                    return Ok(client);
                }
                // A host that says no says why; that another one is away tells less.
                Err(error) if why.as_ref().is_none_or(DatabaseError::may_pass) => why = Some(error),
                Err(_) => {}
            }
        }
        Err(why.expect("an address has a host"))
    }

    fn silent(&self, limit: Duration) -> DatabaseError {
        let source = format!("no answer within {limit:?}").into();
        DatabaseError::Unreachable { shown: self.shown().to_owned(), source }
    }

    async fn connect_to(&self, config: &Config) -> Result<Client, DatabaseError> {
        let failed = |error| DatabaseError::from_client(self.shown(), error);
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(failed)?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                tokio::spawn(connection);
                client
            }
        };
        self.check_version(&client).await?;
        let (limit, process) = (STATEMENT_TIMEOUT.as_millis(), &*PROCESS);
        let settings = format!(
            "SELECT current_setting('batchctl.process', true); SET batchctl.process = '{process}'; \
             SET search_path = batchctl; SET statement_timeout = {limit}; SET bytea_output = hex"
        );
        let answers = client.simple_query(&settings).await.map_err(failed)?;
        let marked = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        if marked == Some(process) {
            return Err(DatabaseError::SharedSession { shown: self.shown().to_owned() });
        }
        Ok(client)
    }

    async fn check_version(&self, client: &Client) -> Result<(), DatabaseError> {
        let failed = |error| DatabaseError::from_client(self.shown(), error);
        let versions = "SELECT current_setting('server_version_num')::int, \
                        current_setting('server_version')";
        let row = client.query_one(versions, &[]).await.map_err(failed)?;
        if row.get::<_, i32>(0) >= OLDEST_SERVER {
            return Ok(());
        }
        Err(DatabaseError::TooOld { shown: self.shown().to_owned(), found: row.get(1) })
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}
