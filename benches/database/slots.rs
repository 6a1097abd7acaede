//! Sending slots: how many requests for one a second the database answers.

use super::postgres::Postgres;
use super::tasks::{address, runtime};
use super::{Figure, Must, Trouble};
use batchctl::clock::Clock;
use batchctl::database::{DatabaseAddress, DatabaseRuns};
use std::thread;
use std::time::Duration;

/// How long each number of clients asks.
const SPAN: Duration = Duration::from_secs(5);
/// The run whose slots are asked for: the first one.
const RUN: i64 = 1;
/// A worker asks some tens of times a second, whatever the rate: this is enough for a hundred workers.
const LEAST: f64 = 2_000.0;

pub(crate) fn measure(server: &Postgres) -> Result<Vec<Figure>, Trouble> {
    let address = address(server)?;
    let one = requests_a_second(&address, 1)?;
    let eight = requests_a_second(&address, 8)?;
    Ok(vec![
        Figure::new("requests for slots of one client", one, "requests/s")
            .must(Must::AtLeast(LEAST)),
        Figure::new("requests for slots of eight clients", eight, "requests/s")
            .must(Must::AtLeast(LEAST)),
    ])
}

fn requests_a_second(address: &DatabaseAddress, clients: usize) -> Result<f64, Trouble> {
    let client = || ask(address.clone()).map_err(|error| error.to_string());
    let ended: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut answered = 0;
    for count in ended {
        answered += count.map_err(|_| "a client has panicked")??;
    }
    Ok(f64::from(answered) / SPAN.as_secs_f64())
}

/// Asks for one slot after the other, and returns how often.
fn ask(address: DatabaseAddress) -> Result<u32, Trouble> {
    runtime()?.block_on(async {
        let mut runs = DatabaseRuns::open(address).await?;
        let clock = Clock::start();
        let (begun, mut count) = (clock.instant(), 0);
        while clock.instant() - begun < SPAN {
            runs.grant_slots(RUN, 1).await?;
            count += 1;
        }
        Ok(count)
    })
}
