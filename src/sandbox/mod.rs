//! A simulated VIAS service on loopback: real HTTP, no account, no cameras.
//!
//! It is an independent witness of batchctl: it shares no wire types with the client, and imports only
//! `task`, `clock` and the values of `service`. It listens on loopback addresses only, and all randomness follows from a seed.
//! Each answer is decided at the moment when its request has been read.
//!
//! # Operations
//!
//! - `PUT /v2/{project_id}/batch-tasks/{id}/action/{start|stop}`
//! - `GET /v2/{project_id}/batch-tasks`
//! - `DELETE /v2/{project_id}/batch-tasks/{id}`
//! - `PUT /v2/{project_id}/tasks/{task_id}/action/{start|stop}`
//! - `GET /v2/{project_id}/tasks` and `GET /v2/{project_id}/tasks/{task_id}`
//! - `POST /v3/auth/tokens`
//! - `GET /v3/projects`
//!
//! Any project id that matches the service's pattern leads to the same simulated project. It has
//! generated batch tasks, see [`generated_id`], and adds every other id at its first call, so that
//! any list of ids can be rehearsed.
//!
//! # Ids that always behave the same way
//!
//! | the id ends in | behaviour |
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
//! | `-stuck` | 200, but its sub-tasks never arrive in the new state |
//! | `-throttled` | 429 at the first call of each command, then 200 |
//!
//! The behaviour of other ids follows from the seed, the id, the command and the number of the call.
//! Calls are counted for each id and command, behind the gateway. So the order in which different
//! ids are called changes nothing.
//!
//! # Other services
//!
//! With [`SandboxSettings::service`] it simulates a service that a file describes: its actions, the
//! state of an id or the list of all, and its credentials. Answers are the examples of the file's
//! rules, or made up so that the rule takes them. Ids ending in `-refused`, `-gone`, `-unchanged`,
//! `-unauthorised`, `-throttled`, `-transient` or `-doubt` get the answer of that meaning, the last
//! but two only at their first call. Of the endings above, those about answers and delivery count as
//! well. A request that the file does not describe, to the last field, is answered with 400 or 404.
//!
//! # Access log
//!
//! One line per request, with five fields separated by tabs:
//!
//! | field | content |
//! |---|---|
//! | time | microseconds from the sandbox's start until the request had been read |
//! | method | as sent |
//! | id | the batch task or sub-task; `-` if the path has no valid id |
//! | command | `start`, `stop`, `delete`, `list`, `tasks`, `task`, `login` or `projects`; of other services an action, `state` or `list`; `-` for anything else |
//! | status | the status of the answer; `drop` for a reset connection, `silent` for no answer |
//!
//! Lines are in the order of their times, which is the order of the decisions; the answer leaves
//! later. They are in the file within 50 milliseconds, if the disk keeps up. Each write consists of
//! whole lines, but a reader may still see part of the last one: a line is complete once it has its
//! line end. An existing log is appended to, and times start from zero with each start.

mod access_log;
mod custom;
mod delay;
mod error;
mod faults;
mod http;
mod own_projects;
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
pub use settings::{Account, OwnProject, SandboxAuth, SandboxLimit, SandboxSettings};
pub use tally::SandboxTally;
pub use thread::SandboxThread;
pub use witness::Witness;
