//! What a service accepts of a run, as far as it was learnt.

/// The limits of a service that a run has met; each is absent where it met none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServiceLimit {
    /// Calls a second. Not a `Rate`: such limits lie between whole numbers.
    pub per_second: Option<f64>,
    /// Calls that it works on at a time.
    pub at_a_time: Option<u32>,
}

impl ServiceLimit {
    /// Returns whether no limit is known.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}
