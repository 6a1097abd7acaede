//! One connection: HTTP/1.1 over a socket, and the reset that a dropped request calls for.
//!
//! The reset is why this speaks to hyper itself: a framework above it would answer whatever the
//! handler returned, or close in good order.

use crate::sandbox::service::Service;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves one connection until the client closes it or a request is dropped.
///
/// Dropped halfway, the connection closes with whatever is on it.
pub(crate) async fn serve(stream: TcpStream, service: Arc<Service>) {
    // An answer is one small write; to hold it back for more would only cost time.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let respond = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.respond(request).await }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), respond);
    let ended = (&mut connection).await;
    // Other errors are the client's: it went away, or spoke no HTTP.
    if ended.is_err_and(|error| error.is_user()) {
        reset(&connection.into_parts().io.into_inner());
    }
}

/// Makes the socket close with a reset, at once and without what is still to be sent.
fn reset(stream: &TcpStream) {
    // Where it fails, the connection still ends without an answer.
    let _ = stream.set_zero_linger();
}
