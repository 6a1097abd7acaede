//! How fast a run goes, through the real binary.

mod auto;
mod begin_and_end;
mod outage;
mod rate_group;
mod waves;
mod windows;
