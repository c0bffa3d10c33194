//! Mappings: create, look; `update_mapping.rs` has what happens to one that is there.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_asset_panda::ScopedClient;
use pandaport_import::{CheckReason, Column, Finding, MappingSpec, RemovalAction, SourceField, WriteRule, check};
use pandaport_store::connections::{self, Connection};
use pandaport_store::mappings::{self, Mapping, MappingFilter, MappingState, NewMapping};
use pandaport_store::syncs::{self, Mode, NewSync, TriggerKind};
use pandaport_store::{Conflict, ConnectionId, MappingId, Micros, StoreError};
use pandaport_upstream::{Clients, Limit, import_columns};

use crate::catalogue::columns;
use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::mapping_input::{self, MappingInput};
use crate::paging::Page;
use crate::requests::Repeatable;
use crate::syncs::verified;
use crate::uniqueness::{self, Seen};
use crate::validate::Violations;
use crate::{convert, policy_input, reason};

const IDENTIFIER_COLUMN: &str = "mapping.identifier.column_id";
/// The part of Asset Panda's budget that PASSENGER columns alone may use (rule 9), and the rows of one call.
const PASSENGER_SHARE: f64 = 0.2;
const ROWS_PER_CALL: f64 = 5.0;
/// Mappings that are read at once to find the one that has a collection.
const MAPPINGS_AT_ONCE: u32 = 200;

impl ControlPlane {
    pub(crate) async fn create_mapping(
        &self,
        caller: &Caller,
        request: proto::CreateMappingRequest,
    ) -> Result<proto::CreateMappingResponse> {
        let mut violations = Violations::default();
        let connection_id = ConnectionId(violations.id("connection_id", &request.connection_id));
        let repeatable = self.repeatable(&mut violations, caller, "CreateMapping", &request.request_id, &request);
        let paused = request.start_paused;
        let input = match request.mapping {
            Some(mapping) => Some(mapping_input::read(&mut violations, mapping, Micros::now())),
            None => {
                violations.malformed("mapping", "This field is required.");
                None
            }
        };
        let Some(input) = input.filter(|_| !violations.names("connection_id")) else {
            return Err(violations.check().err().unwrap_or_default().into());
        };
        repeatable.once(Box::pin(self.create(caller, &repeatable, connection_id, input, paused, violations))).await
    }

    async fn create(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        connection_id: ConnectionId,
        input: MappingInput,
        paused: bool,
        mut violations: Violations,
    ) -> Result<proto::CreateMappingResponse> {
        let connection = connections::get(&self.store, &caller.tenant, connection_id).await;
        let ready = connection.map_err(CallError::from).and_then(|connection| {
            verified(connection.state)?;
            Ok(connection)
        });
        let connection = match ready {
            Ok(connection) => connection,
            // What can never be right comes before what is not right yet.
            Err(_) if !violations.is_empty() => return Err(violations.check().err().unwrap_or_default().into()),
            Err(error) => return Err(error),
        };
        let Some(mut spec) = input.spec.clone() else {
            return Err(violations.check().err().unwrap_or_default().into());
        };
        if violations.names("mapping.collection_id") {
            return Err(violations.check().err().unwrap_or_default().into());
        }

        let clients = self.upstream.open(&caller.tenant, connection_id.0, None).await?;
        let scoped = clients.scoped()?;
        require_collection(scoped, &input.collection_id).await?;
        let columns = import_columns(columns(scoped, &input.collection_id).await?);
        let mut warnings = checked(&mut violations, &input, &spec, &columns);
        violations.check()?;
        policy_input::in_written_form(&mut spec.removal_policy.action, &columns);
        warnings.extend(self.look_at_identifier(scoped, &input.collection_id, &spec, &columns).await?);
        warnings.extend(look_at_records(scoped, &input.collection_id, &spec, 0).await);
        warnings.extend(self.look_at_kandji(&clients, &spec).await);
        clients.release().await;

        let now = Micros::now();
        let new = NewMapping {
            mapping_id: MappingId::new(now),
            connection_id,
            display_name: input.display_name.clone(),
            external_entity: "DEVICES".to_owned(),
            collection_id: input.collection_id.clone(),
            collection_key: format!("{}/{}", connection.asset_panda_base_url, input.collection_id),
            spec: stored_spec(&spec)?,
            state: if paused { MappingState::Paused } else { MappingState::Active },
            columns: Some(columns_json(&spec, &columns)?),
            schedule: input.schedule,
            full_sync_every: input.full_sync_every,
        };
        let first = NewSync {
            mapping_id: new.mapping_id,
            mode: Mode::Incremental,
            dry_run: false,
            retry_rejected: false,
            trigger_kind: TriggerKind::First,
            traceparent: caller.traceparent.clone(),
        };
        let mut tx = self.store.begin_write().await?;
        let inserted = mappings::insert(&mut tx, &caller.tenant, &new, now).await;
        if let Err(StoreError::Conflict { what: Conflict::CollectionAlreadyMapped, .. }) = &inserted {
            drop(tx);
            return Err(self.already_mapped(caller, &connection, &input.collection_id).await?);
        }
        inserted?;
        let sync = if paused { None } else { Some(convert::sync(self.create_sync(&mut tx, caller, &first).await?.0)) };
        let row = mappings::get_in(&mut tx, &caller.tenant, new.mapping_id).await?;
        let answer = proto::CreateMappingResponse {
            mapping: Some(convert::mapping(row, &new.spec, sync.clone())?),
            warnings,
            sync,
        };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    /// Names the mapping that has the collection, if it is the caller's; another tenant's is not told of.
    async fn already_mapped(&self, caller: &Caller, connection: &Connection, collection_id: &str) -> Result<CallError> {
        let mut message =
            format!("Collection {collection_id} is the target of another mapping already; choose another collection.");
        let mut after = None;
        loop {
            let filter = MappingFilter { after, ..MappingFilter::default() };
            let rows = mappings::list(&self.store, &caller.tenant, &filter, MAPPINGS_AT_ONCE).await?;
            after = rows.last().map(|row| row.mapping_id);
            for row in rows.iter().filter(|row| row.collection_id == collection_id) {
                let its = connections::get(&self.store, &caller.tenant, row.connection_id).await?;
                if its.asset_panda_base_url == connection.asset_panda_base_url {
                    message = format!(
                        "Collection {collection_id} is the target of the mapping \"{}\" ({}) already; choose another \
                         collection.",
                        row.display_name, row.mapping_id
                    );
                }
            }
            if after.is_none() {
                return Ok(CallError::Exists { reason: reason::COLLECTION_ALREADY_MAPPED, message });
            }
        }
    }

    /// Where Asset Panda does not say whether the identifier's column is unique, the data may.
    async fn look_at_identifier(
        &self,
        scoped: &ScopedClient,
        collection_id: &str,
        spec: &MappingSpec,
        columns: &[Column],
    ) -> Result<Option<proto::Warning>> {
        let column_id = &spec.identifier.column_id;
        let Some(column) = columns.iter().find(|column| column.id == *column_id && column.unique.is_none()) else {
            return Ok(None);
        };
        let name = &column.name;
        let seen = match uniqueness::look(scoped, collection_id, column_id).await {
            Ok(Seen::Duplicates(values)) => {
                let mut violations = Violations::default();
                let message = format!(
                    "Column \"{name}\" is not unique: {} {} in more than one record. Choose a unique column, or put the \
                     records right.",
                    quoted(&values),
                    if values.len() == 1 { "occurs" } else { "occur" },
                );
                violations.refuse(IDENTIFIER_COLUMN, reason::COLUMN_NOT_UNIQUE, message);
                violations.check()?;
                return Ok(None);
            }
            Ok(Seen::AllDistinct(0)) => "and it holds no value to look at".to_owned(),
            Ok(Seen::AllDistinct(count)) => format!("all {count} present values are distinct"),
            Ok(Seen::SomeDistinct(count)) => format!("the {count} values that were looked at are distinct"),
            Err(error) if uniqueness::may_be_done_without(&error) => {
                tracing::warn!(%error, "the identifier's column could not be looked at");
                "its values could not be looked at".to_owned()
            }
            Err(error) => return Err(CallError::AssetPanda(error)),
        };
        Ok(Some(proto::Warning {
            field: IDENTIFIER_COLUMN.to_owned(),
            reason: reason::COLUMN_NOT_UNIQUE.to_owned(),
            message: format!(
                "Asset Panda does not say whether column \"{name}\" is unique; {seen}. Make the column unique in Asset Panda: \
                 only then is a duplicate impossible."
            ),
        }))
    }

    /// What the mapping asks of Kandji beyond the list of devices. A warning only: an import does without.
    pub(crate) async fn look_at_kandji(&self, clients: &Clients, spec: &MappingSpec) -> Vec<proto::Warning> {
        let mut warnings = Vec::new();
        let user_active = spec.pairs.iter().position(|pair| pair.source_field == SourceField::UserActive);
        if let Some(at) = user_active
            && let Err(error) = clients.kandji.users(None).await
            && error.is_credentials()
        {
            warnings.push(proto::Warning {
                field: format!("mapping.fields[{at}].source_field"),
                reason: reason::PERMISSION_MISSING.to_owned(),
                message:
                    "The Kandji token may not list users, so User Active is left alone. Give the token the permission \
                          Users (GET /users)."
                        .to_owned(),
            });
        }
        let passenger = spec.pairs.iter().any(|pair| pair.write_rule == WriteRule::Passenger);
        if passenger
            && let Some(most) = most_passengers(&self.upstream.budgets().asset_panda, spec.passenger_max_age)
            && let Ok(page) = clients.kandji.devices(0, 1).await
            && let Some(devices) = page.total.filter(|devices| *devices > most)
        {
            warnings.push(proto::Warning {
                field: "mapping.passenger_max_age".to_owned(),
                reason: reason::BUDGET.to_owned(),
                message: format!(
                    "Asset Panda's budget lets {most} devices be written within passenger_max_age for their PASSENGER columns \
                     alone, and there are {devices}: such columns will get older than that. Allow a greater age."
                ),
            });
        }
        warnings
    }

    pub(crate) async fn get_mapping(
        &self,
        caller: &Caller,
        request: proto::GetMappingRequest,
    ) -> Result<proto::GetMappingResponse> {
        let mut violations = Violations::default();
        let id = MappingId(violations.id("mapping_id", &request.mapping_id));
        violations.check()?;
        let row = mappings::get(&self.store, &caller.tenant, id).await?;
        Ok(proto::GetMappingResponse { mapping: Some(self.describe_mapping(caller, row).await?) })
    }

    pub(crate) async fn list_mappings(
        &self,
        caller: &Caller,
        request: proto::ListMappingsRequest,
    ) -> Result<proto::ListMappingsResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListMappingsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListMappings", &bare, request.page_size, &request.page_token);
        let connection_id = violations.optional_id("connection_id", &request.connection_id).map(ConnectionId);
        let states = violations.filter("states", &request.states, convert::stored_mapping_state);
        violations.check()?;
        if let Some(id) = connection_id {
            connections::get(&self.store, &caller.tenant, id).await?;
        }
        let filter = MappingFilter { connection_id, states, after: page.after_id().map(MappingId) };
        let mut rows = mappings::list(&self.store, &caller.tenant, &filter, page.rows_to_read()).await?;
        let next_page_token = page.cut(&mut rows, |row| row.mapping_id.to_string());
        let mut mappings = Vec::with_capacity(rows.len());
        for row in rows {
            mappings.push(self.describe_mapping(caller, row).await?);
        }
        Ok(proto::ListMappingsResponse { mappings, next_page_token })
    }

    pub(crate) async fn describe_mapping(&self, caller: &Caller, row: Mapping) -> Result<proto::Mapping> {
        let spec = mappings::spec(&self.store, &caller.tenant, row.mapping_id, row.revision).await?;
        let last_sync = match row.last_sync_id {
            Some(id) => Some(self.describe(syncs::get(&self.store, &caller.tenant, id).await?).await?),
            None => None,
        };
        let held = self.held(caller, row.mapping_id).await?;
        Ok(proto::Mapping { held, ..convert::mapping(row, &spec, last_sync)? })
    }
}

/// DELETE removes what the import created. Where the collection holds records before it, that is less than its name says.
/// `ours` are the records that it has created so far.
pub(crate) async fn look_at_records(
    scoped: &ScopedClient,
    collection_id: &str,
    spec: &MappingSpec,
    ours: usize,
) -> Option<proto::Warning> {
    if spec.removal_policy.action != RemovalAction::Delete {
        return None;
    }
    let found = scoped.sample(collection_id, &spec.identifier.column_id, 0, 1).await.ok()?;
    let held = match found.total.map(|total| total.saturating_sub(ours)) {
        Some(0) => return None,
        Some(others) => format!("{others} records"),
        None if found.records.is_empty() || ours > 0 => return None,
        None => "records".to_owned(),
    };
    Some(proto::Warning {
        field: "mapping.removal_policy.action".to_owned(),
        reason: reason::ADOPTED_STAY.to_owned(),
        message: format!(
            "The collection holds {held} that the import did not create. Only records that the import creates are ever deleted: one that it adopts is \
             left, and listed, when its device is gone. Use MARK to have those tell."
        ),
    })
}

/// How many devices a fifth of a budget lets be written in the time that a passenger may be old; `None`: no limit.
fn most_passengers(limits: &[Limit], max_age: Duration) -> Option<u64> {
    let calls = limits.iter().map(|limit| f64::from(limit.calls) * max_age.div_duration_f64(limit.window));
    // A float becomes the nearest whole number below, or the largest there is.
    calls.min_by(f64::total_cmp).map(|calls| (calls * PASSENGER_SHARE * ROWS_PER_CALL) as u64)
}

/// Checks the mapping against the columns as they are now. Its pairs are put back in their places in the request.
pub(crate) fn checked(
    violations: &mut Violations,
    input: &MappingInput,
    spec: &MappingSpec,
    columns: &[Column],
) -> Vec<proto::Warning> {
    let found = check(spec, columns);
    for finding in found.violations {
        let field = in_request(&finding.field, &input.pair_positions);
        if !violations.names(&field) {
            violations.refuse(field, reason_of(&finding), finding.message);
        }
    }
    found
        .warnings
        .into_iter()
        // This one is looked into, see `look_at_identifier`.
        .filter(|finding| finding.reason != CheckReason::ColumnUniquenessUnknown)
        .map(|finding| proto::Warning {
            field: in_request(&finding.field, &input.pair_positions),
            reason: reason_of(&finding).to_owned(),
            message: finding.message,
        })
        .collect()
}

/// The path in the request of a path in the spec, which lacks the pairs that could not be read.
fn in_request(field: &str, positions: &[usize]) -> String {
    let moved = || {
        let (number, rest) = field.strip_prefix("mapping.fields[")?.split_once(']')?;
        let position = positions.get(number.parse::<usize>().ok()?)?;
        Some(format!("mapping.fields[{position}]{rest}"))
    };
    moved().unwrap_or_else(|| field.to_owned())
}

fn reason_of(finding: &Finding) -> &'static str {
    match finding.reason {
        CheckReason::ColumnUniquenessUnknown => reason::COLUMN_NOT_UNIQUE,
        // The contract has no reason for what is only malformed.
        CheckReason::FieldInvalid => "",
        other => other.as_str(),
    }
}

/// A collection that is not active has columns all the same: only the list tells.
async fn require_collection(scoped: &ScopedClient, collection_id: &str) -> Result<()> {
    let collections = scoped.collections().await.map_err(CallError::AssetPanda)?;
    if collections.iter().any(|collection| collection.id == collection_id) {
        return Ok(());
    }
    Err(CallError::NoCollection(collection_id.to_owned()))
}

pub(crate) fn stored_spec(spec: &MappingSpec) -> Result<String> {
    serde_json::to_string(spec)
        .map_err(|error| CallError::Internal(format!("a mapping could not be written down: {error}")))
}

/// The columns that a mapping writes, as they are now: what they are held against before every sync.
pub(crate) fn columns_json(spec: &MappingSpec, columns: &[Column]) -> Result<String> {
    let written: Vec<&Column> =
        columns.iter().filter(|column| spec.columns_written().any(|id| id == column.id)).collect();
    serde_json::to_string(&written)
        .map_err(|error| CallError::Internal(format!("columns could not be written down: {error}")))
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_9_passengers_alone_use_a_fifth_of_the_budget() {
        let limit = |calls, seconds| Limit { calls, window: Duration::from_secs(seconds) };
        let day = Duration::from_secs(86_400);
        // 480 windows of 400 calls a day, a fifth of them, five rows each.
        assert_eq!(most_passengers(&[limit(400, 180)], day), Some(192_000));
        assert_eq!(most_passengers(&[limit(400, 180), limit(100, 86_400)], day), Some(100));
        assert_eq!(most_passengers(&[], day), None);
    }

    #[test]
    fn findings_keep_the_place_that_the_caller_gave_the_pair() {
        assert_eq!(in_request("mapping.fields[1].column_id", &[0, 3]), "mapping.fields[3].column_id");
        assert_eq!(in_request("mapping.fields[0]", &[2]), "mapping.fields[2]");
        assert_eq!(in_request("mapping.fields", &[2]), "mapping.fields");
        assert_eq!(in_request("mapping.identifier.column_id", &[2]), "mapping.identifier.column_id");
    }
}
