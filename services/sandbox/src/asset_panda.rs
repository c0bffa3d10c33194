//! The Asset Panda Pro stand-in (asset-panda-pro-api.md).

mod read;
mod route;
mod search;
mod value;
mod write;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::answer::{Answer, Outcome, conclude};
use crate::faults::{AssetPandaFaults, FaultBox, Faults, LostAs};
use crate::panda::{Collection, Column};
use crate::server::Connection;
use crate::traffic::{Api, Operation, Violation};
use crate::world::World;
use route::Route;

/// The largest body that is read.
const BODY_BYTES: usize = 8 << 20;

/// One collection during one call.
struct Scope<'a> {
    collection: &'a mut Collection,
    faults: &'a AssetPandaFaults,
    strikes: &'a FaultBox,
    /// Milliseconds since the start.
    now: u64,
    /// When search sees what is written now; nothing if it sees it at once.
    visible_at: Option<u64>,
}

/// A call as it was sent.
struct Sent {
    method: http::Method,
    uri: http::Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// The stand-in as a router; everything is one fallback, so that every path is seen and counted.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new().fallback(handle).with_state(world)
}

async fn handle(State(world): State<Arc<World>>, request: Request) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let whole = parts.uri.path_and_query().map_or("/", |whole| whole.as_str());
    let template = Route::parse(&parts.method, parts.uri.path()).template();
    let call = world.traffic.arrive(Api::AssetPanda, parts.method.as_str(), template, whole);
    let Ok(body) = Limited::new(body, BODY_BYTES).collect().await else {
        let outcome = refused(413, "the body broke off or is too large").into();
        return conclude(outcome, &connection, call).await;
    };
    let body = body.to_bytes();
    let sent = Sent { method: parts.method.clone(), uri: parts.uri.clone(), headers: parts.headers, body };
    if let Some(rows) = rows_of(&sent) {
        call.carries(rows);
    }
    // In a task of its own: what was sent is handled to its end, whether or not the client still waits.
    let working = tokio::spawn(work(world.clone(), sent));
    let outcome = working.await.unwrap_or(Outcome::Cut { reset: false });
    conclude(outcome, &connection, call).await
}

/// How many rows a write carries, for the log.
fn rows_of(sent: &Sent) -> Option<usize> {
    let write = Route::parse(&sent.method, sent.uri.path()).operation().is_write();
    let body: Value = serde_json::from_slice(&sent.body).ok().filter(|_| write)?;
    body["records"].as_array().map(Vec::len)
}

async fn work(world: Arc<World>, sent: Sent) -> Outcome {
    let faults = world.faults.now();
    let route = Route::parse(&sent.method, sent.uri.path());
    let operation = route.operation();
    let panda = &faults.asset_panda;
    if panda.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(panda.latency_ms)).await;
    }
    if let Some(outcome) = before_it_is_applied(&world, panda, operation) {
        return outcome;
    }
    let answer = answer(&world, &faults, route, &sent);
    let outcome = after_it_is_applied(&world, panda, operation, answer);
    let held = operation.is_write()
        && panda.hold_after_apply_ms > 0
        && world.faults.counted("asset_panda.hold_after_apply_ms", 0, 1, panda.hold_after_apply_count);
    if held {
        tokio::time::sleep(Duration::from_millis(panda.hold_after_apply_ms)).await;
    }
    outcome
}

/// What comes instead of an answer to a call of which nothing is applied.
fn before_it_is_applied(world: &World, faults: &AssetPandaFaults, operation: Operation) -> Option<Outcome> {
    let strikes = &world.faults;
    if strikes.strikes("asset_panda.hang", faults.hang.as_ref(), operation) {
        return Some(Outcome::Hang);
    }
    if strikes.strikes("asset_panda.reset_connection", faults.reset_connection.as_ref(), operation) {
        return Some(Outcome::Cut { reset: true });
    }
    if let Some(burst) = &faults.status_burst
        && strikes.strikes("asset_panda.status_burst", Some(burst), operation)
    {
        let answer = match burst.status {
            502..=504 => Answer::gateway_error(burst.status),
            429 => refused(429, "Too many requests"),
            status => refused(status, "Something went wrong"),
        };
        return Some(answer.retry_after_text(burst.retry_after.as_deref()).into());
    }
    if faults.html || strikes.strikes_every("asset_panda.html_every", faults.html_every) {
        return Some(Answer::page().into());
    }
    None
}

/// What becomes of the answer to a call that was handled.
fn after_it_is_applied(world: &World, faults: &AssetPandaFaults, operation: Operation, answer: Answer) -> Outcome {
    let strikes = &world.faults;
    if answer.status != 200 {
        return answer.into();
    }
    if let Some(lost) = &faults.lost_answer
        && strikes.strikes("asset_panda.lost_answer", Some(lost), operation)
    {
        return match lost.answer {
            LostAs::Drop => Outcome::Cut { reset: false },
            LostAs::Reset => Outcome::Cut { reset: true },
            LostAs::Status500 => refused(500, "Something went wrong").into(),
            LostAs::Status502 => Answer::gateway_error(502).into(),
            LostAs::Status503 => Answer::gateway_error(503).into(),
            LostAs::Status504 => Answer::gateway_error(504).into(),
            LostAs::Html => Answer::page().into(),
        };
    }
    if strikes.strikes("asset_panda.unreadable_reply", faults.unreadable_reply.as_ref(), operation) {
        let half = answer.body().len() / 2;
        return answer.cut_to(half).into();
    }
    if strikes.strikes_every("asset_panda.truncate_every", faults.truncate_every) {
        return answer.truncated().into();
    }
    answer.into()
}

/// Credentials first, then the limit, then the data.
fn answer(world: &World, faults: &Faults, route: Route<'_>, sent: &Sent) -> Answer {
    let faults = &faults.asset_panda;
    let header = |name: &str| sent.headers.get(name).and_then(|value| value.to_str().ok());
    let known = header("access-key-id") == Some(world.credentials.access_key_id.as_str())
        && header("access-key-secret") == Some(world.credentials.access_key_secret.as_str());
    let late = known && world.faults.past("asset_panda.revoke_after_calls", faults.revoke_after_calls);
    if !known || faults.revoked || late {
        return refused(401, "Unauthorized");
    }
    if let Some(limit) = &faults.rate_limit
        && let Err(wait) = world.panda_window().take(world.millis(), limit.limit, limit.window_ms)
    {
        return refused(429, "Too many requests").retry_after(limit.retry_after, wait.div_ceil(1_000));
    }
    change_columns(world, faults);
    if is_unanswerable(faults, route, sent) {
        return refused(faults.unanswerable_status, "Something is wrong with this record");
    }
    match route {
        Route::Search | Route::Create | Route::Update | Route::Delete => with_body(world, faults, route, sent),
        _ => read::answer(world, faults, route, &parameters(sent)),
    }
}

fn is_unanswerable(faults: &AssetPandaFaults, route: Route<'_>, sent: &Sent) -> bool {
    let names = |text: &str| match route {
        Route::Record(id) => id == text,
        Route::Search => String::from_utf8_lossy(&sent.body).contains(&json!(text).to_string()),
        _ => false,
    };
    faults.unanswerable.iter().any(|text| names(text))
}

fn parameters(sent: &Sent) -> Vec<(String, String)> {
    let query = sent.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A column that a fault deletes or retypes when its time has come.
fn change_columns(world: &World, faults: &AssetPandaFaults) {
    let due = |path: &str, after: u64| world.faults.counted(path, after, 1, Some(1));
    if let Some(change) = &faults.delete_column_after_calls
        && due("asset_panda.delete_column_after_calls", change.after)
    {
        edit_column(world, &change.collection, &change.column, |column| column.deleted = true);
    }
    if let Some(change) = &faults.retype_column
        && due("asset_panda.retype_column", change.after)
    {
        edit_column(world, &change.collection, &change.column, |column| {
            column.kind.clone_from(&change.to);
        });
    }
}

fn edit_column(world: &World, collection: &str, column: &str, edit: impl FnOnce(&mut Column)) {
    let mut panda = world.panda();
    let Some(collection) = panda.collection_named(collection) else {
        tracing::warn!(collection, "a fault names a collection that does not exist");
        return;
    };
    match collection.position_named(column) {
        Some(at) => edit(&mut collection.columns[at]),
        None => tracing::warn!(column, "a fault names a column that does not exist"),
    }
}

/// Calls that carry their tenant and collection in a body.
fn with_body(world: &World, faults: &AssetPandaFaults, route: Route<'_>, sent: &Sent) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(&sent.body) else {
        return refused(400, "the body is not JSON");
    };
    let operation = route.operation();
    let rows = body["records"].as_array().map_or(0, Vec::len);
    if operation.is_write() && rows > write::CAP {
        world.traffic.violation(Violation {
            api: Api::AssetPanda,
            kind: "asset_panda_over_cap",
            method: sent.method.to_string(),
            path: sent.uri.path().to_owned(),
            message: format!("{rows} rows in one call; at most {} are allowed", write::CAP),
        });
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let now = world.millis();
    let mut panda = world.panda();
    if !panda.is_tenant(&text(&body["tenant"]["accountId"]), &text(&body["tenant"]["moduleId"])) {
        return refused(404, "Tenant not found");
    }
    let Some(collection) = panda.collection_mut(&text(&body["collectionId"])).filter(|collection| !collection.deleted)
    else {
        return refused(404, "Collection not found");
    };
    let mut scope = Scope {
        collection,
        faults,
        strikes: &world.faults,
        now,
        visible_at: (faults.search_lag_ms > 0).then_some(now + faults.search_lag_ms),
    };
    if operation == Operation::Search {
        search::search(&mut scope, &body)
    } else {
        write::write(&mut scope, operation, &body)
    }
}

/// An error as this API words it.
fn refused(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message }))
}
