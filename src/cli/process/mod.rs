//! The process itself: its environment, and what protects it.

pub(crate) mod environment;
pub(crate) mod hardening;
pub(crate) mod identity;
pub(crate) mod runtime;
