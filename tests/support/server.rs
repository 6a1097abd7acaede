//! A scripted service: raw HTTP/1.1 over a socket, on a thread of its own.
//!
//! Knows nothing of batchctl's client, and counts every request that it has read to its end.

use super::reply::Manner;
use super::reply::Reply;
use batchctl::clock::Clock;
use batchctl::clock::Timestamp;
use batchctl::task::Counts;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A request as the service saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// When it had been read, in microseconds since the service began.
    pub(crate) micros: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The id in the path, or nothing.
    pub(crate) id: String,
    /// The command in the path, or nothing.
    pub(crate) command: String,
    /// Which request of this id and command it is, from 1.
    pub(crate) attempt: u32,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

type Script = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A service that does what a script says.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections share.
struct Shared {
    script: Script,
    clock: Clock,
    began: Timestamp,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Request>,
    attempts: BTreeMap<(String, String), u32>,
    trusted: Counts,
}

impl Server {
    /// Starts a service; it ends when this is dropped.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listening(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Ends the service and returns where it was; from now on connections are refused there.
    pub(crate) fn end(self) -> SocketAddr {
        self.address
    }

    /// Starts a service where another one was.
    pub(crate) fn start_again(
        address: SocketAddr,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listening(std::net::TcpListener::bind(address).unwrap(), script)
    }

    fn listening(
        listener: std::net::TcpListener,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (script, clock) = (Box::new(script), Clock::start());
        let shared = Shared { script, clock, began: clock.now(), log: Mutex::default() };
        let shared = Arc::new(shared);
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stopped) = oneshot::channel();
        let in_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, in_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, shutdown: Some(shutdown), thread: Some(thread) }
    }

    /// A service that carries everything out, at once.
    pub(crate) fn obliging() -> Self {
        Self::start(|request| Reply::trusted(&request.id, 0, 1))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all requests so far, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap().requests.clone()
    }

    /// Returns how many requests came.
    pub(crate) fn count(&self) -> usize {
        self.shared.log.lock().unwrap().requests.len()
    }

    /// Returns the ids in the order of their first requests.
    pub(crate) fn ids(&self) -> Vec<String> {
        let first = self.requests().into_iter().filter(|request| request.attempt == 1);
        first.map(|request| request.id).collect()
    }

    /// Returns the sum of all counts that a client can trust.
    pub(crate) fn trusted_counts(&self) -> Counts {
        self.shared.log.lock().unwrap().trusted
    }

    /// Waits until that many requests have come.
    pub(crate) fn wait_for(&self, count: usize) {
        while self.count() < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        // A client may go away at any time; that is its own affair.
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// Serves one connection until either side ends it.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut unread = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut unread).await? {
        let mut request = read(&head);
        request.body = read_body(&request, &mut stream, &mut unread).await?;
        let reply = shared.decide(request);
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        while reply.released.as_ref().is_some_and(|released| !released.load(Ordering::Relaxed)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if !carry_out(&mut stream, reply.manner).await? {
            break;
        }
    }
    Ok(())
}

/// Reads a request up to its blank line.
async fn read_head(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8(head).unwrap()));
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads the body of a request; those of the service have none.
async fn read_body(
    request: &Request,
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
) -> std::io::Result<String> {
    let length = request.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while unread.len() < length && stream.read_buf(unread).await? > 0 {}
    let body: Vec<u8> = unread.drain(..length.min(unread.len())).collect();
    Ok(String::from_utf8(body).unwrap())
}

/// Replies, and tells whether the connection goes on.
async fn carry_out(stream: &mut TcpStream, manner: Manner) -> std::io::Result<bool> {
    match manner {
        Manner::Whole(head, body) => {
            stream.write_all(&[head.text(body.len()), body].concat()).await?;
            return Ok(true);
        }
        Manner::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            return Ok(true);
        }
        Manner::Last(bytes) => stream.write_all(&bytes).await?,
        Manner::Flood(first, then, pause) => {
            stream.write_all(&first).await?;
            let then = then.repeat(1_000);
            loop {
                stream.write_all(&then).await?;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Manner::Twice(first, second) => {
            stream.write_all(&first).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(&second).await?;
            return Ok(true);
        }
        Manner::Cut(head, body) => {
            stream.write_all(&[head.text(body.len() + 100), body].concat()).await?;
        }
        Manner::Trickle(head) => trickle(stream, head.text(1 << 20)).await?,
        Manner::Reset => stream.set_zero_linger()?,
        Manner::Close => {}
        Manner::Silence => until_gone(stream).await?,
    }
    Ok(false)
}

/// Sends a body byte by byte until the client goes away.
async fn trickle(stream: &mut TcpStream, head: Vec<u8>) -> std::io::Result<()> {
    stream.write_all(&head).await?;
    loop {
        stream.write_all(b" ").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_gone(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

impl Shared {
    /// Takes note of a request and asks the script.
    fn decide(&self, mut request: Request) -> Reply {
        let micros = self.clock.now().since(self.began).as_micros();
        request.micros = u64::try_from(micros).unwrap();
        let mut log = self.log.lock().unwrap();
        let key = (request.id.clone(), request.command.clone());
        let attempts = log.attempts.entry(key).or_default();
        *attempts += 1;
        request.attempt = *attempts;
        let reply = (self.script)(&request);
        log.trusted += reply.trusted.unwrap_or_default();
        log.requests.push(request);
        reply
    }
}

/// Reads the head of a request.
fn read(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let part = |after: &str| {
        let rest = path.split_once(after).map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap().to_owned()
    };
    let (id, command) = (part("/batch-tasks/"), part("/action/"));
    Request { micros: 0, method, path, id, command, attempt: 0, headers, body: String::new() }
}
