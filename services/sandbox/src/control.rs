//! The control endpoint: look at what happened, change fleet, records and columns, make things go wrong.

mod columns;
mod faults;
mod fleet;
mod records;
mod traffic;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ready::Ready;
use crate::world::World;

/// What a control call answers.
type Reply = Result<Json<Value>, Refusal>;

/// Why a control call was refused.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(message: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, message.to_string())
    }

    fn missing(message: impl ToString) -> Self {
        Self(StatusCode::NOT_FOUND, message.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Reads a body, whatever content type it claims.
fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    let text = if body.trim().is_empty() { "{}" } else { body };
    serde_json::from_str(text).map_err(|error| Refusal::bad(format!("the body cannot be read: {error}")))
}

pub(crate) fn router(world: Arc<World>, ready: Arc<Ready>) -> Router {
    Router::new()
        .route("/counters", get(traffic::counters))
        .route("/counters/reset", post(traffic::reset))
        .route("/violations", get(traffic::violations))
        .route("/log", get(traffic::log))
        .route("/faults", get(faults::show).put(faults::put).patch(faults::patch).delete(faults::delete))
        .route("/faults/progress", get(faults::progress))
        .route("/records", get(records::list).post(records::seed).delete(records::clear))
        .route("/records/summary", get(records::summary))
        .route("/records/{id}", get(records::one).patch(records::patch).delete(records::delete))
        .route("/collections", get(columns::collections))
        .route("/collections/{id}", patch(columns::patch_collection))
        .route("/columns", get(columns::list).post(columns::add))
        .route("/columns/{id}", patch(columns::patch).delete(columns::delete))
        .route("/fleet", get(fleet::show).post(fleet::generate))
        .route("/fleet/raw", put(fleet::raw))
        .route("/fleet/examples", post(fleet::examples))
        .route("/fleet/change", post(fleet::change))
        .route("/fleet/check-ins", post(fleet::check_ins))
        .route("/fleet/devices", get(fleet::devices).post(fleet::add))
        .route("/fleet/devices/{id}", get(fleet::device).patch(fleet::patch).delete(fleet::delete))
        .route("/fleet/users/{id}", get(fleet::user).patch(fleet::patch_user).delete(fleet::delete_user))
        .with_state(world)
        .route("/ready", get(show_ready))
        .with_state(ready)
        .fallback(|| async { Refusal::missing("there is no such path; docs/sandbox.md lists them all") })
        .layer(DefaultBodyLimit::disable())
}

async fn show_ready(State(ready): State<Arc<Ready>>) -> Json<Value> {
    Json(json!(*ready))
}
