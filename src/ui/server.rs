//! The server: connections, and which part answers a request.

use crate::store::RunDirectory;
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::follow::FollowedRun;
use crate::ui::gate::{Gate, Passage, Refusal};
use crate::ui::route::Route;
use crate::ui::run_list::{ListedRuns, list_page};
use crate::ui::run_page::run_page;
use crate::ui::stream;
use crate::ui::stream::Look;
use futures::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
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

/// The most pages that are followed at a time.
const MAX_FOLLOWED: usize = 64;
/// The most connections at a time; more wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take to send a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The rest after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and where.
#[derive(Debug, Clone)]
pub struct UiSettings {
    /// The address to listen on; port 0 takes any.
    pub listen: SocketAddr,
    /// The runs.
    pub runs: RunDirectory,
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
    runs: RunDirectory,
    /// Whoever reads a run has it, so that many pages take no more of the machine than one.
    turn: Arc<Semaphore>,
    followed: Arc<Semaphore>,
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
            turn: Arc::new(Semaphore::new(1)),
            followed: Arc::new(Semaphore::new(MAX_FOLLOWED)),
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
        // No request has a body that anybody would read.
        let request = request.map(|_| ());
        async move { Ok::<_, Infallible>(respond(&request, &shared).await) }
    });
    // Errors are the client's: it closed the connection, or did not speak HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), respond)
        .await;
}

async fn respond(request: &Request<()>, shared: &Shared) -> Response<Body> {
    let uri = request.uri();
    match shared.gate.judge(request.method(), uri, request.headers()) {
        Passage::Pass => {}
        Passage::Enter(cookie) => return answer::entrance(&cookie),
        Passage::Refuse(refusal) => return refused(refusal),
    }
    let runs = shared.runs.clone();
    match Route::read(uri.path(), uri.query()) {
        None => answer::words(StatusCode::NOT_FOUND, "There is nothing at this address."),
        Some(Route::List) => list_page(),
        Some(Route::ListEvents) => follow(ListedRuns::new(runs), shared),
        Some(Route::RunEvents(id, following)) => {
            follow(FollowedRun::new(runs, id, following), shared)
        }
        Some(Route::Run(id)) => {
            let Ok(turn) = Arc::clone(&shared.turn).acquire_owned().await else {
                return no_page();
            };
            let page = spawn_blocking(move || {
                let page = run_page(&runs, &id);
                drop(turn);
                page
            });
            page.await.unwrap_or_else(|_| no_page())
        }
    }
}

fn refused(refusal: Refusal) -> Response<Body> {
    answer::words(refusal.status(), refusal.words())
}

fn no_page() -> Response<Body> {
    answer::words(StatusCode::INTERNAL_SERVER_ERROR, "This page could not be made.")
}

fn follow(subject: impl Look, shared: &Shared) -> Response<Body> {
    let Ok(place) = Arc::clone(&shared.followed).try_acquire_owned() else {
        let words = "Too many pages are open. Close some of them.";
        return answer::words(StatusCode::SERVICE_UNAVAILABLE, words);
    };
    let events = stream::events(subject, Arc::clone(&shared.turn));
    // The place is free again once the browser has gone, and the stream with it.
    answer::events(events.map(move |text| {
        let _ = &place;
        text
    }))
}
