//! What was asked of the stand-ins.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Refusal, Reply};
use crate::world::World;

/// The windows that are shown when none is asked for: those of the documented limits.
const WINDOWS_MS: [u64; 3] = [1_000, 180_000, 3_600_000];

/// `?window_ms=1000&window_ms=180000`: the most calls in any window of these lengths.
pub(super) async fn counters(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Reply {
    let mut windows = Vec::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "window_ms" {
            return Err(Refusal::bad(format!("unknown parameter {name}; only window_ms is known")));
        }
        for length in value.split(',') {
            windows.push(length.parse().map_err(|_| Refusal::bad(format!("window_ms cannot be {length}")))?);
        }
    }
    if windows.is_empty() {
        windows = WINDOWS_MS.to_vec();
    }
    Ok(Json(world.traffic.counters(&windows)))
}

pub(super) async fn reset(State(world): State<Arc<World>>) -> Json<Value> {
    world.traffic.reset();
    Json(json!({}))
}

pub(super) async fn violations(State(world): State<Arc<World>>) -> Json<Value> {
    let violations = world.traffic.violations();
    Json(json!({"count": violations.len(), "violations": violations}))
}

/// `?limit=100`: the last requests.
pub(super) async fn log(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Json<Value> {
    let query = query.unwrap_or_default();
    let limit = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "limit")
        .and_then(|(_, value)| value.parse().ok());
    Json(world.traffic.log(limit.unwrap_or(200)))
}
