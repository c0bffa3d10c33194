//! Health and metrics of a process.

use std::net::SocketAddr;

use pandaport_runtime::{AdminServer, Liveness, Metrics, Readiness};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// The admin server at work.
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Admin {
    /// Serves what was bound, until it is ended: while the process drains, it still answers that it does.
    pub(crate) fn serve(server: AdminServer, readiness: Readiness, metrics: Metrics) -> Self {
        let address = server.address();
        let end = CancellationToken::new();
        let ended = end.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = server.serve(Liveness::default(), readiness, metrics, ended).await {
                tracing::error!(%error, "health and metrics are no longer served");
            }
        });
        Self { address, end, task }
    }

    /// Ends it; an open connection is not waited for.
    pub(crate) fn end(self) {
        self.end.cancel();
        self.task.abort();
    }
}

/// The metrics of a process, installed for all its parts.
pub(crate) fn metrics(service: &'static str) -> Result<Metrics, Error> {
    Ok(Metrics::new(service, super::VERSION)?.installed())
}
