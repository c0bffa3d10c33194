//! Connections and their secrets.

use pandaport_store::connections::{self, AssetPandaKey, ConnectionState, NewSecrets};
use pandaport_store::{Conflict, ConnectionId, StoreError, Tenant};
use secrecy::ExposeSecret;

use crate::{START, after, new_connection, site};

#[tokio::test]
async fn secrets_are_opened_only_by_their_tenant_and_stand_nowhere_in_the_database() {
    let site = site().await;
    let connection = site.connection().await;
    assert_eq!((connection.kandji_token_hint.as_str(), connection.asset_panda_key_hint.as_str()), ("6789", "y-id"));
    let opened = connections::open_secrets(&site.store, &site.tenant, connection.connection_id).await.unwrap();
    assert_eq!(opened.kandji_token.expose_secret(), "kandji-token-0123456789");
    assert_eq!(opened.asset_panda.key_id.expose_secret(), "asset-panda-key-id");
    assert_eq!(opened.asset_panda.key_secret.expose_secret(), "asset-panda-key-secret");
    assert!(!format!("{opened:?}{connection:?}").contains("kandji-token"));

    let other = Tenant::new("other");
    let refused = connections::open_secrets(&site.store, &other, connection.connection_id).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound { .. }));
    assert!(connections::get(&site.store, &other, connection.connection_id).await.is_err());
    assert!(connections::list(&site.store, &other, &[], None, 10).await.unwrap().is_empty());

    assert!(site.database.contains("Acme").await, "what is stored is not found");
    for secret in ["kandji-token-0123456789", "asset-panda-key-id", "asset-panda-key-secret"] {
        assert!(!site.database.contains(secret).await, "{secret} is in the database");
    }
}

#[tokio::test]
async fn an_update_keeps_the_secrets_it_does_not_give_and_minds_other_callers() {
    let site = site().await;
    let read = site.connection().await;
    let keyring = site.store.keyring().unwrap();
    let mut changed = read.clone();
    changed.display_name = "Acme, Inc.".into();
    let secrets = NewSecrets { kandji_token: Some("another-token-0123456".to_owned().into()), asset_panda: None };
    let mut tx = site.store.begin_write().await.unwrap();
    let updated = connections::update(&mut tx, keyring, &site.tenant, &changed, &secrets, after(5)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((updated.display_name.as_str(), updated.version, updated.update_time), ("Acme, Inc.", 2, after(5)));
    let opened = connections::open_secrets(&site.store, &site.tenant, read.connection_id).await.unwrap();
    assert_eq!(opened.kandji_token.expose_secret(), "another-token-0123456");
    assert_eq!(opened.asset_panda.key_secret.expose_secret(), "asset-panda-key-secret");

    let mut tx = site.store.begin_write().await.unwrap();
    let stale = connections::update(&mut tx, keyring, &site.tenant, &changed, &NewSecrets::default(), after(6)).await;
    assert!(matches!(stale, Err(StoreError::Conflict { what: Conflict::VersionMoved, .. })), "{stale:?}");
}

#[tokio::test]
async fn a_connection_with_mappings_keeps_its_customer_account_and_module() {
    let site = site().await;
    let connection = site.connection().await;
    site.mapping_of(&connection, "collection").await;
    let keyring = site.store.keyring().unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    for alter in [
        |c: &mut connections::Connection| c.kandji_customer = "other.api.kandji.io".into(),
        |c: &mut connections::Connection| c.account_id = Some("other".into()),
        |c: &mut connections::Connection| c.module_id = None,
    ] {
        let mut changed = connection.clone();
        alter(&mut changed);
        let refused =
            connections::update(&mut tx, keyring, &site.tenant, &changed, &NewSecrets::default(), after(5)).await;
        assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::ConnectionInUse, .. })), "{refused:?}");
    }
    let key = AssetPandaKey { key_id: "new-id".to_owned().into(), key_secret: "new-secret".to_owned().into() };
    let secrets = NewSecrets { kandji_token: None, asset_panda: Some(key) };
    let updated = connections::update(&mut tx, keyring, &site.tenant, &connection, &secrets, after(5)).await.unwrap();
    assert_eq!(updated.asset_panda_key_hint, "");
    let refused = connections::delete(&mut tx, &site.tenant, connection.connection_id, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::ConnectionInUse, .. })), "{refused:?}");
}

#[tokio::test]
async fn two_refusals_a_minute_apart_make_it_failing_and_a_success_verified() {
    let site = site().await;
    let id = site.connection().await.connection_id;
    let mut tx = site.store.begin_write().await.unwrap();
    let tenant = &site.tenant;
    connections::verified(&mut tx, tenant, id, after(1)).await.unwrap();
    for (seconds, state) in [(10, "VERIFIED"), (69, "VERIFIED"), (70, "FAILING"), (75, "FAILING")] {
        let now = connections::refused(&mut tx, tenant, id, "TOKEN_REFUSED", after(seconds)).await.unwrap();
        assert_eq!(now.as_str(), state, "after {seconds} s");
    }
    let connection = connections::get_in(&mut tx, tenant, id).await.unwrap();
    assert_eq!((connection.state_reason.as_str(), connection.update_time), ("TOKEN_REFUSED", after(70)));
    assert_eq!((connection.refused_since, connection.verify_time), (Some(after(10)), Some(after(1))));

    connections::verified(&mut tx, tenant, id, after(80)).await.unwrap();
    let connection = connections::get_in(&mut tx, tenant, id).await.unwrap();
    assert_eq!((connection.state, connection.state_reason.as_str()), (ConnectionState::Verified, ""));
    assert_eq!((connection.refused_since, connection.verify_time, connection.version), (None, Some(after(80)), 1));
    // The refusals from before the success do not count.
    let state = connections::refused(&mut tx, tenant, id, "TOKEN_REFUSED", after(200)).await.unwrap();
    assert_eq!(state, ConnectionState::Verified);
    connections::failing(&mut tx, tenant, id, "HOST_UNREACHABLE", after(201)).await.unwrap();
    let connection = connections::get_in(&mut tx, tenant, id).await.unwrap();
    assert_eq!((connection.state, connection.state_reason.as_str()), (ConnectionState::Failing, "HOST_UNREACHABLE"));

    let unknown = ConnectionId::new(START);
    assert!(matches!(connections::verified(&mut tx, tenant, unknown, START).await, Err(StoreError::NotFound { .. })));
    let other = Tenant::new("other");
    assert!(matches!(connections::verified(&mut tx, &other, id, START).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let site = site().await;
    let mut ids = Vec::new();
    let mut tx = site.store.begin_write().await.unwrap();
    for seconds in 0..5 {
        let new = new_connection(after(seconds));
        ids.push(new.connection_id);
        connections::insert(&mut tx, site.store.keyring().unwrap(), &site.tenant, &new, START).await.unwrap();
    }
    connections::delete(&mut tx, &site.tenant, ids.remove(2), START).await.unwrap();
    tx.commit().await.unwrap();
    let mut read = Vec::new();
    loop {
        let page = connections::list(&site.store, &site.tenant, &[], read.last().copied(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page.iter().map(|connection| connection.connection_id));
    }
    assert_eq!(read, ids);
}
