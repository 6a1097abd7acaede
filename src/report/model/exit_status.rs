//! The exit status of the program: every code and its meaning.
//!
//! Scripts rely on these numbers, so their meaning never changes. See `docs/GLOSSARY.md`: exit
//! status.

/// The number with which the program ends.
///
/// | code | name | when |
/// |---|---|---|
/// | 0 | ok | every selected task succeeded or was unchanged |
/// | 1 | incomplete success | every task has its outcome; some tasks are partial, failed or ambiguous |
/// | 2 | usage | the command line or the configuration is wrong; nothing was sent |
/// | 3 | stopped early | too many failures, out of time, or asked to drain; some tasks were not attempted |
/// | 65 | bad input | the input is invalid; nothing was sent |
/// | 74 | input/output | the run store or a document could not be written |
/// | 75 | busy | another run holds the lock |
/// | 77 | not authorised | credentials were missing, refused or could not be renewed |
/// | 130 | interrupted | by SIGINT, after the calls on the wire had time to finish |
/// | 137 | killed | the process died without recording an end; found in a report, never returned |
/// | 143 | interrupted | by SIGTERM, after the calls on the wire had time to finish |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// Every selected task succeeded or was unchanged.
    Ok,
    /// Every task has its outcome; some tasks are partial, failed or ambiguous.
    IncompleteSuccess,
    /// The command line or the configuration is wrong; nothing was sent.
    Usage,
    /// Too many failures, or out of time; some tasks were not attempted.
    StoppedEarly,
    /// The input is invalid; nothing was sent.
    BadInput,
    /// The run store or a document could not be written.
    InputOutput,
    /// Another run holds the lock.
    Busy,
    /// Credentials were missing, refused or could not be renewed.
    NotAuthorised,
    /// By SIGINT, after the calls on the wire had time to finish.
    Interrupted,
    /// The process died without recording an end. Only reports show it.
    Killed,
    /// By SIGTERM, after the calls on the wire had time to finish.
    Terminated,
}

impl ExitStatus {
    /// Every status, ordered by its code.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::IncompleteSuccess,
        Self::Usage,
        Self::StoppedEarly,
        Self::BadInput,
        Self::InputOutput,
        Self::Busy,
        Self::NotAuthorised,
        Self::Interrupted,
        Self::Killed,
        Self::Terminated,
    ];

    /// Returns the number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::IncompleteSuccess => 1,
            Self::Usage => 2,
            Self::StoppedEarly => 3,
            // The next four are those of sysexits.h: EX_DATAERR, EX_IOERR, EX_TEMPFAIL, EX_NOPERM.
            Self::BadInput => 65,
            Self::InputOutput => 74,
            Self::Busy => 75,
            Self::NotAuthorised => 77,
            // 128 plus the number of the signal, as shells report it.
            Self::Interrupted => 130,
            Self::Killed => 137,
            Self::Terminated => 143,
        }
    }

    /// Returns the name in the documentation, such as `incomplete success`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::IncompleteSuccess => "incomplete success",
            Self::Usage => "usage",
            Self::StoppedEarly => "stopped early",
            Self::BadInput => "bad input",
            Self::InputOutput => "input/output",
            Self::Busy => "busy",
            Self::NotAuthorised => "not authorised",
            Self::Interrupted | Self::Terminated => "interrupted",
            Self::Killed => "killed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_documentation() {
        let codes = ExitStatus::ALL.map(ExitStatus::code);
        assert_eq!(codes, [0, 1, 2, 3, 65, 74, 75, 77, 130, 137, 143]);
    }
}
