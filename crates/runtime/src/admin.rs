//! The admin server: `/livez`, `/readyz`, `/metrics`. It says nothing that is secret and changes
//! nothing, so it may listen beyond loopback, unlike the gRPC server.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::{Liveness, Metrics, Readiness, RuntimeError, bind};

/// The admin server, bound to its address.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Health {
    liveness: Liveness,
    readiness: Readiness,
    metrics: Metrics,
}

impl AdminServer {
    /// Listens on `address`; with port 0, on a free one.
    ///
    /// # Errors
    /// [`RuntimeError::Bind`], which names `PANDAPORT_ADMIN_LISTEN`.
    pub async fn bind(address: SocketAddr) -> Result<Self, RuntimeError> {
        let listener = bind(address, "PANDAPORT_ADMIN_LISTEN").await?;
        let address = listener.local_addr().map_err(|cause| RuntimeError::Bind {
            address,
            cause,
            hint: "set PANDAPORT_ADMIN_LISTEN to another address".to_owned(),
        })?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `until` is done. That should be the end of the process, not the beginning of
    /// draining: meanwhile `/readyz` has to say that it drains.
    ///
    /// # Errors
    /// [`RuntimeError::Setup`] if the listener breaks.
    pub async fn serve(
        self,
        liveness: Liveness,
        readiness: Readiness,
        metrics: Metrics,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), RuntimeError> {
        let router = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render_metrics))
            .with_state(Health { liveness, readiness, metrics });
        axum::serve(self.listener, router)
            .with_graceful_shutdown(until)
            .await
            .map_err(|error| RuntimeError::setup("the admin server", error))
    }
}

async fn livez(State(health): State<Health>) -> Response {
    let overdue = health.liveness.overdue(Instant::now());
    if overdue.is_empty() {
        return "ok\n".into_response();
    }
    let message = format!("standing still: {}\n", overdue.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

async fn readyz(State(health): State<Health>) -> Response {
    let report = health.readiness.report().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

async fn render_metrics(State(health): State<Health>) -> Response {
    match health.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
