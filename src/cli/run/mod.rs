//! Carries out a run: from its settings to its end, with displays, keys, signals and control.

pub(crate) mod control_object;
pub(crate) mod control_protocol;
pub(crate) mod control_socket;
pub(crate) mod display;
pub(crate) mod execute;
pub(crate) mod input_check;
pub(crate) mod job_lock;
pub(crate) mod keys;
pub(crate) mod launch;
pub(crate) mod list_size_guard;
pub(crate) mod log_file;
pub(crate) mod on_end;
pub(crate) mod open_files;
pub(crate) mod pending_plan;
pub(crate) mod ping;
pub(crate) mod plan_output;
pub(crate) mod preview;
pub(crate) mod reverting;
pub(crate) mod scene;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod socket_address;
pub(crate) mod source;
pub(crate) mod terms;
pub(crate) mod time_check;
pub(crate) mod unattended;
