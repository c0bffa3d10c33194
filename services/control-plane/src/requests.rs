//! `request_id`: the same id and body get the same answer, also after a crash.

use std::future::Future;

use pandaport_store::requests::{self, Known, Request};
use pandaport_store::{Conflict, Micros, Store, StoreError, Tenant, Tx};
use prost::Message;

use crate::errors::{CallError, Result};
use crate::limits::MAX_REQUEST_ID;
use crate::reason;
use crate::validate::Violations;

/// A call that may be repeated. Without a `request_id` it keeps nothing.
#[derive(Clone)]
pub(crate) struct Repeatable(Option<Kept>);

#[derive(Clone)]
struct Kept {
    store: Store,
    tenant: Tenant,
    request_id: String,
    method: &'static str,
    /// The message as it came. Only its hash is stored.
    body: Vec<u8>,
}

impl Repeatable {
    /// Reads the call's `request_id`.
    pub(crate) fn read(
        violations: &mut Violations,
        store: &Store,
        tenant: &Tenant,
        method: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Self {
        violations.text("request_id", request_id, MAX_REQUEST_ID);
        if request_id.is_empty() {
            return Self(None);
        }
        Self(Some(Kept {
            store: store.clone(),
            tenant: tenant.clone(),
            request_id: request_id.to_owned(),
            method,
            body: request.encode_to_vec(),
        }))
    }

    /// Gives the answer of the first call with this id, or else does the work. The work saves its answer by
    /// [`Repeatable::keep`] in the transaction of what it does.
    pub(crate) async fn once<R, W>(&self, work: W) -> Result<R>
    where
        R: Message + Default,
        W: Future<Output = Result<R>> + Send,
    {
        if let Some(answer) = self.known().await? {
            return Ok(answer);
        }
        match work.await {
            // Another call with this id was faster, so this one undid its work.
            Err(CallError::Repeated) => self
                .known()
                .await?
                .ok_or_else(|| CallError::Internal("the answer to a repeated call is gone".to_owned())),
            // What stood in its way may be just what that other call has done.
            Err(refused) => self.known().await.ok().flatten().ok_or(refused),
            done => done,
        }
    }

    /// Saves the answer in the transaction of what the call did. On an error drop the transaction.
    pub(crate) async fn keep(&self, tx: &mut Tx, answer: &impl Message) -> Result<()> {
        let Some(kept) = &self.0 else { return Ok(()) };
        match requests::save(tx, kept.request(), &answer.encode_to_vec(), Micros::now()).await {
            Err(StoreError::Conflict { what: Conflict::AlreadyExists, .. }) => Err(CallError::Repeated),
            saved => Ok(saved?),
        }
    }

    async fn known<R: Message + Default>(&self) -> Result<Option<R>> {
        let Some(kept) = &self.0 else { return Ok(None) };
        match requests::lookup(&kept.store, kept.request(), Micros::now()).await? {
            Known::Fresh => Ok(None),
            Known::Same(answer) => R::decode(answer.as_slice())
                .map(Some)
                .map_err(|error| StoreError::corrupt("answer to a call", error).into()),
            Known::Reused => Err(CallError::Exists {
                reason: reason::REQUEST_ID_REUSED,
                message: "This request_id was used with another request in the last 24 hours: use a new one."
                    .to_owned(),
            }),
        }
    }
}

impl Kept {
    fn request(&self) -> Request<'_> {
        Request { tenant: &self.tenant, request_id: &self.request_id, method: self.method, body: &self.body }
    }
}
