//! One connection, and the exchange that is going on over it.
//!
//! The exchange drives its connection: nothing runs beside the calls, and a call that is dropped
//! takes its connection with it, and one that nobody uses does nothing at all.

use super::wire::{GuardedWire, Signals, Wire};
use bytes::Bytes;
use futures::future::poll_fn;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{HeaderMap, Method, Request, Response};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::coop::unconstrained;

/// A request as it is written. Those of the service have no body.
///
/// Boxed, because every future of a call would otherwise reserve room for it.
pub(in super::super) struct Outgoing(pub(super) Box<Request<Full<Bytes>>>);

impl Outgoing {
    /// Takes a request in the form it is written in.
    pub(in super::super) fn new(request: Request<Bytes>) -> Self {
        Self(Box::new(request.map(Full::new)))
    }

    /// Returns the headers that are written.
    pub(in super::super) fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// Returns the method.
    pub(in super::super) fn method(&self) -> &Method {
        self.0.method()
    }
}

type Driver = hyper::client::conn::http1::Connection<GuardedWire, Full<Bytes>>;

/// A connection to one host. It moves from call to call, and so is small.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes; gone once the connection is closed.
    driver: Option<Box<Driver>>,
    signals: Arc<Signals>,
    /// What the driver wakes: the signals, which wake the exchange.
    waker: Waker,
    answers: u32,
}

/// The reason for a missing answer.
pub(super) enum Unanswered {
    /// The connection was closed before a byte was written: the request is as it was.
    Unsent(Outgoing, hyper::Error),
    /// Some of it may have been written.
    Lost(hyper::Error),
}

impl Connection {
    pub(super) async fn over(wire: Box<dyn Wire>) -> Result<Self, hyper::Error> {
        let mut builder = Builder::new();
        // A request without a body is one piece, which `write` takes with less ado than `writev`.
        builder.writev(false);
        let signals = Arc::<Signals>::default();
        let wire = GuardedWire::new(wire, Arc::clone(&signals));
        let (sender, driver) = builder.handshake(wire).await?;
        let waker = Waker::from(Arc::clone(&signals));
        let driver = Some(Box::new(driver));
        Ok(Self { sender, driver, signals, waker, answers: 0 })
    }

    /// Returns whether another request can follow the last one.
    pub(super) fn is_free(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Notes that an answer was read to its end. Bytes that come before the next request would be
    /// taken for its answer, and so they end the connection.
    pub(super) fn end_exchange(&mut self) {
        self.signals.end_exchange();
        self.answers = self.answers.saturating_add(1);
    }

    /// Returns the number of answers that it has brought.
    pub(super) fn answers(&self) -> u32 {
        self.answers
    }

    /// Writes a request at once, and waits for the head of its answer.
    ///
    /// Nothing is written if anything has come since the last answer, bytes or the end: hyper reads
    /// before it writes, and then returns the request.
    pub(super) async fn send(
        &mut self,
        request: Outgoing,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.signals.begin_exchange();
        // hyper wakes its connection for each request, although the exchange drives it below.
        let answer = self.signals.muted(|| self.sender.try_send_request(*request.0));
        // Nothing but the connection, which is driven here, completes the answer: it needs no waker,
        // and tokio must not put the look at it off.
        let mut answer = pin!(unconstrained(answer));
        let (driver, signals, waker) = (&mut self.driver, &self.signals, &self.waker);
        let answered = poll_fn(|cx| {
            // The connection goes first: it writes the request and completes the answer in one
            // poll.
            signals.now_wakes(cx.waker());
            drive(driver, waker);
            answer.as_mut().poll(&mut unheard())
        });
        // hyper returns the request only if it has written nothing of it.
        answered.await.map_err(|mut error| match error.take_message() {
            Some(request) => Unanswered::Unsent(Outgoing(Box::new(request)), error.into_error()),
            None => Unanswered::Lost(error.into_error()),
        })
    }

    /// Reads the next part of an answer's body, nothing at its end.
    pub(super) async fn chunk(
        &mut self,
        body: &mut Incoming,
    ) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            let frame = poll_fn(|cx| {
                let mut received = || Pin::new(&mut *body).poll_frame(&mut unheard());
                // A short body came with the head: driving the connection for it would be in vain.
                // hyper wakes its connection for each part that is taken.
                let at_hand = self.signals.muted(&mut received);
                if at_hand.is_ready() {
                    return at_hand;
                }
                self.signals.now_wakes(cx.waker());
                drive(&mut self.driver, &self.waker);
                received()
            });
            // Frames beside the body are trailers, which batchctl does not request.
            match frame.await.transpose()?.map(hyper::body::Frame::into_data) {
                Some(Ok(chunk)) => return Ok(Some(chunk)),
                Some(Err(_trailers)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// Returns the context of a look for what only the connection brings, and that drives it by itself.
fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Lets a connection read and write what can be, and wakes when there is more.
///
/// A closed connection is dropped at once, because only then hyper returns unsent requests.
fn drive(driver: &mut Option<Box<Driver>>, waker: &Waker) {
    let mut heard = Context::from_waker(waker);
    let polled = driver.as_mut().map(|driver| Pin::new(driver).poll(&mut heard));
    // The exchange that waits for an answer gets the reason.
    if let Some(Poll::Ready(_)) = polled {
        *driver = None;
    }
}
