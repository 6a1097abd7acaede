//! A part of a run's file that is not what was written, in numbers and in words.

use crate::text::plural;
use std::fmt;

/// A part of a run's file that is not what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamagedPart {
    /// The chunk; `None` for a part of the run itself, and where no chunk can be named.
    pub chunk: Option<u32>,
    /// The segment; `None` for a plan chunk or the totals.
    pub segment: Option<u64>,
    /// The number of tasks that are in doubt because of it.
    pub tasks: u64,
    /// The rows of these tasks: an input, and the first and the last line in it.
    pub rows: Vec<(String, u64, u64)>,
    /// What is lost, in words.
    pub lost: String,
    /// Whether a repair has set it aside, so that the run goes on without it.
    pub is_repaired: bool,
}

impl DamagedPart {
    /// Returns a plan chunk that is lost, with its rows as far as they are known.
    pub(super) fn lost_chunk(chunk: u32, tasks: u64, rows: Option<(String, u64, u64)>) -> Self {
        let (rows, lost) = (rows.into_iter().collect(), "its ids, and what became of them".into());
        Self { chunk: Some(chunk), tasks, rows, lost, ..Self::default() }
    }

    /// Returns the same part once a repair has set it aside.
    pub(super) fn repaired(self) -> Self {
        Self { is_repaired: true, ..self }
    }

    /// Returns where it is, in words.
    pub fn place(&self) -> String {
        match (self.chunk, self.segment) {
            (Some(chunk), Some(segment)) => format!("segment {segment} of chunk {chunk}"),
            (Some(chunk), None) => format!("plan chunk {chunk}"),
            (None, Some(segment)) => format!("segment {segment}"),
            (None, None) => "the run as a whole".into(),
        }
    }
}

impl fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged: {}", self.place(), self.lost)?;
        if self.tasks > 0 {
            write!(f, "; {} in doubt", plural(self.tasks, "task", "tasks"))?;
        }
        for (input, from, to) in &self.rows {
            let input = if input == "-" { "standard input" } else { input };
            match to {
                &u64::MAX => write!(f, ", {input} from line {from}")?,
                to => write!(f, ", {input} lines {from} to {to}")?,
            }
        }
        Ok(())
    }
}
