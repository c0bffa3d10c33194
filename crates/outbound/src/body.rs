//! A request's body, which asks for leave once more when its bytes are taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::{Denied, Permit};

/// All bytes at once, or an error if the attempt may not leave any more.
///
/// Between [`Permit::acquire`] and the bytes on the wire stand a task switch and often a new connection; a process can
/// be frozen there, and thaw after its work was taken over. A body that fails breaks off a request whose length was
/// promised: whatever of it has left, the other side can't act on it.
pub(crate) struct AskingBody {
    bytes: Option<Bytes>,
    permit: Arc<dyn Permit>,
}

/// The body was asked for too late.
#[derive(Debug, thiserror::Error)]
#[error("the attempt may not leave any more")]
pub(crate) struct Withheld(pub(crate) Denied);

impl AskingBody {
    pub(crate) fn new(bytes: Bytes, permit: Arc<dyn Permit>) -> Self {
        Self { bytes: Some(bytes), permit }
    }
}

impl Body for AskingBody {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        let leave = self.permit.still_stands().map_err(Withheld);
        Poll::Ready(Some(leave.map(|()| Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    /// Exact, so that the request has a `Content-Length`.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
