//! The waves of a run: growing shares of its tasks, each of which must succeed before the next.
//!
//! Pure. Waves are counted in tasks, in the order of the plan, and leave out tasks that need no
//! call. The last wave has no gate behind it. See `docs/GLOSSARY.md`: wave.

use crate::task::Outcome;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The share of the tasks that have been sent when a wave is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaveEnd {
    /// So many tasks.
    Count(NonZeroU64),
    /// So many percent of them, rounded up.
    Percent(u8),
}

/// The ends of the waves, such as `1,10%,100%`.
///
/// ```
/// use batchctl::policy::Waves;
///
/// let waves: Waves = "1,10%,100%".parse().unwrap();
/// assert_eq!(waves.ends(60), [1, 6, 60]);
/// assert_eq!(waves.ends(5), [1, 5]);
/// assert!("10%,50%".parse::<Waves>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves(Vec<WaveEnd>);

impl Waves {
    /// Returns how many of `tasks` have been sent when each wave is over. The ends grow, and the last
    /// one is `tasks`; waves that would add nothing are left out.
    pub fn ends(&self, tasks: u64) -> Vec<u64> {
        let mut ends: Vec<u64> = Vec::with_capacity(self.0.len());
        for end in &self.0 {
            let end = match *end {
                WaveEnd::Count(count) => count.get().min(tasks),
                // In 128 bits, because the product of a large selection overflows 64.
                WaveEnd::Percent(percent) => {
                    let share = (u128::from(tasks) * u128::from(percent)).div_ceil(100);
                    u64::try_from(share).unwrap_or(u64::MAX)
                }
            };
            if end > ends.last().copied().unwrap_or(0) {
                ends.push(end);
            }
        }
        ends
    }
}

/// The text does not say in which waves tasks are sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWaves {
    /// A part is neither a number nor a share.
    #[error("`{0}` is no part of the tasks; write the waves like `1,10%,100%`")]
    Part(String),
    /// A part is nothing, or more than everything.
    #[error("`{0}` is not between 1% and 100%; write the waves like `1,10%,100%`")]
    Share(String),
    /// A wave adds nothing to the one before, or a number follows a share.
    #[error("the waves do not grow at `{0}`: numbers come before shares, as in `1,10%,100%`")]
    NotGrowing(String),
    /// The last wave leaves tasks out.
    #[error("the last wave is not `100%`; write the waves like `1,10%,100%`")]
    NotAll,
}

impl FromStr for Waves {
    type Err = InvalidWaves;

    fn from_str(text: &str) -> Result<Self, InvalidWaves> {
        let mut ends: Vec<WaveEnd> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let end = wave_end(part)?;
            let grows = match (ends.last(), end) {
                (None, _) | (Some(WaveEnd::Count(_)), WaveEnd::Percent(_)) => true,
                (Some(WaveEnd::Count(before)), WaveEnd::Count(end)) => end > *before,
                (Some(WaveEnd::Percent(before)), WaveEnd::Percent(end)) => end > *before,
                (Some(WaveEnd::Percent(_)), WaveEnd::Count(_)) => false,
            };
            if !grows {
                return Err(InvalidWaves::NotGrowing(part.into()));
            }
            ends.push(end);
        }
        match ends.last() {
            Some(WaveEnd::Percent(100)) => Ok(Self(ends)),
            Some(_) | None => Err(InvalidWaves::NotAll),
        }
    }
}

fn wave_end(part: &str) -> Result<WaveEnd, InvalidWaves> {
    let digits = part.strip_suffix('%').unwrap_or(part);
    // `parse` alone would accept a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidWaves::Part(part.into()));
    }
    if digits.len() < part.len() {
        let share = digits.parse().ok().filter(|share| (1..=100).contains(share));
        return share.map(WaveEnd::Percent).ok_or_else(|| InvalidWaves::Share(part.into()));
    }
    digits.parse().map(WaveEnd::Count).map_err(|_| InvalidWaves::Part(part.into()))
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, end) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "," };
            match end {
                WaveEnd::Count(count) => write!(f, "{between}{count}")?,
                WaveEnd::Percent(percent) => write!(f, "{between}{percent}%")?,
            }
        }
        Ok(())
    }
}

/// Where a run stands in its waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavePlace {
    /// The number of the wave, from 1.
    pub wave: usize,
    /// The number of waves.
    pub of: usize,
    /// How many tasks are sent when it is over, in all.
    pub end: u64,
}

/// Returns the wave that the last of `done` tasks belonged to; nothing without tasks.
pub fn wave_of(ends: &[u64], done: u64) -> Option<WavePlace> {
    let index = ends.iter().position(|&end| done <= end)?;
    Some(WavePlace { wave: index + 1, of: ends.len(), end: ends[index] })
}

/// What follows from an outcome for the waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveStep {
    /// Nothing.
    Same,
    /// The wave is over, and the next one may begin after a pause until then.
    Pause(Instant),
    /// The wave is over, and the next one begins.
    Next,
    /// A task did not succeed, so no later wave begins.
    Failed,
}

/// Holds back each wave until all tasks of the one before have succeeded.
///
/// Sendings of a task that was begun are never held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveGate {
    ends: Vec<u64>,
    pause: Duration,
    /// The index of the wave under way.
    wave: usize,
    begun: u64,
    settled: u64,
    failed: bool,
    paused_until: Option<Instant>,
}

impl WaveGate {
    /// Returns a gate with these ends, of whose tasks `done` are settled by earlier processes.
    pub fn new(ends: Vec<u64>, pause: Duration, done: u64) -> Self {
        let last = ends.len().saturating_sub(1);
        let wave = ends.iter().position(|&end| done < end).unwrap_or(last);
        Self { ends, pause, wave, begun: done, settled: done, failed: false, paused_until: None }
    }

    /// Returns the gate in the pause that an earlier process had begun.
    #[must_use]
    pub fn paused_until(self, until: Option<Instant>) -> Self {
        Self { paused_until: until, ..self }
    }

    /// Returns the wave under way, or the next one during a pause; nothing without tasks.
    pub fn place(&self) -> Option<WavePlace> {
        let end = *self.ends.get(self.wave)?;
        Some(WavePlace { wave: self.wave + 1, of: self.ends.len(), end })
    }

    /// Returns the end of the pause, if there is one.
    pub fn pause_ends(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Returns whether a task that was never sent may be sent.
    pub fn may_begin(&self) -> bool {
        let has_room = self.ends.get(self.wave).is_some_and(|&end| self.begun < end);
        !self.failed && self.paused_until.is_none() && has_room
    }

    /// Takes note that a task is sent for the first time.
    pub fn begin(&mut self) {
        self.begun += 1;
    }

    /// Takes note of a task that is settled without being sent by this process.
    pub fn pass_over(&mut self, now: Instant) -> WaveStep {
        self.begun += 1;
        self.count(now)
    }

    /// Takes note of the outcome of a task that was begun.
    pub fn settled(&mut self, outcome: Outcome, now: Instant) -> WaveStep {
        // Nothing waits for the tasks of the last wave.
        if !outcome.is_good() && !self.is_last() && !self.failed {
            self.failed = true;
            return WaveStep::Failed;
        }
        self.count(now)
    }

    fn count(&mut self, now: Instant) -> WaveStep {
        self.settled += 1;
        let is_over = self.ends.get(self.wave).is_some_and(|&end| self.settled >= end);
        if self.failed || self.is_last() || !is_over {
            return WaveStep::Same;
        }
        self.wave += 1;
        // A pause beyond what an instant can express is none that anybody waits for.
        match now.checked_add(self.pause).filter(|_| !self.pause.is_zero()) {
            Some(until) => {
                self.paused_until = Some(until);
                WaveStep::Pause(until)
            }
            None => WaveStep::Next,
        }
    }

    /// Ends the pause if it is over; returns whether it did.
    pub fn resume(&mut self, now: Instant) -> bool {
        let is_over = self.paused_until.is_some_and(|until| now >= until);
        if is_over {
            self.paused_until = None;
        }
        is_over
    }

    /// Returns whether the last wave has begun.
    pub fn is_open(&self) -> bool {
        self.is_last() && self.paused_until.is_none()
    }

    fn is_last(&self) -> bool {
        self.wave + 1 >= self.ends.len()
    }
}

#[cfg(test)]
#[path = "waves_tests.rs"]
mod tests;
