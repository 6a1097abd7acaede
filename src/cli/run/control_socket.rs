//! The control socket of a live run: answers status requests and forwards changes.
//!
//! Serves only the user of this process, even if others can open the file. No request and no
//! error of the socket ends the run.

use crate::cli::run::control_protocol;
use crate::cli::run::control_protocol::{ControlReply, LONGEST_REQUEST, ReplyKind, VERSION};
use crate::cli::run::display::LiveStatus;
use crate::cli::run::socket_address::Address;
use batchctl::engine::Control;
use batchctl::event::Operator;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many are served at a time; the others wait.
const MOST_CLIENTS: usize = 16;
/// The time-out for a silent client.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after `accept` failed, because this process has too many files open.
const BREATH: Duration = Duration::from_millis(200);

/// A socket that is served; dropping it ends that and removes it.
pub(crate) struct Served {
    path: PathBuf,
    identity: (u64, u64),
    accepting: JoinHandle<()>,
}

/// What every client is served with.
#[derive(Clone)]
pub(crate) struct ControlState {
    pub(crate) control: mpsc::UnboundedSender<Control>,
    pub(crate) live_status: LiveStatus,
}

/// Serves a socket from now on. The caller holds the run's lock, so an existing socket was left
/// behind by a killed process.
///
/// Must be called within a runtime.
pub(crate) fn serve(path: &Path, state: ControlState) -> io::Result<Served> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // A leftover socket must go first, because `bind` refuses an existing path.
    let listener = UnixListener::bind(Address::new(path)?.path())?;
    // Before the first `accept`; `attend` checks the user again for the time between.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    // Remembered, so that only this socket is removed in the end.
    let identity = identity(path)?;
    let accepting = tokio::spawn(accept(listener, state));
    Ok(Served { path: path.to_owned(), identity, accepting })
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

impl Drop for Served {
    fn drop(&mut self) {
        self.accepting.abort();
        // By now another process may have taken the run up, with a socket of its own.
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Left behind, it is replaced by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn accept(listener: UnixListener, state: ControlState) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        // Taken before `accept`: further clients wait in the kernel's queue.
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let state = state.clone();
        tokio::spawn(async move {
            // A client may go away at any time; that is its own affair.
            let _ = attend(stream, &state).await;
            drop(place);
        });
    }
}

/// Serves one client until it disconnects or sends an invalid request.
async fn attend(stream: UnixStream, state: &ControlState) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let is_ours = peer.uid() == rustix::process::geteuid().as_raw();
    let by = Operator::Process(peer.pid().and_then(|id| u32::try_from(id).ok()).unwrap_or(0));
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    if !is_ours {
        let reason = "the run belongs to another user".into();
        return say(&mut writer, ReplyKind::Refused { reason }).await;
    }
    loop {
        let mut line = Vec::new();
        // A client could otherwise fill the memory with one endless line.
        let mut limited = (&mut reader).take(LONGEST_REQUEST);
        let read = limited.read_until(b'\n', &mut line);
        let read = tokio::time::timeout(PATIENCE, read).await;
        if !matches!(read, Ok(Ok(length)) if length > 0) {
            return Ok(());
        }
        let reply = reply(&line, by, state).await;
        let is_over = matches!(reply, ReplyKind::Refused { .. });
        say(&mut writer, reply).await?;
        // After an invalid request the position in the stream is unknown.
        if is_over {
            return Ok(());
        }
    }
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), reply: ReplyKind) -> io::Result<()> {
    let line = control_protocol::line(&ControlReply { version: VERSION, reply });
    let written = writer.write_all(line.as_bytes());
    // A client that does not read must not block the others.
    tokio::time::timeout(PATIENCE, written).await.unwrap_or(Ok(()))
}

async fn reply(line: &[u8], by: Operator, state: &ControlState) -> ReplyKind {
    let change = match control_protocol::read(line).and_then(|order| order.change()) {
        Ok(Some(change)) => change,
        Ok(None) => return ReplyKind::Status { status: state.live_status.status() },
        Err(reason) => return ReplyKind::Refused { reason },
    };
    let (answer, answered) = oneshot::channel();
    // If the run has ended meanwhile, both the sending and the answer fail.
    let _ = state.control.send(Control::Change { change, by, answer: Some(answer) });
    answered.await.map_or(ReplyKind::Stopping, ReplyKind::from)
}
