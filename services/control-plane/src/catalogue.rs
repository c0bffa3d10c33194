//! What there is to choose from: source fields, modules, collections, columns.

use futures::stream::{StreamExt as _, TryStreamExt as _};
use pandaport_api::v1 as proto;
use pandaport_asset_panda::{Collection, Column, ScopedClient};
use pandaport_import::SourceField;
use pandaport_outbound::ErrorKind;
use pandaport_upstream::{Clients, import_columns};
use uuid::Uuid;

use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::errors::{CallError, Result};
use crate::limits::MAX_FOREIGN_ID;
use crate::validate::Violations;

/// Accounts whose modules are asked for at once.
const ACCOUNTS_AT_ONCE: usize = 4;

impl ControlPlane {
    pub(crate) async fn list_source_fields(
        &self,
        _caller: &Caller,
        request: proto::ListSourceFieldsRequest,
    ) -> Result<proto::ListSourceFieldsResponse> {
        let mut violations = Violations::default();
        violations.choice::<proto::ExternalEntity>("external_entity", request.external_entity);
        violations.check()?;
        let mut fields = SourceField::ALL;
        fields.sort_by_key(|field| field.display_name());
        Ok(proto::ListSourceFieldsResponse { fields: fields.into_iter().map(convert::source_field).collect() })
    }

    pub(crate) async fn list_asset_panda_modules(
        &self,
        caller: &Caller,
        request: proto::ListAssetPandaModulesRequest,
    ) -> Result<proto::ListAssetPandaModulesResponse> {
        let clients = self.open(caller, &request.connection_id).await?;
        let asset_panda = &clients.asset_panda;
        let accounts = asset_panda.accounts().await.map_err(CallError::AssetPanda)?;
        let modules = futures::stream::iter(accounts)
            .map(|account| async move {
                let modules = asset_panda.modules(&account.id).await.map_err(CallError::AssetPanda)?;
                let modules = modules.into_iter().map(move |module| proto::AssetPandaModule {
                    account_id: account.id.clone(),
                    account_name: account.name.clone(),
                    module_id: module.id,
                    module_name: module.name,
                });
                Ok::<_, CallError>(modules.collect::<Vec<_>>())
            })
            .buffered(ACCOUNTS_AT_ONCE)
            .try_concat()
            .await?;
        Ok(proto::ListAssetPandaModulesResponse { modules })
    }

    pub(crate) async fn list_collections(
        &self,
        caller: &Caller,
        request: proto::ListCollectionsRequest,
    ) -> Result<proto::ListCollectionsResponse> {
        let clients = self.open(caller, &request.connection_id).await?;
        let collections = clients.scoped()?.collections().await.map_err(CallError::AssetPanda)?;
        let collections = collections
            .into_iter()
            .map(|Collection { id, name }| proto::Collection { collection_id: id, display_name: name })
            .collect();
        Ok(proto::ListCollectionsResponse { collections })
    }

    pub(crate) async fn list_columns(
        &self,
        caller: &Caller,
        request: proto::ListColumnsRequest,
    ) -> Result<proto::ListColumnsResponse> {
        let mut violations = Violations::default();
        violations.id("connection_id", &request.connection_id);
        violations.required_text("collection_id", &request.collection_id, MAX_FOREIGN_ID);
        violations.check()?;
        let clients = self.open(caller, &request.connection_id).await?;
        let columns = columns(clients.scoped()?, &request.collection_id).await?;
        let type_uris: Vec<String> = columns.iter().map(|column| column.type_uri.clone()).collect();
        let columns = import_columns(columns)
            .into_iter()
            .zip(type_uris)
            .map(|(column, type_uri)| convert::column(column, type_uri))
            .collect();
        Ok(proto::ListColumnsResponse { columns })
    }

    /// Opens the connection that a call names.
    async fn open(&self, caller: &Caller, connection_id: &str) -> Result<Clients> {
        let mut violations = Violations::default();
        let connection_id: Uuid = violations.id("connection_id", connection_id);
        violations.check()?;
        Ok(self.upstream.open(&caller.tenant, connection_id, None).await?)
    }
}

/// The columns of a collection. One that the API does not know is told from one without columns.
pub(crate) async fn columns(scoped: &ScopedClient, collection_id: &str) -> Result<Vec<Column>> {
    let unknown = || CallError::NotFound { what: "collection", id: collection_id.to_owned() };
    match scoped.columns(collection_id).await {
        Ok(columns) if columns.is_empty() => {
            let collections = scoped.collections().await.map_err(CallError::AssetPanda)?;
            let known = collections.iter().any(|collection| collection.id == collection_id);
            if known { Ok(columns) } else { Err(unknown()) }
        }
        Ok(columns) => Ok(columns),
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Refused) => {
            // A wrong base URL is a 404, too: only if the collections can be listed is it about this one.
            match scoped.collections().await {
                Ok(collections) if collections.iter().all(|collection| collection.id != collection_id) => {
                    Err(unknown())
                }
                _ => Err(CallError::AssetPanda(error)),
            }
        }
        Err(error) => Err(CallError::AssetPanda(error)),
    }
}
