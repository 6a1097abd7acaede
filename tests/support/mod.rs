//! What the tests through the real binary share: the program, and the services that it calls.
//!
//! `program` starts the binary in an empty home. `service` is the simulated service with its
//! witness; `server` is a service that says exactly what a test wants, byte by byte.

pub(crate) mod browser;
pub(crate) mod devtools;
pub(crate) mod documents;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod tls;
