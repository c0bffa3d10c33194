//! Serving: the service, reflection, health, and a stop that loses no call.

use std::time::Duration;

use pandaport_access::{Access, ServerTls, incoming};
use pandaport_api::v1::control_plane_service_server::{ControlPlaneServiceServer, SERVICE_NAME};
use pandaport_runtime::{Readiness, Shutdown};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::control_plane::ControlPlane;
use crate::gate::Gate;
use crate::trace;

/// How often readiness is looked at for `grpc.health.v1`.
const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// A connection that is silent is asked whether it is still there: a client that was lost would hold its streams.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The largest request that is taken. A mapping with as many pairs and conditions as there may be, in letters of four bytes
/// each, has less.
const MAX_REQUEST: usize = 2 * 1024 * 1024;
/// The largest headers of a request that are taken: a token is the most of them.
const MAX_HEADERS: u32 = 32 * 1024;
/// Calls and streams of one connection at once; a client that has more waits.
const MAX_STREAMS: u32 = 250;

/// Why serving ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The contract compiled into this program can't be served by reflection.
    #[error("the contract can't be served by reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The listener failed.
    #[error("gRPC stopped: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Where and for whom to serve.
pub struct Listening {
    /// Where connections come in.
    pub listener: TcpListener,
    /// The server's end of TLS; unset: nothing is encrypted.
    pub tls: Option<ServerTls>,
    /// Who is let in.
    pub access: Access,
}

/// Serves until `shutdown` drains: then no new call is taken (GOAWAY), streams end with UNAVAILABLE, and calls in flight
/// have the `grace` to end.
///
/// Health (`grpc.health.v1`, for the whole server and for the service) is what `readiness` says.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    control_plane: ControlPlane,
    listening: Listening,
    readiness: Readiness,
    shutdown: Shutdown,
    grace: Duration,
) -> Result<(), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    report(&reporter, &readiness).await;
    let watcher = tokio::spawn(watch_readiness(reporter, readiness, shutdown.clone()));

    let Listening { listener, tls, access } = listening;
    let fresh = tokio::spawn(keep_fresh(tls.clone(), access.clone()));
    let incoming = incoming(listener, tls);
    let draining = shutdown.draining().clone();
    let server = Server::builder()
        .trace_fn(trace::call_span)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(MAX_STREAMS)
        .layer(Gate::new(access, control_plane.clone()))
        .add_service(ControlPlaneServiceServer::new(control_plane).max_decoding_message_size(MAX_REQUEST))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(health)
        .serve_with_incoming_shutdown(incoming, draining.cancelled_owned());
    let served = shutdown.within_grace(grace, server).await;
    watcher.abort();
    fresh.abort();
    if served.is_none() {
        tracing::warn!("calls in flight did not end within the grace and were dropped");
    }
    served.transpose()?;
    Ok(())
}

/// Follows certificates, keys and the policy as they change.
async fn keep_fresh(tls: Option<ServerTls>, access: Access) {
    let tls = async {
        if let Some(tls) = tls {
            tls.keep_fresh().await;
        }
    };
    tokio::join!(tls, access.keep_fresh());
}

/// The contract, and the error details of google.rpc, so that any client can read both.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pandaport_api::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn watch_readiness(reporter: HealthReporter, readiness: Readiness, shutdown: Shutdown) {
    while tokio::time::timeout(HEALTH_EVERY, shutdown.draining().cancelled()).await.is_err() {
        report(&reporter, &readiness).await;
    }
    report(&reporter, &readiness).await;
}

async fn report(reporter: &HealthReporter, readiness: &Readiness) {
    let status = if readiness.report().await.ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status("", status).await;
    reporter.set_service_status(SERVICE_NAME, status).await;
}
