//! One connection: HTTP/1.1 over a socket, with a reset for dropped requests.
//!
//! It uses hyper directly because of the reset: a framework above it would send a response whatever
//! the handler returned, or close the connection in order.

use crate::sandbox::service::Service;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves one connection until the client closes it or a request is dropped.
///
/// Dropping the future closes the connection.
pub(crate) async fn serve(stream: TcpStream, service: Arc<Service>) {
    // A response is one small write: Nagle's algorithm would only delay it.
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
    // Other errors are caused by the client: it closed the connection, or did not speak HTTP.
    if ended.is_err_and(|error| error.is_user()) {
        reset(&connection.into_parts().io.into_inner());
    }
}

/// Makes the socket close with a reset, at once and without sending the rest.
fn reset(stream: &TcpStream) {
    // If this fails, the connection still ends without a response.
    let _ = stream.set_zero_linger();
}
