//! Tests through the public library and the real binary.
