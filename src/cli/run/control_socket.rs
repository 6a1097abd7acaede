//! The control socket of a live run: answers status requests and forwards changes.
//!
//! Serves only the user of this process, even if others can open the file. No request and no
//! error of the socket ends the run.

use crate::cli::run::control_protocol;
use crate::cli::run::control_protocol::{ControlReply, LONGEST_REQUEST, ReplyKind, VERSION};
use crate::cli::run::display::LiveStatus;
use crate::cli::run::socket_address::Address;
use batchctl::clock::Timestamp;
use batchctl::engine::Control;
use batchctl::event::{Change, Operator};
use batchctl::system::files::{MetadataExt, PermissionsExt};
use batchctl::system::sockets::{AsyncUnixStream as UnixStream, UnixListener};
use batchctl::text::printable;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many are served at a time; the one that has been silent longest makes room for the next.
const MOST_CLIENTS: usize = 16;
/// How many changes are taken in a window.
const MOST_CHANGES: usize = 10;
const CHANGE_WINDOW: Duration = Duration::from_secs(1);
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
    /// Where orders for one of several targets go.
    pub(crate) of_target: mpsc::UnboundedSender<(String, Control)>,
    pub(crate) live_status: LiveStatus,
    pub(crate) change_limit: ChangeLimit,
    /// The user and the host, if changes are recorded with them.
    pub(crate) who: Option<&'static str>,
}

/// Bounds the changes of a run: each of them is kept in its record for good.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeLimit(Arc<Mutex<VecDeque<Timestamp>>>);

impl ChangeLimit {
    /// Returns whether one more change may pass now, and counts it then.
    fn lets_pass(&self, now: Timestamp) -> bool {
        // A panic elsewhere leaves a list of times as it was.
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Timestamp| now.since(*at) >= CHANGE_WINDOW;
        while recent.front().is_some_and(is_old) {
            recent.pop_front();
        }
        let passes = recent.len() < MOST_CHANGES;
        if passes {
            recent.push_back(now);
        }
        passes
    }
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
    let mut clients: Vec<Client> = Vec::new();
    // Counts signs of life, so that the oldest silent client can be told without a clock.
    let signs = Arc::new(AtomicU64::new(1));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        make_room(&mut clients).await;
        let silence = Silence { since: Arc::default(), signs: Arc::clone(&signs) };
        silence.begin();
        let (state, own) = (state.clone(), silence.clone());
        let serving = tokio::spawn(async move {
            // A client may go away at any time; that is its own affair.
            let _ = attend(stream, &state, &own).await;
        });
        clients.push(Client { silence, serving });
    }
}

/// A client that is served.
struct Client {
    silence: Silence,
    serving: JoinHandle<()>,
}

/// Since which sign of life of any client this one has asked for nothing; 0 while it is answered.
#[derive(Clone)]
struct Silence {
    since: Arc<AtomicU64>,
    signs: Arc<AtomicU64>,
}

impl Silence {
    fn begin(&self) {
        self.since.store(self.signs.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    fn since(&self) -> Option<u64> {
        Some(self.since.load(Ordering::Relaxed)).filter(|&since| since > 0)
    }
}

/// Sends the client away that has been silent longest, if all places are taken: silent clients
/// must not keep an operator from a run.
async fn make_room(clients: &mut Vec<Client>) {
    clients.retain(|client| !client.serving.is_finished());
    if clients.len() < MOST_CLIENTS {
        return;
    }
    let silent = (0..clients.len()).filter_map(|at| Some((clients[at].silence.since()?, at)));
    match silent.min() {
        Some((_, at)) => clients.swap_remove(at).serving.abort(),
        // All of them are being answered, which takes as long as the run needs for it.
        None => {
            let _ = (&mut clients[0].serving).await;
            clients.swap_remove(0);
        }
    }
}

/// Serves one client until it disconnects or sends an invalid request.
async fn attend(stream: UnixStream, state: &ControlState, silence: &Silence) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let is_ours = peer.uid() == batchctl::system::process::geteuid().as_raw();
    let process = peer.pid().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    // The socket serves this user alone, so a change is by the user and on the host of the run.
    let by = match state.who {
        Some(who) => Operator::ProcessOf(process, who),
        None => Operator::Process(process),
    };
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
        silence.end();
        let reply = reply(&line, by, state).await;
        let is_over = matches!(reply, ReplyKind::Refused { .. });
        // One that does not read its answer is as silent as one that asks for nothing.
        silence.begin();
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
    let understood = control_protocol::read(line).and_then(|request| {
        let change = request.order.change()?;
        check_target(request.target.as_deref(), change, &state.live_status.targets())?;
        Ok((change, request.target))
    });
    let (change, target) = match understood {
        Ok((Some(change), target)) => (change, target),
        Ok((None, target)) => {
            let whole = state.live_status.status();
            let status = target.map_or(whole.clone(), |name| whole["targets"][name].clone());
            return ReplyKind::Status { status };
        }
        Err(reason) => return ReplyKind::Refused { reason },
    };
    // A drain is recorded once, and must not wait for a script that changes something all the time.
    let passes = || state.change_limit.lets_pass(state.live_status.now());
    if change != Change::Drained && !passes() {
        let reason = format!("a run takes {MOST_CHANGES} changes a second, try once more");
        return ReplyKind::Refused { reason };
    }
    let (answer, answered) = oneshot::channel();
    let order = Control::Change { change, by, answer: Some(answer) };
    // If the run has ended meanwhile, both the sending and the answer fail.
    match target {
        Some(target) => drop(state.of_target.send((target, order))),
        None => drop(state.control.send(order)),
    }
    answered.await.map_or(ReplyKind::Stopping, ReplyKind::from)
}

/// Refuses a target that the run does not have, and a change that must name one.
pub(crate) fn check_target(
    named: Option<&str>,
    change: Option<Change>,
    targets: &[Arc<str>],
) -> Result<(), String> {
    match named {
        Some(_) if targets.is_empty() => Err("it has no targets".into()),
        Some(named) if targets.iter().all(|target| &**target != named) => Err(format!(
            "it has no target `{}`, only {}",
            printable(named, 60),
            printable(&targets.join(", "), 200)
        )),
        None if matches!(change, Some(Change::Rate(_) | Change::Concurrency(_)))
            && !targets.is_empty() =>
        {
            let names = printable(&targets.join(", "), 200);
            let why = "each of its targets has a rate and a concurrency of its own";
            Err(format!("{why}; name one with `--target`: {names}"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_changes_pass_in_any_second() {
        let limit = ChangeLimit::default();
        let at = |millis: i64| Timestamp::from_micros(millis * 1_000);
        let passed = |from: i64, until: i64| {
            (from..until).step_by(10).filter(|&millis| limit.lets_pass(at(millis))).count()
        };
        assert_eq!(passed(0, 1_000), 10);
        assert_eq!(passed(1_000, 1_050), 5);
        assert_eq!(passed(1_050, 2_000), 5);
    }
}
