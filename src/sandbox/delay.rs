//! How long the sandbox waits before a reply leaves.

use crate::sandbox::faults::Roll;

/// The delay of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// Within the usual range, at the point that the roll selects.
    Usual(Roll),
    /// The delay of ids ending in `-slow`.
    Late,
}
