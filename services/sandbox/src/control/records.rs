//! The records of a collection, past the API.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::columns::collection;
use super::{Refusal, Reply, read};
use crate::panda::{Collection, Panda};
use crate::world::World;

/// How many duplicated values a summary names.
const NAMED: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// An id or a display name; ITAM if absent.
    collection_id: Option<String>,
    #[serde(default)]
    from: usize,
    size: Option<usize>,
    /// Values by display name instead of by column id.
    #[serde(default)]
    names: bool,
    /// Only records whose value in this column, by id or display name ...
    column: Option<String>,
    /// ... is this text.
    value: Option<String>,
}

pub(super) async fn list(State(world): State<Arc<World>>, Query(query): Query<ListQuery>) -> Reply {
    let mut panda = world.panda();
    let collection = collection(&mut panda, query.collection_id.as_deref())?;
    let column = query.column.as_deref().map(|name| position(collection, name)).transpose()?;
    let wanted = |at: &u32| {
        let Some(column) = column else { return true };
        let value = collection.records.get(*at).and_then(|record| record.values().into_iter().nth(column));
        text(value.as_ref()) == query.value.as_deref().unwrap_or_default()
    };
    let matching: Vec<u32> = collection.records.iter().map(|(at, _)| at).filter(wanted).collect();
    let page = matching.iter().skip(query.from).take(query.size.unwrap_or(usize::MAX));
    let records: Vec<Value> = page.filter_map(|at| shown(collection, *at, query.names)).collect();
    Ok(Json(json!({
        "collection_id": collection.id,
        "total": matching.len(),
        "records": records,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryQuery {
    collection_id: Option<String>,
    #[serde(default = "serial_number")]
    column: String,
}

fn serial_number() -> String {
    "Serial Number".to_owned()
}

/// How many records there are, what was written, and which values of a column more than one record has.
pub(super) async fn summary(State(world): State<Arc<World>>, Query(query): Query<SummaryQuery>) -> Reply {
    let mut panda = world.panda();
    let collection = collection(&mut panda, query.collection_id.as_deref())?;
    let column = position(collection, &query.column)?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut empty = 0_u64;
    let mut updates = 0_u64;
    for (_, record) in collection.records.iter() {
        updates += u64::from(record.updates);
        let value = text(record.values().get(column));
        if value.is_empty() {
            empty += 1;
        } else {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut duplicated: Vec<(&String, &u64)> = counts.iter().filter(|(_, count)| **count > 1).collect();
    duplicated.sort();
    let surplus: u64 = duplicated.iter().map(|(_, count)| **count - 1).sum();
    let named: Map<String, Value> =
        duplicated.iter().take(NAMED).map(|(value, count)| ((*value).clone(), json!(count))).collect();
    Ok(Json(json!({
        "collection_id": collection.id,
        "column": collection.columns[column].id,
        "total": collection.records.len(),
        "distinct": counts.len(),
        "empty": empty,
        "duplicates": {"values": duplicated.len(), "surplus_records": surplus, "named": named},
        "written": collection.records.written,
        "updates": updates,
    })))
}

pub(super) async fn one(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    let mut panda = world.panda();
    let (collection, at) = find(&mut panda, &id)?;
    shown(collection, at, false).map(Json).ok_or_else(|| missing(&id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seed {
    collection_id: Option<String>,
    /// Values by column id or display name; kept as they are, past every check.
    records: Vec<Map<String, Value>>,
}

/// Makes records by hand.
pub(super) async fn seed(State(world): State<Arc<World>>, body: String) -> Reply {
    let seed: Seed = read(&body)?;
    let mut panda = world.panda();
    let collection = collection(&mut panda, seed.collection_id.as_deref())?;
    let mut rows = Vec::with_capacity(seed.records.len());
    for record in seed.records {
        let mut values = vec![Value::Null; collection.columns.len()];
        put(collection, &mut values, record)?;
        rows.push(values);
    }
    let ids: Vec<String> = rows
        .iter()
        .map(|values| {
            let at = collection.records.insert(values, true, None);
            collection.records.id(at)
        })
        .collect();
    Ok(Json(json!({ "record_ids": ids })))
}

/// When search sees what is done by hand now, if it is late for that too.
fn seen_at(world: &World) -> Option<u64> {
    let faults = world.faults.now();
    let panda = &faults.asset_panda;
    (panda.search_lag_by_hand && panda.search_lag_ms > 0).then(|| world.millis() + panda.search_lag_ms)
}

/// Edits a record by hand: values by column id or display name; null clears.
pub(super) async fn patch(State(world): State<Arc<World>>, Path(id): Path<String>, body: String) -> Reply {
    let given: Map<String, Value> = read(&body)?;
    let seen_at = seen_at(&world);
    let mut panda = world.panda();
    let (collection, at) = find(&mut panda, &id)?;
    let mut values = collection.records.get(at).map(|record| record.values()).unwrap_or_default();
    values.resize(collection.columns.len(), Value::Null);
    put(collection, &mut values, given)?;
    collection.records.update(at, &values, seen_at);
    shown(collection, at, false).map(Json).ok_or_else(|| missing(&id))
}

/// Deletes a record by hand.
pub(super) async fn delete(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    let seen_at = seen_at(&world);
    let mut panda = world.panda();
    let (collection, at) = find(&mut panda, &id)?;
    collection.records.delete(at, seen_at);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearQuery {
    collection_id: Option<String>,
}

/// Deletes all records of a collection by hand.
pub(super) async fn clear(State(world): State<Arc<World>>, Query(query): Query<ClearQuery>) -> Reply {
    let mut panda = world.panda();
    let collection = collection(&mut panda, query.collection_id.as_deref())?;
    let all: Vec<u32> = collection.records.iter().map(|(at, _)| at).collect();
    for at in &all {
        collection.records.delete(*at, None);
    }
    Ok(Json(json!({ "deleted": all.len() })))
}

fn put(collection: &Collection, values: &mut [Value], given: Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in given {
        values[position(collection, &name)?] = value;
    }
    Ok(())
}

fn position(collection: &Collection, name: &str) -> Result<usize, Refusal> {
    let found = collection.position_named(name);
    found.ok_or_else(|| Refusal::missing(format!("{} has no column {name}", collection.display_name)))
}

fn find<'a>(panda: &'a mut Panda, id: &str) -> Result<(&'a mut Collection, u32), Refusal> {
    let mut owners = panda.collections.iter_mut();
    let found = owners.find_map(|collection| {
        let at = collection.records.find(id)?;
        Some((collection, at))
    });
    found.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::missing(format!("there is no record {id}"))
}

fn shown(collection: &Collection, at: u32, names: bool) -> Option<Value> {
    let record = collection.records.get(at)?;
    let values: Map<String, Value> = collection
        .columns
        .iter()
        .zip(record.values())
        .filter(|(_, value)| !value.is_null())
        .map(|(column, value)| {
            let key = if names { &column.display_name } else { &column.id };
            (key.clone(), value)
        })
        .collect();
    Some(json!({
        "id": collection.records.id(at),
        "values": values,
        "updates": record.updates,
        "by_hand": record.by_hand,
    }))
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
