//! What users and scripts may rely on, through the real binary.

mod configuration;
mod credentials;
mod ctl;
mod delta;
mod descriptors;
mod documents;
mod events;
mod exits;
mod failure_groups;
mod help;
mod html_page;
mod install;
mod keys;
mod leaks;
mod route;
mod runs;
mod sandbox_command;
mod schemas;
mod secrets;
mod signals;
mod spreadsheets;
mod streams;
mod surroundings;
mod terminal;
mod unattended;
