//! The gate: every call passes it before its message is read, whatever service it is for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use jiff::Timestamp;
use pandaport_access::{Access, Identity, Peer};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::audit::Audited;
use crate::control_plane::ControlPlane;
use crate::errors::CallError;
use crate::roles::{self, Rpc};

/// A call that was let in.
#[derive(Clone)]
pub(crate) struct Admitted {
    pub(crate) who: Identity,
    pub(crate) rpc: &'static Rpc,
    /// Where it came from.
    pub(crate) peer: String,
}

/// Puts itself before all services.
#[derive(Clone)]
pub(crate) struct Gate {
    access: Access,
    control_plane: ControlPlane,
}

impl Gate {
    pub(crate) fn new(access: Access, control_plane: ControlPlane) -> Self {
        Self { access, control_plane }
    }

    /// Whether a call may pass. If it may, who makes it stands in its extensions.
    async fn admit(&self, request: &mut Request<Body>) -> Result<(), Status> {
        let Some(rpc) = roles::of_path(request.uri().path()) else { return Ok(()) };
        let begun = Instant::now();
        let peer = request.extensions().get::<Peer>().cloned();
        let known = self.access.identify(request.headers(), peer.as_ref(), Timestamp::now()).await;
        let peer = peer.map(|it| it.address.to_string()).unwrap_or_default();
        let refused = match known {
            Ok(who) if who.role >= rpc.role => {
                // From here on nobody has a use for it, and what is not there can't be logged.
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(Admitted { who, rpc, peer });
                return Ok(());
            }
            Ok(who) => {
                let status = Status::from(CallError::RoleTooLow { has: who.role, needs: rpc.role });
                if rpc.changes {
                    Audited::new(who, rpc, peer, None).ended(&self.control_plane.store, Some(&status)).await;
                }
                status
            }
            Err(refused) => {
                let (path, why) = (request.uri().path(), refused.to_string());
                tracing::info!(target: "audit", method = path, peer, reason = why, "a caller was not let in");
                Status::from(CallError::NotLetIn(refused))
            }
        };
        self.control_plane.times.record(rpc.label(), refused.code(), begun.elapsed());
        tracing::Span::current().record("code", tracing::field::debug(refused.code()));
        Err(refused)
    }
}

impl<S> Layer<S> for Gate {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { gate: self.clone(), inner }
    }
}

/// The services behind the gate.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that is ready is taken along, a clone waits for its own turn.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            match gate.admit(&mut request).await {
                Ok(()) => inner.call(request).await,
                Err(refused) => Ok(refused.into_http()),
            }
        })
    }
}
