//! Who may call what: every call of the contract, as every role, as nobody, and as another tenant's admin.

use std::collections::BTreeSet;

use pandaport_api::v1 as proto;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::guarded::Guarded;
use crate::house::{House, refusal};

/// The least role that each call is for. A call that is not here yet belongs here, and in `roles.rs`.
const LEAST: &[(&str, &str)] = &[
    ("ConfigureConnection", "admin"),
    ("TestConnection", "operator"),
    ("GetConnection", "viewer"),
    ("ListConnections", "viewer"),
    ("DeleteConnection", "admin"),
    ("ListAssetPandaModules", "viewer"),
    ("ListSourceFields", "viewer"),
    ("ListCollections", "viewer"),
    ("ListColumns", "viewer"),
    ("SuggestMapping", "viewer"),
    ("CreateMapping", "admin"),
    ("UpdateMapping", "admin"),
    ("PauseMapping", "operator"),
    ("ResumeMapping", "operator"),
    ("GetMapping", "viewer"),
    ("ListMappings", "viewer"),
    ("DeleteMapping", "admin"),
    ("ApproveHeld", "operator"),
    ("TriggerSync", "operator"),
    ("GetSync", "viewer"),
    ("ListSyncs", "viewer"),
    ("WatchSync", "viewer"),
    ("CancelSync", "operator"),
    ("ListSyncRecords", "viewer"),
    ("ListDevices", "viewer"),
    ("ExplainDevice", "viewer"),
    ("GetStatus", "viewer"),
    ("ConfigureAlerts", "admin"),
    ("GetAlerts", "viewer"),
    ("TestAlerts", "operator"),
    ("ListAuditEvents", "admin"),
];
const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pandaport_api::FILE_DESCRIPTOR_SET).unwrap();
    pool.get_service_by_name("pandaport.v1.ControlPlaneService").unwrap().methods().collect()
}

fn rank(role: &str) -> usize {
    ROLES.iter().position(|it| *it == role).unwrap()
}

/// The calls that leave an event in the audit log, by their names.
fn changes(method: &str) -> bool {
    !["Get", "List", "Watch", "Explain", "Suggest"].iter().any(|begin| method.starts_with(begin))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_for_its_role_and_those_above_it_and_for_nobody_else() {
    let guarded = Guarded::new().await;
    let contract: BTreeSet<String> = methods().iter().map(|it| it.name().to_owned()).collect();
    let table: BTreeSet<String> = LEAST.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(table, contract, "give each new call its role in LEAST above");

    for (method, least) in LEAST {
        let refused = guarded.call(None, method, Vec::new()).await.unwrap_err();
        let found = refusal(&refused);
        assert_eq!(found, (Code::Unauthenticated, "CREDENTIALS_MISSING".to_owned(), vec![]), "{method} as nobody");
        let refused = guarded.call(Some("made.up.token"), method, Vec::new()).await.unwrap_err();
        assert_eq!(refusal(&refused).1, "CREDENTIALS_REFUSED", "{method} with a token that is none");
        let none = guarded.token("no-role", "acme", "billing");
        let refused = guarded.call(Some(&none), method, Vec::new()).await.unwrap_err();
        assert_eq!(
            (refused.code(), refusal(&refused).1.as_str()),
            (Code::PermissionDenied, "ROLE_MISSING"),
            "{method}"
        );
        for role in ROLES {
            let token = guarded.token(role, "acme", role);
            let answer = guarded.call(Some(&token), method, Vec::new()).await;
            let code = answer.as_ref().err().map_or(Code::Ok, tonic::Status::code);
            if rank(role) >= rank(least) {
                assert!(
                    !matches!(code, Code::PermissionDenied | Code::Unauthenticated),
                    "{method} as {role}: {answer:?}"
                );
            } else {
                let refused = answer.unwrap_err();
                assert_eq!(
                    (code, refusal(&refused).1.as_str()),
                    (Code::PermissionDenied, "ROLE_MISSING"),
                    "{method} as {role}"
                );
                assert!(
                    refused.message().contains(&format!("Your role is {role}, and this needs {least}")),
                    "{refused:?}"
                );
            }
        }
    }

    // Whatever came of it, each of these stands in the audit log.
    let mut client = guarded.house.client.clone();
    for (method, _) in LEAST {
        let request = proto::ListAuditEventsRequest { method: (*method).to_owned(), ..Default::default() };
        let events = client.list_audit_events(request).await.map(|it| it.into_inner().events);
        if !changes(method) {
            assert_eq!(events.unwrap_err().code(), Code::InvalidArgument, "{method}");
            continue;
        }
        let mut by: Vec<String> = events.unwrap().into_iter().map(|it| it.actor).collect();
        by.sort();
        assert_eq!(by, ["admin", "operator", "viewer"], "{method}");
    }
}

/// A request of a method about these things, and else as little as it takes to be about them.
fn about(method: &MethodDescriptor, house: &House, ids: &[(&str, &str)]) -> Vec<u8> {
    let mut request = DynamicMessage::new(method.input());
    let typed = match method.name() {
        "ConfigureConnection" => Some(house.settings().encode_to_vec()),
        "CreateMapping" => Some(house.mapping(ids[0].1).encode_to_vec()),
        "UpdateMapping" => {
            let mapping = proto::Mapping { display_name: "Mine now".into(), ..Default::default() };
            let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".into()] });
            Some(
                proto::UpdateMappingRequest { mapping: Some(mapping), update_mask, ..Default::default() }
                    .encode_to_vec(),
            )
        }
        "ExplainDevice" => Some(
            proto::ExplainDeviceRequest {
                device: Some(proto::explain_device_request::Device::SerialNumber("C02X".into())),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        _ => None,
    };
    if let Some(typed) = typed {
        request = DynamicMessage::decode(method.input(), typed.as_slice()).unwrap();
    }
    let others = [("collection_id", house.sandbox.ready().collection_id.as_str()), ("digest", "d")];
    for (name, value) in ids.iter().chain(&others) {
        if method.input().get_field_by_name(name).is_some() {
            request.set_field_by_name(name, Value::String((*value).to_owned()));
        }
    }
    request.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_admin_sees_and_changes_nothing() {
    let mut guarded = Guarded::new().await;
    let (connection_id, mapping, sync) = guarded.house.mapped().await;
    let ids = [("connection_id", &*connection_id), ("mapping_id", &*mapping.mapping_id), ("sync_id", &*sync.sync_id)];
    let stranger = guarded.token("eve", "other", "admin");
    for method in methods() {
        let name = method.name();
        let has_id = ids.iter().any(|(field, _)| method.input().get_field_by_name(field).is_some());
        let answer = guarded.call(Some(&stranger), name, about(&method, &guarded.house, &ids)).await;
        if has_id {
            assert_eq!(answer.as_ref().err().map(tonic::Status::code), Some(Code::NotFound), "{name}: {answer:?}");
        }
        let plain = guarded.call(Some(&stranger), name, Vec::new()).await;
        for answer in [answer, plain].into_iter().flatten() {
            let text = String::from_utf8_lossy(&answer);
            // Its own log tells the stranger what it has asked for itself.
            let shown = if name == "ListAuditEvents" { &[][..] } else { &ids[..] };
            for (_, id) in shown {
                assert!(!text.contains(id), "{name} shows what is another tenant's: {text}");
            }
            assert!(!text.contains("Example Org") && !text.contains("Kandji Device Import"), "{name}: {text}");
        }
    }
    let request = proto::GetMappingRequest { mapping_id: mapping.mapping_id.clone() };
    let unchanged = guarded.house.client.get_mapping(request).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!((unchanged.display_name, unchanged.etag), (mapping.display_name, mapping.etag));

    // What the stranger tried stands in its own tenant's log, and not in this one's.
    let events = async |client: &mut crate::house::Client| {
        let request = proto::ListAuditEventsRequest { page_size: 1_000, ..Default::default() };
        client.list_audit_events(request).await.unwrap().into_inner().events
    };
    assert!(events(&mut guarded.house.client).await.iter().all(|it| it.actor == "ann"));
    let own = events(&mut guarded.client("eve", "other", "admin")).await;
    assert!(
        own.iter().any(|it| it.method == "CancelSync" && it.sync_id == sync.sync_id && it.code == "NOT_FOUND"),
        "{own:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_open_and_reflection_is_for_those_who_may_read() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

    let guarded = Guarded::new().await;
    HealthClient::new(guarded.house.channel.clone()).check(HealthCheckRequest::default()).await.unwrap();

    let ask = || ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut nobody = ServerReflectionClient::new(guarded.house.channel.clone());
    let refused = nobody.server_reflection_info(tokio_stream::iter([ask()])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = guarded.token("bob", "acme", "viewer");
    let shows = crate::house::Shows::token(&token);
    let mut viewer = ServerReflectionClient::with_interceptor(guarded.house.channel.clone(), shows);
    let mut answers = viewer.server_reflection_info(tokio_stream::iter([ask()])).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_what_is_wrong_and_never_repeated() {
    let guarded = Guarded::new().await;
    let token = guarded.token("ann", "acme", "admin");
    let (shown, _) = token.rsplit_once('.').unwrap();
    let changed = format!("{shown}.AAAA");
    let refused = guarded.call(Some(&changed), "ListConnections", Vec::new()).await.unwrap_err();
    assert_eq!(refused.message(), "The token's signature is not the issuer's.");
    assert!(!format!("{refused:?}").contains(&token[..20]), "{refused:?}");
}
