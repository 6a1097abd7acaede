//! Whole runs in simulated time.

mod simulation;
