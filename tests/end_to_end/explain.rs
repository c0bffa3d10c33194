//! One device, explained: what Kandji says of it, what was written, and what the next sync would do.

use pandaport_api::v1::explain_device_request::Device as Named;
use pandaport_api::v1::{
    DeviceState, ExplainDeviceRequest, ExplainDeviceResponse, Filter, KandjiPresence, Mapping, NextAction,
    RecordOutcome, UpdateMappingRequest,
};
use prost_types::{FieldMask, Value as Cell};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::harness::caller::reason;
use crate::harness::journey::{self, Import};
use crate::harness::scene::{Scene, assert_succeeded};

struct Explaining<'a> {
    scene: &'a Scene,
    import: &'a Import,
}

impl Explaining<'_> {
    async fn try_of(&self, device: Named) -> Result<ExplainDeviceResponse, Status> {
        let request = ExplainDeviceRequest { mapping_id: self.import.mapping_id.clone(), device: Some(device) };
        let answer = self.scene.caller.grpc.clone().explain_device(request).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn of(&self, device: Named) -> ExplainDeviceResponse {
        self.try_of(device.clone()).await.unwrap_or_else(|error| panic!("{device:?}: {error:?}"))
    }

    /// Asked by id: the action, its reason, its message.
    async fn next(&self, id: &str) -> (NextAction, String, String) {
        let next = self.of(Named::DeviceId(id.to_owned())).await.next.expect("what comes next");
        (next.action(), next.reason, next.message)
    }
}

fn text(device: &Value, key: &str) -> String {
    device[key].as_str().unwrap().to_owned()
}

/// One fleet for all that does not disturb the rest.
#[tokio::test]
async fn a_device_is_explained_by_what_kandji_says_what_was_written_and_what_comes_next() {
    let scene = Scene::of(12).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let explain = Explaining { scene: &scene, import: &import };
    let devices = scene.sandbox.devices().await;
    let (id, serial) = (text(&devices[3], "device_id"), text(&devices[3], "serial_number"));
    scene.sandbox.forget_calls().await;

    // However it is named, it is the same device.
    let mut answers = Vec::new();
    for name in [Named::DeviceId(id.clone()), Named::SerialNumber(serial.clone()), Named::Identifier(serial.clone())] {
        let answer = explain.of(name).await;
        let device = answer.device.clone().expect("it is known");
        assert_eq!((device.device_id.as_str(), device.state()), (id.as_str(), DeviceState::Current));
        answers.push(answer);
    }
    let calls = scene.sandbox.counters().await;
    assert_eq!((calls.all_kandji(), calls.writes()), (3, 0), "one call each, and nothing is written");
    let answer = answers.remove(0);
    let kandji = answer.kandji.expect("what Kandji says");
    assert_eq!(kandji.presence(), KandjiPresence::Listed);
    let says = |field: &str| kandji.fields.iter().find(|it| it.source_field == field).and_then(|it| it.value.clone());
    assert_eq!(says("model"), Some(Cell::from(text(&devices[3], "model"))));
    let written = answer.written.iter().find(|it| it.source_field == "model").expect("the model was written");
    assert_eq!((written.value.clone(), written.written_by_import), (says("model"), true));
    assert_eq!(answer.written[0].source_field, "serial_number", "the identifier comes first");
    let last = answer.last_record.expect("the first sync made it");
    assert_eq!(
        (last.sync_id.as_str(), last.record.unwrap().outcome()),
        (import.sync.sync_id.as_str(), RecordOutcome::Created)
    );
    let next = answer.next.expect("what comes next");
    assert_eq!(next.action(), NextAction::Nothing);
    assert!(next.message.starts_with("unchanged since 20"), "{next:?}");

    // Its system is updated.
    scene.sandbox.edit_device(&id, json!({"os_version": "99.9"})).await;
    let next = explain.of(Named::DeviceId(id.clone())).await.next.unwrap();
    assert_eq!((next.action(), next.changes.len()), (NextAction::Update, 1), "{next:?}");
    let change = &next.changes[0];
    assert_eq!((change.source_field.as_str(), &change.new_value), ("os_version", &Some(Cell::from("99.9"))));
    assert_eq!(change.old_value, Some(Cell::from(text(&devices[3], "os_version"))));

    // Devices that no sync has seen: one new, one with a record that is there already, one without a serial number.
    let new = scene.sandbox.add_device(json!({"serial_number": "NEWCOMER1"})).await;
    let answer = explain.of(Named::SerialNumber("NEWCOMER1".into())).await;
    assert_eq!((answer.device, answer.next.unwrap().action()), (None, NextAction::Create));
    scene.sandbox.seed_records(json!([{"Serial Number": "BYHAND1"}])).await;
    let by_hand = scene.sandbox.add_device(json!({"serial_number": "BYHAND1"})).await;
    assert_eq!(explain.next(&by_hand).await.0, NextAction::Adopt);
    let empty = scene.sandbox.add_device(json!({"serial_number": ""})).await;
    let (action, reason_of_empty, _) = explain.next(&empty).await;
    assert_eq!((action, reason_of_empty.as_str()), (NextAction::Reject, "IDENTIFIER_EMPTY"));

    // What was told is what a sync does.
    let sync = scene.sync(&import.mapping_id).await;
    let counts = sync.counts.unwrap();
    assert_eq!((counts.updated, counts.created, counts.adopted, counts.rejected), (1, 1, 1, 1), "{counts:?}");
    assert_eq!(explain.next(&new).await.0, NextAction::Nothing);

    // An API that is out is no error: the answer is as of the last sync, and says so.
    scene.sandbox.faults(json!({"asset_panda": {"revoked": true}})).await;
    let (action, _, message) = explain.next(&id).await;
    assert_eq!(action, NextAction::NotKnown);
    assert!(message.contains("Asset Panda") && message.contains("As of the last sync: unchanged since"), "{message}");
    scene.sandbox.faults(json!({"kandji": {"revoked": true}})).await;
    let answer = explain.of(Named::DeviceId(id.clone())).await;
    assert_eq!(answer.kandji.unwrap().presence(), KandjiPresence::NotKnown);
    assert!(answer.next.unwrap().message.contains("Kandji could not be asked"));
    assert!(answer.device.is_some() && !answer.written.is_empty());
    let refused = explain.try_of(Named::DeviceId("nobody".into())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "TOKEN_REFUSED"));
    scene.sandbox.heal().await;
    let nobody = explain.try_of(Named::SerialNumber("NOBODY".into())).await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound);
    assert!(nobody.message().contains("neither Kandji lists it now"), "{nobody:?}");
    scene.sandbox.assert_no_violations().await;
}

#[tokio::test]
async fn a_device_whose_mapping_has_just_changed_is_explained_by_what_the_next_sync_does_of_the_new_pairs() {
    let scene = Scene::of(6).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let explain = Explaining { scene: &scene, import: &import };
    let device = scene.sandbox.devices().await[2].clone();
    let id = text(&device, "device_id");
    let mut mapping = scene.caller.mapping(&import.mapping_id).await;

    // The same pairs in another order ask for nothing.
    mapping.fields.reverse();
    update_fields(&scene, &mapping).await;
    let answer = explain.of(Named::DeviceId(id.clone())).await;
    assert_eq!(answer.next.unwrap().action(), NextAction::Nothing);
    let written = |field: &str| answer.written.iter().find(|it| it.source_field == field).unwrap().value.clone();
    for field in ["device_name", "model", "os_version"] {
        assert_eq!(written(field), Some(Cell::from(text(&device, field))), "{field}");
    }

    // The model goes into another column from now on.
    let notes = scene.sandbox.ready.columns["Notes"].clone();
    mapping.fields.iter_mut().find(|it| it.source_field == "model").unwrap().column_id.clone_from(&notes);
    update_fields(&scene, &mapping).await;
    let next = explain.of(Named::DeviceId(id.clone())).await.next.unwrap();
    assert_eq!((next.action(), next.changes.len()), (NextAction::Update, 1), "{next:?}");
    let change = &next.changes[0];
    assert_eq!((change.column_id.as_str(), change.source_field.as_str()), (notes.as_str(), "model"));
    assert_eq!(change.new_value, Some(Cell::from(text(&device, "model"))));

    // What was told is what a sync does.
    let sync = scene.sync(&import.mapping_id).await;
    assert_succeeded(&sync);
    let records = scene.caller.records(&sync.sync_id, &[RecordOutcome::Updated]).await;
    let record = records.iter().find(|it| it.device_id == id).expect("it was written");
    assert_eq!(record.changes, next.changes);
    assert_eq!(explain.next(&id).await.0, NextAction::Nothing);
}

async fn update_fields(scene: &Scene, mapping: &Mapping) {
    let request = UpdateMappingRequest {
        mapping_id: mapping.mapping_id.clone(),
        mapping: Some(mapping.clone()),
        update_mask: Some(FieldMask { paths: vec!["fields".to_owned()] }),
        ..UpdateMappingRequest::default()
    };
    scene.caller.grpc.clone().update_mapping(request).await.expect("UpdateMapping is accepted");
}

#[tokio::test]
async fn rule_10_a_device_that_is_gone_says_since_when_and_what_becomes_of_its_record() {
    let scene = Scene::of(6).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let explain = Explaining { scene: &scene, import: &import };
    let id = text(&scene.sandbox.devices().await[2], "device_id");
    scene.sandbox.delete_device(&id).await;
    let (action, _, message) = explain.next(&id).await;
    assert_eq!(action, NextAction::Nothing);
    assert!(message.contains("the next complete read notes that"), "{message}");

    assert_succeeded(&scene.sync(&import.mapping_id).await);

    let (action, _, message) = explain.next(&id).await;
    assert_eq!(action, NextAction::Nothing);
    let expected =
        |it: &str| it.starts_with("absent from Kandji since 20") && it.contains("its record is left as it is");
    assert!(expected(&message), "{message}");
    let gone = scene.caller.devices(&import.mapping_id, &[DeviceState::Gone]).await;
    assert_eq!(gone.len(), 1);
    assert!(expected(&gone[0].message) && gone[0].absent_since.is_some(), "{gone:?}");
    assert_eq!(scene.caller.devices(&import.mapping_id, &[DeviceState::Current]).await.len(), 5);
}

#[tokio::test]
async fn rule_12_of_devices_with_one_serial_number_the_one_with_the_record_is_explained_and_the_others_are_named() {
    let scene = Scene::of(4).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let explain = Explaining { scene: &scene, import: &import };
    let old = scene.sandbox.devices().await[1].clone();
    let serial = text(&old, "serial_number");
    let again = json!({"serial_number": serial, "last_enrollment": "2099-01-01 00:00:00+00:00"});
    let new = scene.sandbox.add_device(again).await;

    let answer = explain.of(Named::SerialNumber(serial.clone())).await;
    assert_eq!(answer.device.unwrap().device_id, text(&old, "device_id"));
    assert_eq!(answer.other_device_ids, std::slice::from_ref(&new));
    assert_succeeded_with_one_rejection(&scene, &import).await;
    let answer = explain.of(Named::SerialNumber(serial.clone())).await;
    assert_eq!(answer.device.unwrap().device_id, new, "it has the record now");
    let (action, lost, message) = explain.next(&text(&old, "device_id")).await;
    assert_eq!((action, lost.as_str()), (NextAction::Reject, "IDENTIFIER_DUPLICATE"));
    assert!(message.contains(&new), "{message}");

    // Two that no sync has seen: neither is more meant than the other.
    let twins = [(); 2].map(|()| json!({"serial_number": "TWINS"}));
    let mut ids = Vec::new();
    for twin in twins {
        ids.push(scene.sandbox.add_device(twin).await);
    }
    let refused = explain.try_of(Named::SerialNumber("TWINS".into())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "DEVICE_AMBIGUOUS"));
    assert!(ids.iter().all(|id| refused.message().contains(id)), "{refused:?}");
}

async fn assert_succeeded_with_one_rejection(scene: &Scene, import: &Import) {
    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(sync.counts.unwrap().rejected, 1, "{sync:#?}");
}

#[tokio::test]
async fn a_filter_by_platform_imports_what_passes_and_tells_of_the_rest() {
    let scene = Scene::of(12).await;
    for (at, device) in scene.sandbox.devices().await.iter().enumerate() {
        let platform = ["Mac", "iPad", "iPhone"][at % 3];
        scene.sandbox.edit_device(&text(device, "device_id"), json!({"platform": platform, "is_removed": false})).await;
    }
    let (caller, sandbox) = (&scene.caller, &scene.sandbox);
    let connection_id = journey::connect(caller, sandbox).await;
    let mut mapping = journey::mapping_of_all(caller, sandbox, &connection_id, "ITAM", "serial_number").await;
    mapping.filter = Some(Filter { platforms: vec!["Mac".into(), "iPad".into()], ..Filter::default() });
    let created = journey::create(caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    let sync = caller.ended(&created.sync.unwrap().sync_id, journey::PATIENCE).await;
    assert_succeeded(&sync);
    let counts = sync.counts.unwrap();
    assert_eq!((counts.read, counts.created, counts.skipped), (12, 8, 4), "{counts:?}");
    assert_eq!(sandbox.records().await.len(), 8);
    let told = caller.records(&sync.sync_id, &[RecordOutcome::Skipped]).await;
    assert!(told.len() == 4 && told.iter().all(|it| it.reason == "FILTERED"), "{told:#?}");
    let left_out = caller.devices(&mapping_id, &[DeviceState::Filtered]).await;
    assert_eq!(left_out.len(), 4);
    assert!(left_out.iter().all(|it| it.message == "filtered by platform: it is \"iPhone\""), "{left_out:#?}");
    let import = Import { connection_id, mapping_id, sync };
    let explain = Explaining { scene: &scene, import: &import };
    let (action, reason, message) = explain.next(&left_out[0].device_id).await;
    assert_eq!((action, reason.as_str()), (NextAction::Skip, "FILTERED"));
    assert_eq!(message, left_out[0].message);
    sandbox.assert_no_violations().await;
}

#[tokio::test]
async fn rule_12_a_mac_that_replaces_one_that_is_left_out_as_removed_is_explained_as_the_next_sync_does_it() {
    let scene = Scene::of(4).await;
    let (caller, sandbox) = (&scene.caller, &scene.sandbox);
    for device in sandbox.devices().await {
        sandbox.edit_device(&text(&device, "device_id"), json!({"is_removed": false})).await;
    }
    let connection_id = journey::connect(caller, sandbox).await;
    let mut mapping = journey::mapping_of_all(caller, sandbox, &connection_id, "ITAM", "serial_number").await;
    mapping.filter = Some(Filter { exclude_removed: true, ..Filter::default() });
    let created = journey::create(caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    let sync = caller.ended(&created.sync.unwrap().sync_id, journey::PATIENCE).await;
    assert_succeeded(&sync);
    let old = sandbox.devices().await[1].clone();
    let record = sandbox.record("Serial Number", &text(&old, "serial_number")).await;
    sandbox.edit_device(&text(&old, "device_id"), json!({"is_removed": true})).await;
    assert_succeeded(&scene.sync(&mapping_id).await);
    let new = sandbox.add_device(json!({"serial_number": old["serial_number"], "is_removed": false})).await;

    let import = Import { connection_id, mapping_id: mapping_id.clone(), sync };
    let explain = Explaining { scene: &scene, import: &import };
    let (action, reason, message) = explain.next(&new).await;
    assert_eq!((action, reason.as_str()), (NextAction::Update, ""), "{message}");

    let sync = scene.sync(&mapping_id).await;
    assert_succeeded(&sync);
    let counts = sync.counts.unwrap();
    assert_eq!((counts.updated, counts.created, counts.skipped), (1, 0, 1), "{counts:?}");
    let now = sandbox.record("Serial Number", &text(&old, "serial_number")).await;
    assert_eq!((&now.id, now.values["Device ID"].as_str()), (&record.id, Some(new.as_str())));
}
