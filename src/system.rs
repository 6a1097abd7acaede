//! What only a Unix has, behind one door: files with owners and modes, process groups, signals,
//! sockets with a path, the modes of a terminal.
//!
//! Nothing else names the crates and the parts of the standard library that these come from. So
//! this file is the list of what another system would have to answer for. What that is on macOS and
//! on Windows is in `docs/design/other-systems.md`.

/// Files: owners, modes and kinds; opening without following links; locks; reading at a place.
pub mod files {
    use rustix::fs::{AtFlags, CWD, linkat};
    pub use rustix::fs::{FlockOperation, Mode, OFlags, flock, open, statfs};
    pub use std::os::fd::{AsFd, AsRawFd};
    pub use std::os::unix::ffi::OsStrExt;
    pub use std::os::unix::fs::{
        DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown,
    };
    use std::path::Path;

    /// Returns whether a file that has no name can be given one.
    pub fn can_be_linked(file: &std::fs::File) -> bool {
        // Only where the files of processes are shown; other ways need rights that few have.
        std::fs::symlink_metadata(shown(file)).is_ok()
    }

    /// Gives a file that has no name this one, which nothing may have.
    ///
    /// # Errors
    ///
    /// The name is taken, or is in another file system.
    pub fn link_file(file: &std::fs::File, name: &Path) -> rustix::io::Result<()> {
        linkat(CWD, shown(file), CWD, name, AtFlags::SYMLINK_FOLLOW)
    }

    fn shown(file: &std::fs::File) -> String {
        format!("/proc/self/fd/{}", file.as_raw_fd())
    }
}

/// Results of the system's own calls.
pub mod io {
    pub use rustix::io::{Errno, Result, read};
}

/// The machine: its name, its clocks, and how busy it is.
pub mod machine {
    pub use rustix::system::uname;
    pub use rustix::time::{ClockId, clock_gettime};

    use std::time::Duration;

    /// The time of all processors together since the start of the machine, in the kernel's ticks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ProcessorTimes {
        /// All of it.
        pub all: u64,
        /// What was left over: idle, or spent on what gives way to everything else.
        pub free: u64,
    }

    /// Returns the time of all processors; nothing where the system does not tell.
    pub fn processor_times() -> Option<ProcessorTimes> {
        parse_processor_times(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse_processor_times(text: &str) -> Option<ProcessorTimes> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<u64> = line.split_whitespace().map_while(|it| it.parse().ok()).collect();
        // The times of guests, behind the eighth, are part of the first two.
        let &[user, nice, system, idle, waiting, interrupts, late_interrupts, stolen, ..] =
            times.as_slice()
        else {
            return None;
        };
        let free = nice + idle + waiting;
        Some(ProcessorTimes {
            all: user + system + interrupts + late_interrupts + stolen + free,
            free,
        })
    }

    /// Returns the time that processors have spent on this thread.
    pub fn thread_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    /// Returns the name of this boot of the machine.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn boot() -> std::io::Result<String> {
        let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(named.trim().to_owned())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_gives_way_is_free_time_and_guests_are_counted_once() {
            let text = "cpu  10 20 30 40 50 1 2 3 10 20\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
            let expected = ProcessorTimes { all: 156, free: 110 };
            assert_eq!(parse_processor_times(text), Some(expected));
            for foreign in ["", "cpu", "cpu  1 2 3", "cpu0 1 2 3 4 5 6 7 8", "Linux 1 2 3"] {
                assert_eq!(parse_processor_times(foreign), None, "{foreign}");
            }
        }
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
