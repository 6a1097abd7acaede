//! Brings a large file to the disk while it is still being written, so that little is left to wait for
//! at its end.
//!
//! No sync is spared: whoever needs the file on the disk still syncs it.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::thread::JoinHandle;

/// The bytes after which what was written is brought to the disk.
const STEP: usize = 4 << 20;

/// What was written to a file, and the thread that brings it to the disk.
#[derive(Debug, Default)]
pub(super) struct EarlySync {
    /// The bytes since the last step.
    written: usize,
    syncing: Option<Syncing>,
}

#[derive(Debug)]
struct Syncing {
    /// Asks for one more sync, and by its end for no more.
    more: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl EarlySync {
    /// Notes that so many bytes more are in the file.
    pub(super) fn note(&mut self, bytes: usize, file: &File) {
        self.written += bytes;
        if self.written < STEP {
            return;
        }
        self.written = 0;
        match &self.syncing {
            // If one sync goes on and another waits, that one has these bytes as well.
            Some(syncing) => drop(syncing.more.try_send(())),
            // Without a thread all is left for the end.
            None => self.syncing = Syncing::begin(file).ok(),
        }
    }

    /// Waits for the sync under way.
    ///
    /// # Errors
    ///
    /// The first one of a sync: the system tells it only once, so no later sync has it.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some(Syncing { more, thread }) = self.syncing else { return Ok(()) };
        drop(more);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs panicked")))
    }
}

impl Syncing {
    fn begin(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (more, asked) = sync_channel(1);
        let sync = move || asked.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("sync".into()).spawn(sync)?;
        let _ = more.try_send(());
        Ok(Self { more, thread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_sync_on_the_way_is_told_at_the_end() {
        // A pipe takes bytes, and cannot be synced.
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let finished = |bytes: usize, times: usize| {
            let mut early = EarlySync::default();
            (0..times).for_each(|_| early.note(bytes, &pipe));
            early.finish()
        };
        assert!(finished(STEP - 1, 1).is_ok(), "a small file is not synced early");
        assert!(finished(STEP / 2, 2).is_err());
        assert!(finished(STEP, 5).is_err());
    }
}
