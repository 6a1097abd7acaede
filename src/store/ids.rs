//! The ids of runs and the names of jobs, as files, commands and messages show them.
//!
//! Both become parts of file names, so neither can leave its directory.

use crate::clock::Timestamp;
use std::fmt;
use std::str::FromStr;

/// The id of a run: when it was planned and four letters, such as `20240705-120000-k3f9`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The text is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a run id looks like `20240705-120000-k3f9`")]
pub struct RunIdError;

impl RunId {
    /// Returns a new id for a run that is planned now.
    ///
    /// Ids sort by time, so that the `report` of a script right after its run finds that run as
    /// `latest`.
    pub fn new(now: Timestamp, letters: &mut fastrand::Rng) -> Self {
        // Three letters keep the order within a second; the fourth separates simultaneous runs.
        let [first, second, third] = within_second(now);
        let last = letters.char('a'..='z');
        Self(format!("{}-{first}{second}{third}{last}", second_of(now)))
    }

    /// Returns whether it is of a later second than that time.
    pub fn is_after(&self, at: Timestamp) -> bool {
        let second = second_of(at);
        self.0.get(..second.len()).is_some_and(|own| *own > *second)
    }

    /// Returns the next id of the same second, for a run whose id another one has taken.
    pub(crate) fn next(&self) -> Self {
        let (second, letters) = self.0.split_at(self.0.len() - 4);
        let mut letters: Vec<char> = letters.chars().collect();
        for letter in letters.iter_mut().rev() {
            if let Some(following) = ('a'..='z').skip_while(|it| it != letter).nth(1) {
                *letter = following;
                break;
            }
            // And the letter before it is the next.
            *letter = 'a';
        }
        Self(second.chars().chain(letters).collect())
    }

    /// Returns the id as files and messages show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        // No dot and no slash, so that an id from a command line cannot leave the directory.
        let belongs = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = text.len() == 20 && text.bytes().all(belongs);
        if fits { Ok(Self(text.into())) } else { Err(RunIdError) }
    }
}

/// Returns the digits of 2024-07-05T12:00:00.000Z, to the second.
fn second_of(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).collect();
    format!("{}-{}", &digits[..8], &digits[8..14])
}

/// Returns the part of a second in three letters, in steps of some 57 µs.
fn within_second(now: Timestamp) -> [char; 3] {
    const STEPS: i64 = 26 * 26 * 26;
    let step = now.as_micros().rem_euclid(1_000_000) * STEPS / 1_000_000;
    [step / (26 * 26), step / 26 % 26, step % 26].map(|digit| {
        char::from(b'a' + u8::try_from(digit).expect("a digit to the base 26 fits a byte"))
    })
}

/// The name of a job: 1 to 64 letters, digits, `.`, `_` and `-`, not beginning with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobName(String);

/// The text is not the name of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job's name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with no dot")]
pub struct JobNameError;

impl FromStr for JobName {
    type Err = JobNameError;

    fn from_str(text: &str) -> Result<Self, JobNameError> {
        let belongs = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(belongs);
        if fits && !text.starts_with('.') { Ok(Self(text.into())) } else { Err(JobNameError) }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    #[test]
    fn an_id_shows_when_the_run_was_planned() {
        let id = RunId::new(SOME_DAY, &mut fastrand::Rng::with_seed(1));
        assert!(id.as_str().starts_with("20240705-120000-"), "{id}");
        assert_eq!(id.as_str().parse(), Ok(id));
        assert!("latest".parse::<RunId>().is_err());
        assert!("../../etc/passwd-xyz".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_sort_by_time_also_within_a_second() {
        let id = |micros| RunId::new(SOME_DAY.plus_micros(micros), &mut fastrand::Rng::new());
        let ids: Vec<RunId> = (0..2_000).map(|number| id(number * 1_000)).collect();
        assert!(ids.is_sorted());
        assert!(id(0).as_str().starts_with("20240705-120000-aaa"));
        assert!(id(999_999).as_str().starts_with("20240705-120000-zzz"));
    }

    #[test]
    fn an_id_is_after_the_seconds_before_its_own() {
        let id = RunId::new(SOME_DAY, &mut fastrand::Rng::new());
        assert!(id.is_after(SOME_DAY.plus_micros(-1)));
        assert!(!id.is_after(SOME_DAY) && !id.is_after(SOME_DAY.plus_micros(1_000_000)));
    }

    #[test]
    fn the_next_id_is_of_the_same_second() {
        let next = |id: &str| id.parse::<RunId>().unwrap().next().to_string();
        assert_eq!(next("20240705-120000-abcd"), "20240705-120000-abce");
        assert_eq!(next("20240705-120000-abzz"), "20240705-120000-acaa");
        assert_eq!(next("20240705-120000-zzzz"), "20240705-120000-aaaa");
        assert_eq!(next("20240705-120000-k3f9"), "20240705-120000-k3ga");
    }

    #[test]
    fn a_name_stays_in_its_directory() {
        assert!("nightly-stop_2.a".parse::<JobName>().is_ok());
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<JobName>().is_err(), "{text}");
        }
    }
}
