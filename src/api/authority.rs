//! The credentials as the engine sees them: a number, a due time and a way to renew them.
//!
//! No secret passes through here. See `docs/GLOSSARY.md`: authority, generation, renewal.

use crate::clock::Instant;
use crate::policy::Generation;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

/// Whether calls with credentials that were never accepted may go out side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstUse {
    /// One call goes first: a few refusals would lock the key.
    Alone,
    /// A refusal does no harm.
    Together,
}

/// The credentials cannot be replaced. The authority keeps the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credentials cannot be renewed")]
pub struct NotRenewed;

/// Knows the credentials that calls are sent with, and can replace them.
pub trait Authority {
    /// Returns the generation of the credentials that a call is sent with now.
    fn generation(&self) -> Generation;

    /// Returns whether the first call with these credentials goes alone.
    fn first_use(&self) -> FirstUse;

    /// Returns the time at which a renewal is due, ahead of their end, if that is known.
    fn renewal_due(&self) -> Option<Instant>;

    /// Replaces the refused credentials; returns at once if they were replaced already.
    ///
    /// Dropping the future gives the renewal up and leaves the credentials in force.
    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>>;
}

/// The authority of a service without credentials, or with credentials that never change.
#[derive(Debug, Clone, Copy)]
pub struct Unchanging;

impl Authority for Unchanging {
    fn generation(&self) -> Generation {
        Generation::default()
    }

    fn first_use(&self) -> FirstUse {
        FirstUse::Together
    }

    fn renewal_due(&self) -> Option<Instant> {
        None
    }

    fn renew(&self, _refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        std::future::ready(Err(NotRenewed)).boxed_local()
    }
}
