//! The listener: HTTP/1.1 over TCP, with connections that can be cut from inside a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// The connection a request came in on, as an extension of that request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    cut: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Connection {
    /// Ends the connection with nothing more sent, by a close or by a TCP reset. Never returns.
    pub(crate) async fn cut(&self, reset: bool) -> Infallible {
        self.reset.store(reset, Ordering::Relaxed);
        self.cut.cancel();
        std::future::pending().await
    }
}

/// Binds an address; anything but loopback only where that was asked for.
pub(crate) async fn bind(address: SocketAddr, allow_remote: bool) -> anyhow::Result<TcpListener> {
    ensure!(
        allow_remote || address.ip().is_loopback(),
        "the sandbox listens on loopback addresses only, and {address} is none; \
         --allow-remote lets it, but its credentials are public and its control endpoint has none"
    );
    TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))
}

/// Serves `router` until the shutdown; connections open then are dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router, tracker: TaskTracker, shutdown: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tracker.spawn(connection(stream, router.clone(), shutdown.clone()));
            }
            // Out of file descriptors, or the peer is gone already: neither ends the listener.
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let handle = Connection::default();
    let extension = handle.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(extension.clone());
        router.clone().oneshot(request)
    });
    let mut serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client may leave at any time; that is its business.
        _ = &mut serving => {}
        () = shutdown.cancelled() => {}
        () = handle.cut.cancelled() => {
            let stream = serving.into_parts().io.into_inner();
            if handle.reset.load(Ordering::Relaxed) {
                let _ = stream.set_zero_linger();
            }
        }
    }
}
