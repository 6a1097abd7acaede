//! The files about a run.

#[path = "../../../../src/cli/run/control_object.rs"]
pub(crate) mod control_object;
#[path = "../../../../src/cli/run/control_protocol.rs"]
pub(crate) mod control_protocol;
