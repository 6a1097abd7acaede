//! A sandbox on a thread of its own, beside the caller's work.
//!
//! It runs as long as the value lives, and leaves nothing behind.

use crate::sandbox::error::SandboxError;
use crate::sandbox::server::Sandbox;
use crate::sandbox::settings::SandboxSettings;
use crate::sandbox::witness::Witness;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running sandbox. Dropping it stops the sandbox and completes its log.
///
/// ```
/// use batchctl::sandbox::{SandboxSettings, SandboxThread};
///
/// let sandbox = SandboxThread::start(SandboxSettings::default())?;
/// assert!(sandbox.url().starts_with("http://127.0.0.1:"));
/// sandbox.stop()?;
/// # Ok::<(), batchctl::sandbox::SandboxError>(())
/// ```
pub struct SandboxThread {
    url: String,
    witness: Witness,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), SandboxError>>>,
}

/// The message of the thread once it listens.
struct Listening {
    url: String,
    witness: Witness,
}

impl SandboxThread {
    /// Starts a sandbox and returns once it listens.
    ///
    /// # Errors
    ///
    /// All of [`Sandbox::bind`], and a thread that cannot be started.
    pub fn start(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let (shutdown, when_shut_down) = oneshot::channel();
        // Room for the one message, so that the thread never waits for its starter.
        let (listening, when_listening) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("sandbox".into())
            .spawn(move || run(settings, &listening, when_shut_down))
            .map_err(|source| SandboxError::Thread { source })?;
        match when_listening.recv() {
            Ok(Listening { url, witness }) => {
                Ok(Self { url, witness, shutdown: Some(shutdown), thread: Some(thread) })
            }
            // The thread ended before it listened, so it has returned an error.
            Err(mpsc::RecvError) => Err(joined(thread).expect_err("it never listened")),
        }
    }

    /// Returns its endpoint, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns a witness of its requests, which outlives it.
    pub fn witness(&self) -> Witness {
        self.witness.clone()
    }

    /// Stops the sandbox and completes its log.
    ///
    /// # Errors
    ///
    /// The error that ended the sandbox, such as a log that could not be written.
    pub fn stop(mut self) -> Result<(), SandboxError> {
        self.end()
    }

    /// Stops the thread the first time it is called.
    fn end(&mut self) -> Result<(), SandboxError> {
        // Dropping the sender is the signal: it also arrives if this thread unwinds.
        drop(self.shutdown.take());
        match self.thread.take() {
            Some(thread) => joined(thread),
            None => Ok(()),
        }
    }
}

impl Drop for SandboxThread {
    fn drop(&mut self) {
        // A destructor cannot return an error; callers who need it use `stop`.
        let _ = self.end();
    }
}

/// Runs a sandbox on the current thread until the other end of `shutdown` is dropped.
fn run(
    settings: SandboxSettings,
    listening: &mpsc::SyncSender<Listening>,
    shutdown: oneshot::Receiver<()>,
) -> Result<(), SandboxError> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|source| SandboxError::Thread { source })?;
    runtime.block_on(async {
        let sandbox = Sandbox::bind(settings).await?;
        let received = listening.send(Listening { url: sandbox.url(), witness: sandbox.witness() });
        received.expect("the starter waits for the message");
        // A dropped sender is an error of the channel, and it is the signal to stop.
        let until_dropped = async {
            let _ = shutdown.await;
        };
        sandbox.serve(until_dropped).await
    })
}

/// Waits for a thread to end.
fn joined(thread: JoinHandle<Result<(), SandboxError>>) -> Result<(), SandboxError> {
    thread.join().expect("the sandbox does not panic")
}
