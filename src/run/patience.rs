//! Asks a database that may be away for a while.

use crate::clock::Clock;
use crate::database::DatabaseRuns;
use crate::store::StoreError;
use std::time::Duration;

/// When a database is asked again that was away.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a database may be away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) clock: Clock,
    pub(crate) span: Duration,
}

impl Patience {
    /// Asks again until the database answers, or has been away for too long.
    ///
    /// What is asked may be carried out more than once, so it must come to the same.
    pub(crate) async fn ask<T>(
        self,
        runs: &mut DatabaseRuns,
        mut ask: impl AsyncFnMut(&mut DatabaseRuns) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let began = self.clock.instant();
        loop {
            match ask(runs).await {
                Err(StoreError::OtherHome(error))
                    if error.may_pass() && self.clock.instant() - began < self.span =>
                {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answered => return answered,
            }
        }
    }
}
