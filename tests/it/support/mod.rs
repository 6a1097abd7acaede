//! What the tests through the real binary share: a scripted service, and the program itself.

pub(crate) mod batchctl;
pub(crate) mod browser;
pub(crate) mod documents;
pub(crate) mod reply;
pub(crate) mod server;
pub(crate) mod tls;
