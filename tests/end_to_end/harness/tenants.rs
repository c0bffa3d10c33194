//! Other tenants than the one there is without credentials.

use pandaport_store::connections::{AssetPandaKey, Credentials, NewConnection};
use pandaport_store::{ConnectionId, Micros, Store, Tenant, connections};
use pandaport_test_database::{literal, run};

use super::sandbox::Sandbox;

/// A connection to the sandbox, with a fresh id.
pub(crate) fn connection(sandbox: &Sandbox, now: Micros) -> NewConnection {
    let ready = &sandbox.ready;
    NewConnection {
        connection_id: ConnectionId::new(now),
        display_name: "Sandbox".to_owned(),
        kandji_base_url: ready.kandji_url.clone(),
        kandji_api_url: ready.kandji_url.clone(),
        kandji_customer: ready.kandji_url.trim_start_matches("http://").to_owned(),
        asset_panda_base_url: ready.asset_panda_url.clone(),
        account_id: Some(ready.account_id.clone()),
        module_id: Some(ready.module_id.clone()),
        credentials: Credentials {
            kandji_token: ready.kandji_token.clone().into(),
            asset_panda: AssetPandaKey {
                key_id: ready.access_key_id.clone().into(),
                key_secret: ready.access_key_secret.clone().into(),
            },
        },
        verified: true,
    }
}

/// Gives mappings that nobody works yet to another tenant, with a connection of its own to the sandbox.
pub(crate) async fn give_to(store: &Store, sandbox: &Sandbox, tenant: &str, mapping_ids: &[String]) {
    let (tenant, now) = (Tenant::new(tenant), Micros::now());
    let new = connection(sandbox, now);
    let mut tx = store.begin_write().await.unwrap();
    connections::insert(&mut tx, store.keyring().unwrap(), &tenant, &new, now).await.unwrap();
    tx.commit().await.unwrap();
    for mapping_id in mapping_ids {
        let mapping = format!("mapping_id = {}", literal(mapping_id.parse().unwrap()));
        let connection = literal(new.connection_id.0);
        run(store, format!("UPDATE mappings SET tenant = '{tenant}', connection_id = {connection} WHERE {mapping}"))
            .await;
        for table in ["mapping_revisions", "syncs"] {
            run(store, format!("UPDATE {table} SET tenant = '{tenant}' WHERE {mapping}")).await;
        }
    }
}
