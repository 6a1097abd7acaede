//! The tree of the command line, as far as its readers are tested on their own.
//!
//! The binary has no library, so its files are compiled here a second time.

#![allow(dead_code, reason = "the binary uses the rest")]

pub(crate) mod flags;
pub(crate) mod run;

pub(crate) mod output {
    pub(crate) mod error {
        /// Stands for the error of a command.
        pub(crate) struct CommandError;

        impl CommandError {
            pub(crate) fn usage<E>(_: E) -> Self {
                Self
            }

            pub(crate) fn with_optional_hint(self, _: Option<String>) -> Self {
                self
            }
        }
    }
}
