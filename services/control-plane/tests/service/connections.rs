//! Connections: configure, change, look.

use pandaport_api::v1 as proto;
use pandaport_store::Tenant;
use tonic::Code;

use crate::house::{House, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn test_and_save_makes_a_verified_connection_that_shows_no_secret() {
    let mut house = House::new().await;
    let request = proto::ConfigureConnectionRequest { verify: true, ..house.settings() };
    let answer = house.configure(request).await.unwrap();

    assert!(answer.saved);
    assert_eq!(answer.result(), proto::TestResult::Passed);
    let connection = answer.connection.unwrap();
    assert_eq!(connection.state(), proto::ConnectionState::Verified);
    assert!(connection.verify_time.is_some());
    let asset_panda = connection.asset_panda.clone().unwrap();
    assert_eq!(asset_panda.account_id, house.sandbox.ready().account_id, "the only account is taken");
    assert_eq!(asset_panda.module_id, house.sandbox.ready().module_id, "the only module is taken");
    assert_eq!(asset_panda.key_hint, "EYID");
    assert_eq!(connection.kandji.clone().unwrap().token_hint, "c0de");

    let id = connection.connection_id.clone();
    let got = house.client.get_connection(proto::GetConnectionRequest { connection_id: id }).await.unwrap();
    assert_eq!(got.into_inner().connection, Some(connection.clone()));
    let listed = house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.connections, [connection]);
    let credentials = &house.sandbox.ready().credentials;
    let shown = format!("{listed:?}");
    assert!(!shown.contains(&credentials.kandji_token) && !shown.contains(&credentials.access_key_secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_refused_at_once() {
    let mut house = House::new().await;
    let request = proto::ConfigureConnectionRequest {
        kandji: Some(proto::KandjiSettings { base_url: "https://kandji.example.com".into(), api_token: String::new() }),
        asset_panda: Some(proto::AssetPandaSettings {
            base_url: "http://api.assetpanda.app".into(),
            access_key_id: "k".repeat(5_000),
            ..Default::default()
        }),
        request_id: "x".repeat(65),
        ..Default::default()
    };
    let (code, reason, violations) = refusal(&house.configure(request).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "HOST_NOT_ALLOWED"));
    assert_eq!(
        violations,
        [
            "request_id: ",
            "display_name: ",
            "kandji.api_token: ",
            "asset_panda.access_key_id: ",
            "asset_panda.access_key_secret: ",
            "kandji.base_url: HOST_NOT_ALLOWED",
            "asset_panda.base_url: HOST_NOT_ALLOWED",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admins_paste_is_taken_and_the_answer_says_what_it_resolved_to() {
    let mut house = House::new().await;
    let mut request = house.settings();
    request.kandji.as_mut().unwrap().base_url = " https://YourCompany.kandji.io/devices \n".into();
    let connection = house.configure(request).await.unwrap().connection.unwrap();
    let kandji = connection.kandji.unwrap();
    assert_eq!(kandji.base_url, "https://YourCompany.kandji.io/devices");
    assert_eq!(kandji.api_url, "https://yourcompany.api.kandji.io");
    assert_eq!(connection.state, i32::from(proto::ConnectionState::Unverified));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_no_header_can_carry_are_refused_and_not_shown() {
    let mut house = House::new().await;
    let mut request = house.settings();
    request.kandji.as_mut().unwrap().api_token = "tokén-of-mine".into();
    let asset_panda = request.asset_panda.as_mut().unwrap();
    asset_panda.access_key_id = "kéy-of-mine".into();
    asset_panda.access_key_secret = "secret\u{200b}-of-mine".into();
    let status = house.configure(request).await.unwrap_err();
    let (code, reason, violations) = refusal(&status);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let fields = ["kandji.api_token: ", "asset_panda.access_key_id: ", "asset_panda.access_key_secret: "];
    assert_eq!(violations, fields);
    assert!(!format!("{status:?}").contains("of-mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_saves_nothing_when_a_check_fails() {
    let mut house = House::new().await;
    let mut request = proto::ConfigureConnectionRequest { verify: true, ..house.settings() };
    request.kandji.as_mut().unwrap().api_token = "not the token".into();
    let answer = house.configure(request.clone()).await.unwrap();
    assert!(!answer.saved);
    assert_eq!(answer.result(), proto::TestResult::Failed);
    assert_eq!(answer.connection, None);
    let listed = house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap();
    assert!(listed.into_inner().connections.is_empty());

    // On a change, the connection stays as it was.
    let connection_id = house.connection().await;
    let before = proto::GetConnectionRequest { connection_id: connection_id.clone() };
    let before = house.client.get_connection(before).await.unwrap().into_inner().connection;
    request.connection_id = connection_id;
    request.display_name = "Another".into();
    let answer = house.configure(request).await.unwrap();
    assert!(!answer.saved);
    assert_eq!(answer.connection, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unset_secret_is_kept_and_a_changed_host_needs_its_secret_again() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let change = |kandji: Option<proto::KandjiSettings>, asset_panda: Option<proto::AssetPandaSettings>| {
        proto::ConfigureConnectionRequest {
            connection_id: connection_id.clone(),
            kandji,
            asset_panda,
            ..Default::default()
        }
    };

    // A new name alone: still VERIFIED, and the secrets still work.
    let mut renamed = change(None, None);
    renamed.display_name = "Renamed".into();
    let connection = house.configure(renamed).await.unwrap().connection.unwrap();
    assert_eq!((connection.display_name.as_str(), connection.state()), ("Renamed", proto::ConnectionState::Verified));
    assert_eq!(house.test(&connection_id).await.result(), proto::TestResult::Passed);

    let elsewhere = proto::KandjiSettings { base_url: "https://other.kandji.io".into(), api_token: String::new() };
    let (code, _, violations) = refusal(&house.configure(change(Some(elsewhere), None)).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["kandji.api_token: ".to_owned()]));

    let vendors = "https://api.assetpanda.app".to_owned();
    let elsewhere = proto::AssetPandaSettings { base_url: vendors, ..Default::default() };
    let (code, _, violations) = refusal(&house.configure(change(None, Some(elsewhere))).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["asset_panda.access_key_secret: ".to_owned()]));
    let other_key = proto::AssetPandaSettings { access_key_id: "OTHERKEYID".into(), ..Default::default() };
    let (_, _, violations) = refusal(&house.configure(change(None, Some(other_key))).await.unwrap_err());
    assert_eq!(violations, ["asset_panda.access_key_secret: "]);

    // A new token: it has to be tested again.
    let token = proto::KandjiSettings { base_url: String::new(), api_token: "another token".into() };
    let connection = house.configure(change(Some(token), None)).await.unwrap().connection.unwrap();
    assert_eq!(connection.state(), proto::ConnectionState::Unverified);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_mapping_the_ends_can_not_change_and_the_credentials_can() {
    let mut house = House::new().await;
    let (connection_id, _, _) = house.mapped().await;
    let module = proto::AssetPandaSettings { module_id: "another".into(), ..Default::default() };
    let request = proto::ConfigureConnectionRequest {
        connection_id: connection_id.clone(),
        asset_panda: Some(module),
        ..Default::default()
    };
    let (code, reason, violations) = refusal(&house.configure(request).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CONNECTION_IN_USE"));
    assert_eq!(violations, ["asset_panda.module_id: CONNECTION_IN_USE"]);

    let token = house.sandbox.ready().credentials.kandji_token.clone();
    let request = proto::ConfigureConnectionRequest {
        connection_id,
        kandji: Some(proto::KandjiSettings { base_url: String::new(), api_token: token }),
        verify: true,
        ..Default::default()
    };
    assert!(house.configure(request).await.unwrap().saved);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_id_gets_the_same_answer_and_another_body_is_refused() {
    let mut house = House::new().await;
    let request = proto::ConfigureConnectionRequest { request_id: "once".into(), ..house.settings() };
    // At the same time, and once more.
    let (mut one, mut other) = (house.client.clone(), house.client.clone());
    let (one, other) =
        tokio::join!(one.configure_connection(request.clone()), other.configure_connection(request.clone()));
    let first = one.unwrap().into_inner();
    assert_eq!(other.unwrap().into_inner(), first);
    assert_eq!(house.configure(request.clone()).await.unwrap(), first);
    let listed = house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().connections.len(), 1);

    let different = proto::ConfigureConnectionRequest { display_name: "Other".into(), ..request };
    let (code, reason, _) = refusal(&house.configure(different).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_come_in_pages_and_a_token_of_another_list_is_refused() {
    let mut house = House::new().await;
    for _ in 0..3 {
        let request = house.settings();
        house.configure(request).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut page_token = String::new();
    let mut pages = 0;
    loop {
        let request = proto::ListConnectionsRequest { page_size: 2, page_token, ..Default::default() };
        let page = house.client.list_connections(request).await.unwrap().into_inner();
        seen.extend(page.connections.into_iter().map(|it| it.connection_id));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token.clone();
        let elsewhere = proto::ListMappingsRequest { page_token: page.next_page_token, ..Default::default() };
        let refused = house.client.list_mappings(elsewhere).await.unwrap_err();
        assert_eq!(refusal(&refused).2, ["page_token: "]);
    }
    assert_eq!(pages, 2);
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted(), "oldest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let mut house = House::new().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let request = proto::GetConnectionRequest { connection_id: id.clone() };
    assert_eq!(house.client.get_connection(request).await.unwrap_err().code(), Code::NotFound);
    let request = proto::TestConnectionRequest { connection_id: id.clone() };
    assert_eq!(house.client.test_connection(request).await.unwrap_err().code(), Code::NotFound);
    let request = proto::ListCollectionsRequest { connection_id: id.clone() };
    assert_eq!(house.client.list_collections(request).await.unwrap_err().code(), Code::NotFound);
    let request = proto::ConfigureConnectionRequest { connection_id: id, ..house.settings() };
    assert_eq!(house.configure(request).await.unwrap_err().code(), Code::NotFound);
    let request = proto::GetConnectionRequest { connection_id: "1".into() };
    assert_eq!(house.client.get_connection(request).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_connection_is_not_found() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let id = connection_id.parse().unwrap();
    assert!(pandaport_store::connections::get(&house.store, &Tenant::default(), id).await.is_ok());
    assert!(pandaport_store::connections::get(&house.store, &Tenant::new("other"), id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_and_collections_are_listed_and_a_missing_choice_is_said() {
    let config = pandaport_sandbox::SandboxConfig { modules: 2, ..Default::default() };
    let mut house = House::with(config, "").await;
    let request = house.settings();
    let connection_id = house.configure(request).await.unwrap().connection.unwrap().connection_id;

    let request = proto::ListAssetPandaModulesRequest { connection_id: connection_id.clone() };
    let modules = house.client.list_asset_panda_modules(request).await.unwrap().into_inner().modules;
    assert_eq!(modules.len(), 2);
    assert_eq!(modules[0].account_id, house.sandbox.ready().account_id);

    let list = proto::ListCollectionsRequest { connection_id: connection_id.clone() };
    let refused = house.client.list_collections(list.clone()).await.unwrap_err();
    assert_eq!((refused.code(), refusal(&refused).1.as_str()), (Code::FailedPrecondition, "MODULE_NOT_CHOSEN"));
    assert!(refused.message().contains("not chosen"), "{}", refused.message());

    let request = proto::ConfigureConnectionRequest {
        connection_id: connection_id.clone(),
        asset_panda: Some(proto::AssetPandaSettings {
            account_id: modules[0].account_id.clone(),
            module_id: house.sandbox.ready().module_id.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    house.configure(request).await.unwrap();
    let collections = house.client.list_collections(list).await.unwrap().into_inner().collections;
    let names: Vec<_> = collections.iter().map(|it| it.display_name.as_str()).collect();
    assert!(names.contains(&"ITAM") && !names.contains(&"Retired"), "{names:?}");

    let request = proto::ListColumnsRequest { connection_id, collection_id: "no-such-collection".into() };
    assert_eq!(house.client.list_columns(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_say_what_they_are() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::ListColumnsRequest {
        connection_id,
        collection_id: house.sandbox.ready().collections["All Text"].clone(),
    };
    let mut list = async || house.client.list_columns(request.clone()).await.unwrap().into_inner().columns;
    let columns = list().await;
    let named =
        |columns: &[proto::Column], name: &str| columns.iter().find(|it| it.display_name == name).cloned().unwrap();
    assert_eq!(named(&columns, "Serial Number").uniqueness(), proto::ColumnUniqueness::Unique);
    assert_eq!(named(&columns, "Model").uniqueness(), proto::ColumnUniqueness::NotUnique);
    assert!(!named(&columns, "Location-city").writable);
    let kind = named(&columns, "Kind");
    assert_eq!((kind.r#type(), kind.options.len()), (proto::ColumnType::Select, 6));
    assert_eq!(kind.type_uri, "ap://system/datatype/select");
    assert!(columns.iter().all(|it| it.display_name != "Old Number"), "deleted columns are not offered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_does_not_answer_is_unavailable_and_one_that_refuses_is_a_precondition() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::ListCollectionsRequest { connection_id };
    for (faults, code, reason) in [
        (r#"{"asset_panda": {"status_burst": {"status": 503}}}"#, Code::Unavailable, "HOST_UNREACHABLE"),
        (r#"{"asset_panda": {"html": true}}"#, Code::Unavailable, "NOT_AN_API"),
        (r#"{"asset_panda": {"revoked": true}}"#, Code::FailedPrecondition, "TOKEN_REFUSED"),
        (r#"{"asset_panda": {"status_burst": {"status": 403}}}"#, Code::FailedPrecondition, "PERMISSION_MISSING"),
        (
            r#"{"asset_panda": {"status_burst": {"status": 429, "retry_after": "30"}}}"#,
            Code::ResourceExhausted,
            "RATE_LIMITED",
        ),
    ] {
        house.faults(faults);
        let status = house.client.list_collections(request.clone()).await.unwrap_err();
        let (got, why, _) = refusal(&status);
        assert_eq!((got, why.as_str()), (code, reason), "{faults}: {}", status.message());
    }
}
