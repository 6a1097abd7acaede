//! Homes of sending slots outside a process: the file that the processes of a machine share.
//!
//! See `docs/GLOSSARY.md`: rate group, sending slot. The arithmetic is that of
//! [`SlotTimeline`](crate::policy::SlotTimeline), whatever the home.

mod file;

pub use file::FileSlots;
