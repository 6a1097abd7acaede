//! Runs in a database, which several machines carry out together: what differs from runs of one.
//!
//! Commands read copies of such runs (`batchctl::run::SharedRuns`). So most of them have no line about
//! databases.

pub(crate) mod copies;
pub(crate) mod ctl;
pub(crate) mod detach;
pub(crate) mod group;
pub(crate) mod list;
pub(crate) mod looked;
pub(crate) mod share;
pub(crate) mod source;
pub(crate) mod target;
