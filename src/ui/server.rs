//! The server: connections, and which part answers a request.

use crate::store::RunId;
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::follow::FollowedRun;
use crate::ui::followed_runs::{FollowedRuns, LINGER};
use crate::ui::gate::{Gate, Passage, Refusal};
use crate::ui::order::{LONGEST_ORDER, Operator, UiOrder};
use crate::ui::reading::Reading;
use crate::ui::route::Route;
use crate::ui::run_list::{ListedRuns, list_page};
use crate::ui::run_page::run_page;
use crate::ui::source::RunSource;
use crate::ui::stream;
use crate::ui::stream::Look;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{interval, timeout};

/// The most pages that are followed at a time.
const MAX_FOLLOWED: usize = 64;
/// The most connections at a time; more wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take to send a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The rest after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and where.
#[derive(Clone)]
pub struct UiSettings {
    /// The address to listen on; port 0 takes any.
    pub listen: SocketAddr,
    /// The runs.
    pub runs: Arc<dyn RunSource>,
    /// What carries out the orders of pages.
    pub operator: Arc<dyn Operator>,
}

/// A server that shows runs in a browser.
pub struct Ui {
    listener: TcpListener,
    address: SocketAddr,
    token: String,
    shared: Arc<Shared>,
}

struct Shared {
    gate: Gate,
    runs: Arc<dyn RunSource>,
    operator: Arc<dyn Operator>,
    /// Runs are read here, so that many pages take no more of the machine than one.
    reading: Arc<Reading>,
    followed: Arc<FollowedRuns>,
    places: Arc<Semaphore>,
}

impl Ui {
    /// Listens, and makes the token for the first visit.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub async fn bind(settings: UiSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let (gate, token) = Gate::new(address)?;
        let shared = Shared {
            gate,
            runs: settings.runs,
            operator: settings.operator,
            reading: Arc::new(Reading::start()?),
            followed: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_FOLLOWED)),
        };
        Ok(Self { listener, address, token, shared: Arc::new(shared) })
    }

    /// Returns the address for a browser, which works once.
    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    /// Serves until `stopped` completes; then closes every connection.
    pub async fn serve(self, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        let mut connections = JoinSet::new();
        let mut sweep = interval(LINGER);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            connections.spawn(serve_connection(stream, Arc::clone(&self.shared)));
                        }
                        // Accepting again at once would only spin.
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
                Some(_) = connections.join_next() => {}
                _ = sweep.tick() => self.shared.followed.drop_unused(),
            }
        }
        connections.shutdown().await;
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    // An event is a small write that should leave at once; without this it is only later.
    let _ = stream.set_nodelay(true);
    let respond = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    // Errors are the client's: it closed the connection, or did not speak HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), respond)
        .await;
}

async fn respond(request: Request<Incoming>, shared: &Shared) -> Response<Body> {
    let (head, body) = request.into_parts();
    match shared.gate.judge(&head.method, &head.uri, &head.headers) {
        Passage::Pass => {}
        Passage::Enter(cookie) => return answer::entrance(&cookie),
        Passage::Refuse(refusal) => return refused(refusal),
    }
    let runs = Arc::clone(&shared.runs);
    let is_order = head.method == Method::POST;
    match Route::read(head.uri.path(), head.uri.query()) {
        None => answer::words(StatusCode::NOT_FOUND, "There is nothing at this address."),
        Some(Route::Orders(id)) if is_order => order(id, &head, body, shared).await,
        Some(Route::Orders(_)) => refused(Refusal::Method),
        Some(_) if is_order => refused(Refusal::Method),
        Some(Route::List) => list_page(),
        Some(Route::ListEvents) => follow(ListedRuns::new(runs), shared),
        Some(Route::RunEvents(id, following)) => {
            let operator = Arc::clone(&shared.operator);
            let run = FollowedRun::new(runs, id, following, operator, &shared.followed);
            follow(run, shared)
        }
        Some(Route::Run(id)) => page_of(id, shared).await,
    }
}

async fn page_of(id: RunId, shared: &Shared) -> Response<Body> {
    let runs = Arc::clone(&shared.runs);
    let followed = Arc::clone(&shared.followed);
    let page = shared.reading.read(move || run_page(&*runs, &followed, &id)).await;
    page.unwrap_or_else(no_page)
}

/// Has an order carried out, and says what came of it.
async fn order(id: RunId, head: &Parts, body: Incoming, shared: &Shared) -> Response<Body> {
    if !shared.operator.takes_orders() {
        let words = "This server only shows runs; `batchctl ui --control` takes orders, too.";
        return answer::words(StatusCode::FORBIDDEN, words);
    }
    // A form of another site cannot send this type.
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if kind != Some(b"application/json") {
        return answer::words(StatusCode::UNSUPPORTED_MEDIA_TYPE, "An order is JSON.");
    }
    let Some(body) = whole(body).await else {
        return answer::words(StatusCode::BAD_REQUEST, "The order did not come whole.");
    };
    let order = match UiOrder::read(&body) {
        Ok(order) => order,
        Err(reason) => return answer::words(StatusCode::BAD_REQUEST, &reason),
    };
    let operator = Arc::clone(&shared.operator);
    let carried_out = spawn_blocking(move || operator.carry_out(&id, &order)).await;
    match carried_out {
        Ok(Ok(words)) => answer::words(StatusCode::OK, &words),
        Ok(Err(reason)) => answer::words(StatusCode::CONFLICT, &reason),
        Err(_) => answer::words(StatusCode::INTERNAL_SERVER_ERROR, "The order failed."),
    }
}

/// Returns the body of an order, unless it is too long or does not come in time.
async fn whole<B: hyper::body::Body>(body: B) -> Option<Bytes>
where
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = timeout(REQUEST_TIMEOUT, Limited::new(body, LONGEST_ORDER).collect()).await;
    Some(collected.ok()?.ok()?.to_bytes())
}

fn refused(refusal: Refusal) -> Response<Body> {
    answer::words(refusal.status(), refusal.words())
}

fn no_page() -> Response<Body> {
    answer::words(StatusCode::INTERNAL_SERVER_ERROR, "This page could not be made.")
}

fn follow(subject: impl Look, shared: &Shared) -> Response<Body> {
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        let words = "Too many pages are open. Close some of them.";
        return answer::words(StatusCode::SERVICE_UNAVAILABLE, words);
    };
    let events = stream::events(subject, Arc::clone(&shared.reading));
    // The place is free again once the browser has gone, and the stream with it.
    answer::events(events.map(move |text| {
        let _ = &place;
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::{iter, once, pending};
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    fn part(text: &'static str) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_does_not_come_whole_is_not_waited_for() {
        let parts = StreamBody::new(iter([part("{}"), part(" ")]));
        assert_eq!(whole(parts).await, Some(Bytes::from_static(b"{} ")));
        let halting = once(async { part("{") }).chain(pending());
        assert_eq!(whole(Box::pin(StreamBody::new(halting))).await, None);
    }
}
