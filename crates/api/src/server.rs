//! The HTTP/1.1 server: accepts, bounds, and drains connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sentinel_runtime::{Backoff, Shutdown, Task, spawn};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service as _;

use crate::access::Peer;
use crate::app::App;

/// Headers beyond these are answered with 431.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Accepts until shutdown is requested, then lets answers in hand end and returns.
pub async fn serve(app: App, listener: TcpListener, router: Router, shutdown: Shutdown) {
    let connections = Arc::new(Semaphore::new(app.config.limits.connections));
    let mut tasks: FuturesUnordered<Task<()>> = FuturesUnordered::new();
    let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            Some(()) = tasks.next() => continue,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                backoff.reset();
                let connection = Connection { app: app.clone(), router: router.clone(), peer };
                tasks.push(spawn("connection", connection.run(stream, shutdown.clone(), permit)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: spinning would not help.
                let delay = backoff.next_delay();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    ?delay,
                    "cannot accept a connection"
                );
                shutdown.guard(tokio::time::sleep(delay)).await;
            }
        }
    }
    drop(listener);
    while tasks.next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true).ok();
    Ok((stream, peer, permit))
}

struct Connection {
    app: App,
    router: Router,
    peer: SocketAddr,
}

impl Connection {
    async fn run(self, stream: TcpStream, shutdown: Shutdown, permit: OwnedSemaphorePermit) {
        self.app.own.connections.inc();
        let router = self.router;
        let peer = Peer(self.peer.ip());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let mut router = router.clone();
            async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.app.config.limits.receive_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = shutdown.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection ended badly");
            if error.is_parse() || error.is_timeout() {
                self.app.own.reject("rest", if error.is_timeout() { "slow_client" } else { "malformed" });
            }
        }
        self.app.own.connections.dec();
        drop(permit);
    }
}
