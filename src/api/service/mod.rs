//! Services that a file describes, over the same connections as VIAS.

mod client;

pub use client::{ServiceClient, ServiceClientSettings};
