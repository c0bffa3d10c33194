//! What the brake holds: shown with its mapping, and approved (rule 11).

use pandaport_api::v1 as proto;
use pandaport_queue::Behind;
use pandaport_store::syncs::{self, Creation, Mode, NewSync, TriggerKind};
use pandaport_store::{MappingId, Micros, held, mappings};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::limits::MAX_DIGEST;
use crate::requests::Repeatable;
use crate::validate::Violations;
use crate::{convert, reason};

/// Examples shown of what is held.
const SAMPLE: u32 = 20;

impl ControlPlane {
    pub(crate) async fn approve_held(
        &self,
        caller: &Caller,
        request: proto::ApproveHeldRequest,
    ) -> Result<proto::ApproveHeldResponse> {
        let mut violations = Violations::default();
        let mapping_id = MappingId(violations.id("mapping_id", &request.mapping_id));
        if request.digest.is_empty() {
            violations
                .malformed("digest", "This field is required: it is the digest of what GetMapping shows as held.");
        }
        violations.text("digest", &request.digest, MAX_DIGEST);
        let repeatable = self.repeatable(&mut violations, caller, "ApproveHeld", &request.request_id, &request);
        violations.check()?;
        repeatable.once(Box::pin(self.approve(caller, &repeatable, mapping_id, &request.digest))).await
    }

    async fn approve(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        mapping_id: MappingId,
        digest: &str,
    ) -> Result<proto::ApproveHeldResponse> {
        let mut tx = self.store.begin_write().await?;
        mappings::get_in(&mut tx, &caller.tenant, mapping_id).await?;
        let present = held::digest_in(&mut tx, &caller.tenant, mapping_id).await?;
        let Some((_, deleted)) = present.as_ref().filter(|it| it.0 == digest) else {
            return Err(moved(present.is_some()));
        };
        let new = NewSync {
            mapping_id,
            // Whether a record is still deleted is asked anew by a FULL sync only.
            mode: if *deleted { Mode::Full } else { Mode::Incremental },
            dry_run: false,
            retry_rejected: false,
            trigger_kind: TriggerKind::Call,
            traceparent: caller.traceparent.clone(),
        };
        let sync = match syncs::create(&mut tx, &caller.tenant, &new, Micros::now()).await? {
            Creation::Created(sync) => sync,
            Creation::AlreadyActive(active) => {
                return Err(CallError::Precondition {
                    reason: reason::SYNC_ACTIVE,
                    message: format!(
                        "Sync {} of this mapping is active, and works out anew what is to be held: wait for its end, or \
                         cancel it; then look at what is held and approve that.",
                        active.sync_id
                    ),
                });
            }
        };
        held::approve(&mut tx, &caller.tenant, mapping_id, sync.sync_id, digest).await?;
        self.queue.enqueue(&mut tx, &Behind::from(&sync)).await?;
        let answer = proto::ApproveHeldResponse { sync: Some(convert::sync(sync)) };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    /// What is held of a mapping; `None`: nothing.
    pub(crate) async fn held(&self, caller: &Caller, mapping_id: MappingId) -> Result<Option<proto::Held>> {
        let held = held::of_mapping(&self.store, &caller.tenant, mapping_id, SAMPLE).await?;
        Ok(held.map(convert::held))
    }
}

fn moved(is_held: bool) -> CallError {
    let message = if is_held {
        "What is held is no longer what this digest stands for: look at it again with GetMapping, and approve it as it is now."
    } else {
        "Nothing of this mapping is held any more: there is nothing to approve."
    };
    CallError::Precondition { reason: reason::HELD_MOVED, message: message.to_owned() }
}
