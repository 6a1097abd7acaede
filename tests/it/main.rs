//! Tests through the public library and the real binary.

// So marked, its helpers may `unwrap` as its tests may.
#[cfg(test)]
mod sandbox;
