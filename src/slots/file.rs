//! The slots of a rate group: one timeline in a small file, which every process of the group changes
//! under a lock that the kernel frees.
//!
//! Times are those of the clock that goes on while the machine sleeps, since its boot; the boot is
//! named in the file, so that a file of an earlier one counts as empty. Nothing is synced: a process
//! that is killed leaves the file as it is, and after a loss of power the boot is another one.

use crate::clock::BootClock;
use crate::policy::{Grant, SlotSource, SlotSpacing, SlotTimeline, SlotTrouble};
use crate::system::files::{DirBuilderExt, FileExt, OpenOptionsExt};
use crate::system::files::{FlockOperation, flock};
use std::fs::{DirBuilder, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The length of what the file holds: the name of a boot, a blank and a number, and blanks.
const LENGTH: usize = 64;
/// The longest time that a reservation may lie ahead: a file that says more is damaged.
const LONGEST_AHEAD: u64 = 86_400 * 1_000_000_000;
/// The longest hold that is written: less, because a process may read the clock a little earlier.
const LONGEST_SHARED_HOLD: u64 = LONGEST_AHEAD / 2;
/// When the lock is asked for again that another process has, which holds it for microseconds.
const LOCKED_AGAIN_AFTER: Duration = Duration::from_millis(1);
/// How often a hold is tried to be written.
const HOLD_TRIES: u32 = 20;
/// How long another process may have the lock: one that was stopped in that moment keeps it.
const LONGEST_LOCKED: Duration = Duration::from_secs(2);

/// Slots in a file.
#[derive(Debug)]
pub struct FileSlots {
    file: File,
    clock: BootClock,
    /// Since when another process has the lock.
    locked_since: Option<Instant>,
}

impl FileSlots {
    /// Opens the timeline of a group in a state directory.
    ///
    /// # Errors
    ///
    /// The file cannot be made or opened, or this machine does not name its boots.
    pub fn open(state: &Path, group: &str) -> io::Result<Self> {
        let directory = state.join("rate-groups");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        // Links are not followed: another user of the directory could lead the writing elsewhere.
        let flags = crate::system::files::OFlags::NOFOLLOW | crate::system::files::OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(directory.join(group))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(Self { file, clock: BootClock::start()?, locked_since: None })
    }

    /// Changes the timeline under the lock, unless another process has it.
    fn change<T>(
        &self,
        now: Instant,
        act: impl FnOnce(&mut SlotTimeline, u64) -> T,
    ) -> io::Result<T> {
        // To wait for the lock would keep the whole process waiting, signals included.
        flock(&self.file, FlockOperation::NonBlockingLockExclusive)?;
        let changed = self.change_locked(now, act);
        flock(&self.file, FlockOperation::Unlock)?;
        changed
    }

    fn change_locked<T>(
        &self,
        now: Instant,
        act: impl FnOnce(&mut SlotTimeline, u64) -> T,
    ) -> io::Result<T> {
        let time = self.clock.nanos(now);
        let mut bytes = [0; LENGTH];
        let read = self.file.read_at(&mut bytes, 0)?;
        let mut timeline = self.parse(&bytes[..read], time);
        let result = act(&mut timeline, time);
        let text = format!("{} {}", self.clock.boot(), timeline.free_from);
        self.file.write_all_at(format!("{text:<width$}\n", width = LENGTH - 1).as_bytes(), 0)?;
        Ok(result)
    }

    fn parse(&self, bytes: &[u8], time: u64) -> SlotTimeline {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut words = text.split_whitespace();
        let is_of_boot = words.next() == Some(self.clock.boot());
        let free_from = words.next().and_then(|word| word.parse().ok());
        let free_from = free_from.filter(|&free| is_of_boot && free <= time + LONGEST_AHEAD);
        SlotTimeline { free_from: free_from.unwrap_or(0) }
    }
}

impl SlotSource for FileSlots {
    fn reserve(
        &mut self,
        wanted: u32,
        spacing: SlotSpacing,
        now: Instant,
    ) -> Result<Grant, SlotTrouble> {
        let reserved = self.change(now, |timeline, time| {
            let at = |due: u64| now + Duration::from_nanos(due.saturating_sub(time));
            timeline.reserve(wanted, spacing, time).granted(spacing, at)
        });
        let is_locked = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let Some(error) = reserved.as_ref().err().filter(|error| is_locked(error)) else {
            self.locked_since = None;
            return reserved.map_err(|error| SlotTrouble(error.to_string()));
        };
        let since = *self.locked_since.get_or_insert(now);
        if now.saturating_duration_since(since) < LONGEST_LOCKED {
            Ok(Grant::NotBefore(now + LOCKED_AGAIN_AFTER))
        } else {
            Err(SlotTrouble(format!("another process keeps its file locked: {error}")))
        }
    }

    fn hold(&mut self, until: Instant, now: Instant) {
        let ahead = until.saturating_duration_since(now).as_nanos();
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX).min(LONGEST_SHARED_HOLD);
        // A few times, because whoever has the lock has it for microseconds. A hold that cannot be
        // shared is kept by this process alone.
        for _ in 0..HOLD_TRIES {
            let held = self.change(now, |timeline, time| timeline.hold(time + ahead));
            if held.is_ok() {
                return;
            }
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::task::Rate;

    fn spacing() -> SlotSpacing {
        SlotSpacing::for_rate("20/s".parse::<Rate>().unwrap())
    }

    #[test]
    fn processes_that_share_a_group_share_its_slots_and_other_groups_do_not() {
        let state = tempfile::tempdir().unwrap();
        let open = |group| FileSlots::open(state.path(), group).unwrap();
        let (mut one, mut two, mut other) = (open("a"), open("a"), open("b"));
        let now = Instant::from(Clock::start().instant());
        let first = |slots: &mut FileSlots| match slots.reserve(1, spacing(), now).unwrap() {
            Grant::Slots { first, count: 1, .. } => first - now,
            grant => panic!("{grant:?}"),
        };
        let interval = spacing().interval;
        assert_eq!(first(&mut one), Duration::ZERO);
        // The clock goes on between the two.
        let second = first(&mut two);
        assert!(second <= interval + Duration::from_millis(1), "{second:?}");
        assert!(matches!(one.reserve(1, spacing(), now), Ok(Grant::NotBefore(_))));
        assert_eq!(first(&mut other), Duration::ZERO);
    }

    #[test]
    fn damage_and_an_earlier_boot_count_as_an_empty_file() {
        let state = tempfile::tempdir().unwrap();
        let mut slots = FileSlots::open(state.path(), "a").unwrap();
        let now = Instant::from(Clock::start().instant());
        let path = state.path().join("rate-groups/a");
        let boot = slots.clock.boot().to_owned();
        let beyond = format!("{boot} {}", u64::MAX);
        for text in ["", "nonsense", "another-boot 18446744073709551615", &beyond, "\u{0}\u{1}"] {
            std::fs::write(&path, text).unwrap();
            let grant = slots.reserve(1, spacing(), now);
            let step = spacing().interval;
            assert_eq!(grant, Ok(Grant::Slots { first: now, count: 1, step }), "{text:?}");
        }
    }

    #[test]
    fn a_process_that_keeps_the_lock_is_waited_for_and_then_told_of() {
        let state = tempfile::tempdir().unwrap();
        let mut slots = FileSlots::open(state.path(), "a").unwrap();
        let stopped = FileSlots::open(state.path(), "a").unwrap();
        flock(&stopped.file, FlockOperation::LockExclusive).unwrap();
        let now = Instant::from(Clock::start().instant());
        let soon = now + Duration::from_millis(1);
        assert_eq!(slots.reserve(1, spacing(), now), Ok(Grant::NotBefore(soon)));
        let later = now + LONGEST_LOCKED;
        let trouble = slots.reserve(1, spacing(), later).unwrap_err();
        assert!(trouble.to_string().contains("locked"), "{trouble}");
        flock(&stopped.file, FlockOperation::Unlock).unwrap();
        let step = spacing().interval;
        let granted = Ok(Grant::Slots { first: later, count: 1, step });
        assert_eq!(slots.reserve(1, spacing(), later), granted);
        assert_eq!(slots.locked_since, None);
    }

    #[test]
    fn the_longest_hold_is_still_one_for_a_process_whose_clock_reads_earlier() {
        let state = tempfile::tempdir().unwrap();
        let mut one = FileSlots::open(state.path(), "a").unwrap();
        let mut other = FileSlots::open(state.path(), "a").unwrap();
        let now = Instant::from(Clock::start().instant());
        one.hold(now + Duration::from_secs(366 * 86_400), now);
        let earlier = now.checked_sub(Duration::from_secs(5)).unwrap_or(now);
        assert!(matches!(other.reserve(1, spacing(), earlier), Ok(Grant::NotBefore(_))));
    }

    #[test]
    fn a_link_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let victim = state.path().join("victim");
        std::fs::write(&victim, "mine").unwrap();
        std::fs::create_dir(state.path().join("rate-groups")).unwrap();
        std::os::unix::fs::symlink(&victim, state.path().join("rate-groups/a")).unwrap();
        FileSlots::open(state.path(), "a").unwrap_err();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    }
}
