//! What only a Unix has, behind one door: files with owners and modes, process groups, signals,
//! sockets with a path, the modes of a terminal.
//!
//! Nothing else names the crates and the parts of the standard library that these come from. So
//! this file is the list of what another system would have to answer for. What that is on macOS and
//! on Windows is in `docs/design/other-systems.md`.

/// Files: owners, modes and kinds; opening without following links; locks; reading at a place.
pub mod files {
    pub use rustix::fs::{FlockOperation, Mode, OFlags, flock, open, statfs};
    pub use std::os::fd::{AsFd, AsRawFd};
    pub use std::os::unix::ffi::OsStrExt;
    pub use std::os::unix::fs::{
        DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown,
    };
}

/// Results of the system's own calls.
pub mod io {
    pub use rustix::io::{Errno, Result, read};
}

/// The machine: its name, and a clock that goes on while it sleeps.
pub mod machine {
    pub use rustix::system::uname;
    pub use rustix::time::{ClockId, clock_gettime};

    /// Returns the name of this boot of the machine.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn boot() -> std::io::Result<String> {
        let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(named.trim().to_owned())
    }
}

/// Processes: users, groups that are killed as a whole, limits, dumps.
pub mod process {
    pub use rustix::process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, geteuid, getpgrp,
        getpid, getrlimit, kill_process, kill_process_group, set_dumpable_behavior,
        setpriority_process, setrlimit, waitid,
    };
    pub use std::os::unix::process::CommandExt;
}

/// Signals, as a stream and as a flag.
pub mod signals {
    pub use signal_hook::{consts, flag};
    pub use tokio::signal::unix::{Signal, SignalKind, signal};
}

/// Sockets with a path, and a look at what a connection has received.
pub mod sockets {
    pub use rustix::net::{RecvFlags, recv};
    pub use std::os::unix::net::UnixStream;
    pub use tokio::net::{UnixListener, UnixStream as AsyncUnixStream};
}

/// The modes of a terminal, and waiting for a key.
pub mod terminal {
    pub use rustix::event::{PollFd, PollFlags, Timespec, poll};
    pub use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
    };
}
