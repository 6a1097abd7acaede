//! Tests through the public library and the real binary.

// So marked, their helpers may `unwrap` as the tests may.
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod tidy;
