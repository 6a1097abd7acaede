//! The labels of failure groups: `F1`, `F2` and so on.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// The label of a failure group within its run.
///
/// ```
/// use batchctl::report::GroupLabel;
///
/// let label: GroupLabel = "f2".parse()?;
/// assert_eq!(label.to_string(), "F2");
/// # Ok::<(), batchctl::report::GroupLabelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupLabel(NonZeroUsize);

/// The text is not the label of a failure group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a label of a failure group as the report shows it, such as `F2`")]
pub struct GroupLabelError;

impl GroupLabel {
    /// Returns the label of the group with this index, counted from 0.
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(NonZeroUsize::MIN.saturating_add(index))
    }

    /// Returns the index of the group among all groups of its run, counted from 0.
    pub const fn index(self) -> usize {
        self.0.get() - 1
    }
}

impl fmt::Display for GroupLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("F{}", self.0))
    }
}

impl FromStr for GroupLabel {
    type Err = GroupLabelError;

    /// Reads `F2`, also as `f2`.
    fn from_str(text: &str) -> Result<Self, GroupLabelError> {
        let digits = text.strip_prefix(['F', 'f']).ok_or(GroupLabelError)?;
        // Rust also parses `+2` as a number, but no report writes it.
        let is_plain = !digits.starts_with('+');
        digits.parse().ok().filter(|_| is_plain).map(Self).ok_or(GroupLabelError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let label = text.parse::<GroupLabel>().ok().map(|label| label.to_string());
        assert_eq!(label.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn a_label_is_an_f_and_a_number_from_one_on() {
        check("F1", Some("F1"));
        check("f12", Some("F12"));
        for text in ["", "F", "F0", "2", "F-1", "F+1", "F1 ", "G1", "F99999999999999999999999"] {
            check(text, None);
        }
        assert_eq!(GroupLabel::from_index(1).to_string(), "F2");
        assert_eq!(GroupLabel::from_index(1).index(), 1);
    }
}
