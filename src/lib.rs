//! Starts and stops very many batch tasks of a video analysis service (VIAS): rate-limited,
//! resumable, and with exactly one outcome for every task whatever happens on the way.
//!
//! `ARCHITECTURE.md` shows the way of a record through the modules. The library opens no
//! standard stream, reads no environment variable and never exits; the binary does.

#![forbid(unsafe_code)]

pub mod api;
pub mod clock;
#[cfg(feature = "postgres")]
pub mod database;
pub mod engine;
pub mod event;
mod external_sort;
pub mod input;
mod journal;
mod learnt_rates;
pub mod loading;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod reading;
pub mod repair;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod service;
pub mod settings;
pub mod slots;
pub mod store;
pub mod survey;
pub mod system;
pub mod task;
pub mod text;
pub mod ui;
pub mod whole_file;
