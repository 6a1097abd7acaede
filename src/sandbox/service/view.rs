//! How the lists show batch tasks: their names and groups, and how late their states are seen.

use crate::clock::Instant;
use crate::sandbox::faults::{IdSuffix, Question, SeededRandom};
use crate::sandbox::service::batch_task::Sight;
use crate::sandbox::service::project::SandboxProject;
use std::time::Duration;

/// The algorithm of all batch tasks; its published name is the same.
pub(crate) const ALGORITHM: &str = "intrusion-detection";
/// The groups of cameras.
const GROUPS: [&str; 4] = ["gate", "hall", "yard", "dock"];

/// The settings of the project that affect how batch tasks are listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    random: SeededRandom,
    settle: Duration,
    stale: Duration,
    stuck: f64,
    now: Instant,
}

impl View {
    /// Returns the view of a project at an instant.
    pub(crate) const fn new(project: &SandboxProject, now: Instant) -> Self {
        Self {
            random: project.random(),
            settle: project.settle(),
            stale: project.stale(),
            stuck: project.stuck(),
            now,
        }
    }

    /// Returns how the states of a batch task are seen.
    pub(crate) fn sight(&self, id: &str) -> Sight {
        let is_stuck = IdSuffix::from_id(id) == IdSuffix::Stuck
            || self.random.roll_for(Question::Stuck, id).share() < self.stuck;
        // A change that takes the maximum duration never ends.
        let settle = if is_stuck { Duration::MAX } else { self.settle };
        Sight { now: self.now, stale: self.stale, settle }
    }

    /// Returns the group of cameras of a batch task.
    pub(crate) fn group(&self, id: &str) -> &'static str {
        let roll = self.random.roll_for(Question::Group, id);
        GROUPS[roll.below(GROUPS.len() as u64) as usize]
    }

    /// Returns the name of a batch task.
    pub(crate) fn name(&self, id: &str) -> String {
        format!("{} {id}", self.group(id))
    }
}
