//! Finds what of a damaged run is whole, and puts records of doubt in the place of the rest.
//!
//! One description of what is damaged serves two uses: a reader shadows the damaged rows for itself,
//! and a repair replaces them in the file. Never guesses at a body whose checksum does not fit. Must
//! not know who reads what it opens, nor another home of runs. See `docs/GLOSSARY.md`: damaged
//! segment, repair.

mod chains;
mod damaged_part;
mod doubts;
mod in_place;
mod lost_parts;
mod planned_rows;
mod rebuild;
mod rows;
mod search;
mod sendings;
mod stand_in;
mod task_doubts;
#[cfg(test)]
mod tests;

pub use damaged_part::DamagedPart;
pub use in_place::repair;
pub(crate) use lost_parts::lost_parts;
pub(crate) use stand_in::{open_damaged, ruined};
