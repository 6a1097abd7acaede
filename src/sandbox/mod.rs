//! A simulated VIAS service on loopback: real HTTP, no account, no cameras.
//!
//! An independent witness of what batchctl does: it shares no wire types with the client and
//! imports only `task` and `clock`. It listens on loopback addresses alone, everything that looks
//! like chance follows from a seed, and what it does is decided when a request has been read.
//!
//! # Operations
//!
//! - `PUT /v2/{project_id}/batch-tasks/{id}/action/{start|stop}`
//! - `GET /v2/{project_id}/batch-tasks`
//! - `POST /v3/auth/tokens`
//! - `GET /v3/projects`
//!
//! Any project id that matches the service's pattern leads to the same simulated project. It
//! holds generated batch tasks, see [`generated_id`], and adopts every other id at its first
//! call, so that any list of ids can be rehearsed.
//!
//! # Ids that always behave the same way
//!
//! | the id ends in | what happens |
//! |---|---|
//! | `-partial` | 200, some sub-tasks failed |
//! | `-failed` | 200, all sub-tasks failed |
//! | `-refused` | 500 `VIAS.00010012`, not allowed |
//! | `-missing` | 400 `VIAS.00010008`, no such task |
//! | `-slow` | 200 after [`SandboxSettings::slow`] |
//! | `-drop` | carried out, then the connection is reset |
//! | `-silent` | carried out, never answered |
//! | `-flaky` | 500 `VIAS.00010009` at the first call of each command, then 200 |
//! | `-garbled` | carried out, 200 with a page of HTML |
//! | `-stuck` | 200, and its sub-tasks are on their way for ever |
//! | `-throttled` | 429 at the first call of each command, then 200 |
//!
//! What becomes of other ids is drawn from the seed, the id, the command and the number of the
//! call among those of that id and command which passed the gateway; the order in which
//! different ids are called changes nothing.
//!
//! # Access log
//!
//! One line for each request, five fields with a tab between them:
//!
//! | field | content |
//! |---|---|
//! | time | microseconds from the sandbox's start until the request had been read |
//! | method | as sent |
//! | id | the batch task; `-` where the path has none that is valid |
//! | command | `start`, `stop`, `list`, `login` or `projects`; `-` for anything else |
//! | status | the status of the answer; `drop` for a reset connection, `silent` for no answer |
//!
//! Lines are in the order of their times, which is the order in which everything was decided; the
//! answer leaves later. They are in the file within 50 milliseconds, if the disk keeps up. Each write is of whole lines,
//! but a reader beside a running sandbox may meet the last line half-way: a line counts once its
//! end is there. A log that exists is added to, and times begin anew with each start.

mod access_log;
mod error;
mod faults;
mod http;
mod server;
mod service;
mod settings;
mod state;
mod tally;
mod thread;
mod witness;

pub use error::SandboxError;
pub use server::Sandbox;
pub use service::generated_id;
pub use settings::Account;
pub use settings::SandboxAuth;
pub use settings::SandboxLimit;
pub use settings::SandboxSettings;
pub use tally::SandboxTally;
pub use thread::SandboxThread;
pub use witness::Witness;
