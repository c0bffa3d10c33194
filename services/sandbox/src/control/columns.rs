//! Collections and their columns.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Reply, read};
use crate::panda::{Collection, Column, Panda};
use crate::world::World;

/// Which collection a call means: an id or a display name; ITAM if it says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    collection_id: Option<String>,
}

pub(super) fn collection<'a>(panda: &'a mut Panda, name: Option<&str>) -> Result<&'a mut Collection, Refusal> {
    let name = name.unwrap_or("ITAM");
    panda.collection_named(name).ok_or_else(|| Refusal::missing(format!("there is no collection {name}")))
}

pub(super) async fn collections(State(world): State<Arc<World>>) -> Json<Value> {
    let panda = world.panda();
    let shown = panda.collections.iter().map(|collection| {
        json!({
            "id": collection.id,
            "display_name": collection.display_name,
            "is_active": collection.is_active,
            "deleted": collection.deleted,
            "records": collection.records.len(),
        })
    });
    Json(json!({ "collections": shown.collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectionPatch {
    display_name: Option<String>,
    is_active: Option<bool>,
    deleted: Option<bool>,
}

pub(super) async fn patch_collection(State(world): State<Arc<World>>, Path(id): Path<String>, body: String) -> Reply {
    let given: CollectionPatch = read(&body)?;
    {
        let mut panda = world.panda();
        let collection = collection(&mut panda, Some(&id))?;
        collection.display_name = given.display_name.unwrap_or_else(|| collection.display_name.clone());
        collection.is_active = given.is_active.unwrap_or(collection.is_active);
        collection.deleted = given.deleted.unwrap_or(collection.deleted);
    }
    Ok(collections(State(world)).await)
}

/// All columns, deleted ones too.
pub(super) async fn list(State(world): State<Arc<World>>, Query(which): Query<Which>) -> Reply {
    let mut panda = world.panda();
    let collection = collection(&mut panda, which.collection_id.as_deref())?;
    let columns: Vec<Value> = collection.columns.iter().map(|column| column.to_json(true)).collect();
    Ok(Json(json!({"collection_id": collection.id, "columns": columns})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnPatch {
    display_name: Option<String>,
    /// The last part of the type URI, such as `number`.
    #[serde(rename = "type")]
    kind: Option<String>,
    is_unique: Option<bool>,
    is_required: Option<bool>,
    options: Option<Vec<String>>,
    deleted: Option<bool>,
    /// null makes the column its own again.
    references: Option<Value>,
}

impl ColumnPatch {
    fn apply(self, column: &mut Column) {
        if let Some(name) = self.display_name {
            column.display_name = name;
        }
        if let Some(kind) = self.kind {
            column.kind = kind;
        }
        if let Some(references) = self.references {
            column.references = Some(references).filter(|references| references.is_object());
        }
        column.is_unique = self.is_unique.unwrap_or(column.is_unique);
        column.is_required = self.is_required.unwrap_or(column.is_required);
        column.deleted = self.deleted.unwrap_or(column.deleted);
        if let Some(options) = self.options {
            column.options = options;
        }
    }
}

/// Adds a column; its id is in the answer.
pub(super) async fn add(State(world): State<Arc<World>>, Query(which): Query<Which>, body: String) -> Reply {
    let given: ColumnPatch = read(&body)?;
    let name = given.display_name.clone().ok_or_else(|| Refusal::bad("display_name is needed"))?;
    let mut column = Column::new(&name, given.kind.as_deref().unwrap_or("text"));
    given.apply(&mut column);
    let mut panda = world.panda();
    let collection = collection(&mut panda, which.collection_id.as_deref())?;
    Ok(Json(collection.add_column(column).to_json(true)))
}

/// Changes a column, by its id or, in the collection that the query names, by its display name.
pub(super) async fn patch(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    body: String,
) -> Reply {
    let given: ColumnPatch = read(&body)?;
    let mut panda = world.panda();
    let column = find(&mut panda, &id, which.collection_id.as_deref())?;
    given.apply(column);
    Ok(Json(column.to_json(true)))
}

/// Deletes a column; the values stay, in case it comes back.
pub(super) async fn delete(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Reply {
    let mut panda = world.panda();
    let column = find(&mut panda, &id, which.collection_id.as_deref())?;
    column.deleted = true;
    Ok(Json(column.to_json(true)))
}

fn find<'a>(panda: &'a mut Panda, id: &str, which: Option<&str>) -> Result<&'a mut Column, Refusal> {
    let owner = panda.collections.iter().find(|owner| owner.position(id).is_some());
    let which = owner.map(|owner| owner.id.clone()).or_else(|| which.map(str::to_owned));
    let collection = collection(panda, which.as_deref())?;
    match collection.position_named(id) {
        Some(at) => Ok(&mut collection.columns[at]),
        None => Err(Refusal::missing(format!("there is no column {id}"))),
    }
}
