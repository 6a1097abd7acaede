//! What the engine may ask of credentials without seeing them: which are in force, and others.

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

/// There are no other credentials. The authority keeps the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credentials cannot be renewed")]
pub struct NotRenewed;

/// Knows which credentials calls are sent with, and can get others.
pub trait Authority {
    /// Returns the number of those that a call is sent with now.
    fn generation(&self) -> Generation;

    /// Returns whether the first call with them goes alone.
    fn first_use(&self) -> FirstUse;

    /// Returns when they are best renewed, ahead of their end, if that is known.
    fn renewal_due(&self) -> Option<Instant>;

    /// Gets others in the place of these; at once, if that has happened already.
    ///
    /// Dropping the future gives it up, and leaves those in force that were.
    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>>;
}

/// The authority of a service that asks for no credentials, or for some that never change.
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
