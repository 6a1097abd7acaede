//! Checks the bytes of a connection on their way to the HTTP library.
//!
//! Keeps three promises that the library does not: heads are bounded and read in old forms, a
//! server that never stops sending does not starve the other calls, and an idle connection on which
//! anything has come can be recognised.

use super::head::HeadReader;
use crate::system::sockets::RecvFlags;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::net::TcpStream;

/// An error of any step of connecting.
pub(super) type AnyError = Box<dyn Error + Send + Sync>;

/// The most bytes that are read at a time.
const READ_SIZE: usize = 16 * 1024;
/// The number of reads after which the other calls, timers and signals get a turn.
const MAX_READS: u32 = 16;

/// A connection's bytes: a socket, TLS, or TLS in a tunnel.
pub(super) trait Wire: Read + Write + Send + Unpin {
    /// Returns whether the socket holds bytes that nobody has read, or has come to its end.
    ///
    /// Asks the system: what the runtime knows of a socket may be older than the last answer.
    fn has_unread(&self) -> bool;
}

impl Wire for TokioIo<TcpStream> {
    fn has_unread(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // The end and an error count as well, because no call may use such a connection.
        let peeked = crate::system::sockets::recv(self.inner(), &mut [0; 1], flags);
        !matches!(peeked, Err(error) if error == crate::system::io::Errno::WOULDBLOCK)
    }
}

impl<T: Wire> Wire for MaybeHttpsStream<T> {
    fn has_unread(&self) -> bool {
        match self {
            Self::Http(wire) => wire.has_unread(),
            Self::Https(tls) => tls.inner().get_ref().0.inner().has_unread(),
        }
    }
}

#[cfg(test)]
impl Wire for TokioIo<tokio::io::DuplexStream> {
    fn has_unread(&self) -> bool {
        false
    }
}

/// The messages of a connection to the wire below the HTTP library, and from there to the exchange that
/// is going on.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// A request is about to be written: the next byte begins an answer.
    begins: AtomicBool,
    /// An answer is over and no byte of the next request is written: nothing may be there to be read.
    is_idle: AtomicBool,
    /// What wakes the exchange that drives the connection.
    driven_by: Mutex<Option<Waker>>,
    /// Whether nobody is woken, because the one who would be is just about to drive the connection.
    is_muted: AtomicBool,
}

impl Signals {
    pub(super) fn begin_exchange(&self) {
        self.begins.store(true, Ordering::Relaxed);
    }

    /// Notes that an answer is over. The first byte of the next request ends this.
    pub(super) fn end_exchange(&self) {
        self.is_idle.store(true, Ordering::Relaxed);
    }

    /// Sets who is woken by the connection from now on.
    pub(super) fn now_wakes(&self, exchange: &Waker) {
        let mut driven_by = self.driven_by();
        if !driven_by.as_ref().is_some_and(|known| known.will_wake(exchange)) {
            *driven_by = Some(exchange.clone());
        }
    }

    /// Does something that would wake whoever drives the connection, and does not.
    ///
    /// Only for who drives it behind that, unless there is nothing to wait for: what is passed over
    /// here is found then.
    pub(super) fn muted<T>(&self, act: impl FnOnce() -> T) -> T {
        self.is_muted.store(true, Ordering::Relaxed);
        let done = act();
        self.is_muted.store(false, Ordering::Relaxed);
        done
    }

    fn driven_by(&self) -> MutexGuard<'_, Option<Waker>> {
        // Its holders leave it whole at every step.
        self.driven_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Signals {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_muted.load(Ordering::Relaxed)
            && let Some(exchange) = &*self.driven_by()
        {
            exchange.wake_by_ref();
        }
    }
}

/// A wire that reads the heads of answers by itself.
pub(super) struct GuardedWire {
    wire: Box<dyn Wire>,
    signals: Arc<Signals>,
    head: HeadReader,
    is_in_head: bool,
    /// A rewritten head and what came with it, as far as it was not handed on.
    pending: Vec<u8>,
    handed_on: usize,
    /// The number of reads since the last turn of the others.
    reads: u32,
}

impl GuardedWire {
    pub(super) fn new(wire: Box<dyn Wire>, signals: Arc<Signals>) -> Self {
        Self {
            wire,
            signals,
            head: HeadReader::default(),
            is_in_head: false,
            pending: Vec::new(),
            handed_on: 0,
            reads: 0,
        }
    }

    fn hand_on(&mut self, to: &mut ReadBufCursor<'_>) {
        let rest = &self.pending[self.handed_on..];
        let part = &rest[..rest.len().min(to.remaining())];
        to.put_slice(part);
        self.handed_on += part.len();
        if self.handed_on == self.pending.len() {
            self.pending.clear();
            self.handed_on = 0;
        }
    }
}

impl Read for GuardedWire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Relaxed order suffices, because the exchange polls this wire within its own task.
        let is_idle = this.signals.is_idle.load(Ordering::Relaxed);
        // What comes before the request is no answer to it.
        if !is_idle && this.signals.begins.swap(false, Ordering::Relaxed) {
            this.head.restart();
            this.is_in_head = true;
        }
        loop {
            if !this.pending.is_empty() {
                this.hand_on(&mut to);
                return Poll::Ready(Ok(()));
            }
            // A server that always has more to send would never let this return otherwise.
            if this.reads >= MAX_READS && !is_idle {
                this.reads = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Behind the head nothing is kept here, so only what fits the reader is taken.
            let size = if this.is_in_head { READ_SIZE } else { READ_SIZE.min(to.remaining()) };
            let mut bytes = [const { MaybeUninit::uninit() }; READ_SIZE];
            let mut part = ReadBuf::uninit(&mut bytes[..size]);
            match Pin::new(&mut *this.wire).poll_read(cx, part.unfilled()) {
                // Reading first lets TLS take its own messages, which are no answer.
                Poll::Pending if is_idle && this.wire.has_unread() => {
                    return Poll::Ready(Err(io::Error::other("an answer nobody asked for")));
                }
                Poll::Pending => {
                    this.reads = 0;
                    return Poll::Pending;
                }
                Poll::Ready(read) => read?,
            }
            this.reads += 1;
            if !this.is_in_head || part.filled().is_empty() {
                to.put_slice(part.filled());
                return Poll::Ready(Ok(()));
            }
            let is_complete = this.head.push(part.filled(), &mut this.pending);
            this.is_in_head = !is_complete.map_err(io::Error::other)?;
        }
    }
}

impl Write for GuardedWire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.signals.is_idle.store(false, Ordering::Relaxed);
        Pin::new(&mut *this.wire).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().wire).poll_shutdown(cx)
    }
}
