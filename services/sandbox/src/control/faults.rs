//! The fault switches.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Refusal, Reply, read};
use crate::faults::Faults;
use crate::world::World;

pub(super) async fn show(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!(*world.faults.now()))
}

/// These switches and no others: what is not named gets its default.
pub(super) async fn put(State(world): State<Arc<World>>, body: String) -> Reply {
    world.faults.replace(Faults::parse(&body).map_err(Refusal::bad)?);
    Ok(show(State(world)).await)
}

/// These switches besides those in force.
pub(super) async fn patch(State(world): State<Arc<World>>, body: String) -> Reply {
    world.faults.patch(read(&body)?).map_err(Refusal::bad)?;
    Ok(show(State(world)).await)
}

/// The defaults.
pub(super) async fn delete(State(world): State<Arc<World>>) -> Json<Value> {
    world.faults.replace(Faults::default());
    show(State(world)).await
}

/// How often each counted fault was asked, and struck.
pub(super) async fn progress(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!(world.faults.progress()))
}
