//! Plans of every kind, and inputs that are refused.

mod already_done;
mod plan;
mod services;
