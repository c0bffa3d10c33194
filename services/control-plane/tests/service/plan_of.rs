//! TriggerSync with `plan_of`: what is no plan, or no plan any more, is refused with the way out. No worker runs, so how a
//! dry run ends is up to the test.

use pandaport_api::v1 as proto;
use pandaport_store::engine::{Ending, Progress};
use pandaport_store::{Micros, SyncId, Tenant, syncs};
use rstest::rstest;
use tonic::Code;

use crate::house::{House, refusal};

struct Planned {
    house: House,
    mapping_id: String,
    plan: String,
}

/// A mapping without an active sync, and a dry run of it in FULL mode that is not at its end.
async fn planned() -> Planned {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let mapping_id = mapping.mapping_id;
    cancel(&mut house, &first.sync_id).await;
    let request = proto::TriggerSyncRequest {
        mapping_id: mapping_id.clone(),
        mode: proto::SyncMode::Full.into(),
        dry_run: true,
        retry_rejected: true,
        ..Default::default()
    };
    let plan = house.client.trigger_sync(request).await.unwrap().into_inner().sync.unwrap().sync_id;
    Planned { house, mapping_id, plan }
}

async fn cancel(house: &mut House, sync_id: &str) {
    house.client.cancel_sync(proto::CancelSyncRequest { sync_id: sync_id.to_owned() }).await.unwrap();
}

impl Planned {
    async fn end(&self, state: &'static str) {
        let id: SyncId = self.plan.parse().unwrap();
        let now = Micros::now();
        let slice = self.house.store.begin_slice(id, now, now).await.unwrap().unwrap();
        let ending = Ending { state, error: None, complete: true, read_complete: true, weighed: true, broken: None };
        self.house.store.finish_sync(slice.guard, &Progress::default(), &ending, now).await.unwrap();
    }

    fn request(&self) -> proto::TriggerSyncRequest {
        proto::TriggerSyncRequest {
            mapping_id: self.mapping_id.clone(),
            plan_of: self.plan.clone(),
            ..Default::default()
        }
    }

    async fn refused(&mut self, request: proto::TriggerSyncRequest) -> (Code, String, Vec<String>, String) {
        let status = self.house.client.trigger_sync(request).await.unwrap_err();
        let (code, reason, violations) = refusal(&status);
        (code, reason, violations, status.message().to_owned())
    }
}

#[rstest]
#[case("SUCCEEDED")]
#[case("COMPLETED_WITH_REJECTIONS")]
#[case("HELD")]
#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_plan_is_applied_as_it_was_made(#[case] state: &'static str) {
    let mut planned = planned().await;
    planned.end(state).await;
    let request = planned.request();
    let answer = planned.house.client.trigger_sync(request.clone()).await.unwrap().into_inner();
    let sync = answer.sync.unwrap();
    assert!(!answer.already_active && !sync.dry_run);
    assert_eq!((sync.plan_of.as_str(), sync.mode()), (planned.plan.as_str(), proto::SyncMode::Full));
    let row = syncs::get(&planned.house.store, &Tenant::default(), sync.sync_id.parse().unwrap()).await.unwrap();
    assert!(row.retry_rejected, "like the dry run");
    // The same again is the same sync; anything else has to wait for it.
    let again = planned.house.client.trigger_sync(request).await.unwrap().into_inner();
    assert!(again.already_active);
    assert_eq!(again.sync.unwrap().sync_id, sync.sync_id);
    cancel(&mut planned.house, &sync.sync_id).await;
    let plain = proto::TriggerSyncRequest { mapping_id: planned.mapping_id.clone(), ..Default::default() };
    let plain = planned.house.client.trigger_sync(plain).await.unwrap().into_inner().sync.unwrap();
    assert_eq!(plain.plan_of, "");
    let request = planned.request();
    let (code, reason, _, message) = planned.refused(request).await;
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE_OTHER_MODE"));
    assert!(message.contains(&plain.sync_id), "{message}");
}

#[rstest]
#[case(None, "wait for it")]
#[case(Some("FAILED"), "make a new one")]
#[case(Some("CANCELLED"), "make a new one")]
#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_without_a_plan_is_refused(#[case] state: Option<&'static str>, #[case] way_out: &str) {
    let mut planned = planned().await;
    if let Some(state) = state {
        planned.end(state).await;
    }
    let request = planned.request();
    let (code, reason, _, message) = planned.refused(request).await;
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "PLAN_MOVED"));
    assert!(message.contains(way_out), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_what_says_otherwise_than_the_plan_is_refused() {
    let mut planned = planned().await;
    planned.end("SUCCEEDED").await;
    let good = planned.request();
    let incremental = proto::TriggerSyncRequest { mode: proto::SyncMode::Incremental.into(), ..good.clone() };
    let dry = proto::TriggerSyncRequest { dry_run: true, ..good.clone() };
    let malformed = proto::TriggerSyncRequest { plan_of: "yesterday".into(), ..good.clone() };
    for (request, field) in [(incremental, "mode"), (dry, "dry_run"), (malformed, "plan_of")] {
        let (code, _, violations, _) = planned.refused(request).await;
        assert_eq!((code, violations), (Code::InvalidArgument, vec![format!("{field}: ")]));
    }
    let unknown = proto::TriggerSyncRequest { plan_of: SyncId::new(Micros::now()).to_string(), ..good.clone() };
    assert_eq!(planned.refused(unknown).await.0, Code::NotFound);
    let full = proto::TriggerSyncRequest { mode: proto::SyncMode::Full.into(), ..good };
    let sync = planned.house.client.trigger_sync(full).await.unwrap().into_inner().sync.unwrap();
    // A sync that wrote is no plan.
    planned.plan = sync.sync_id.clone();
    cancel(&mut planned.house, &sync.sync_id).await;
    let request = planned.request();
    let (code, _, violations, _) = planned.refused(request).await;
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["plan_of: ".to_owned()]));
}
