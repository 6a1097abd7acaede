//! The command line of batchctl.

#![forbid(unsafe_code)]

fn main() {}
