//! The Kandji stand-in (kandji-api.md section 10).

mod details;
mod devices;
mod route;
mod secondary;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::json;
use tower_http::compression::CompressionLayer;
use url::form_urlencoded;

use crate::answer::{Answer, Outcome, conclude};
use crate::faults::{KandjiFaults, KandjiRateLimit};
use crate::limits::Verdict;
use crate::server::Connection;
use crate::traffic::{Api, Violation};
use crate::world::{World, clock_seconds};
use route::{Permission, Route};

/// The stand-in as a router; everything is one fallback, so that every path is seen and counted.
pub(crate) fn router(world: Arc<World>, gzip: bool) -> Router {
    let router = Router::new().fallback(handle).with_state(world);
    if gzip { router.layer(CompressionLayer::new()) } else { router }
}

async fn handle(State(world): State<Arc<World>>, request: Request) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let method = request.method();
    let path = request.uri().path();
    let route = Route::parse(path);
    let whole = request.uri().path_and_query().map_or(path, |whole| whole.as_str());
    let call = world.traffic.arrive(Api::Kandji, method.as_str(), route.template(), whole);
    let outcome = if method == Method::GET {
        let parameters = parameters(request.uri().query().unwrap_or_default());
        get(&world, &route, &parameters, request.headers()).await
    } else {
        not_a_get(&world, &route, method.as_str(), whole).into()
    };
    conclude(outcome, &connection, call).await
}

/// The parameters of a query, in order.
#[derive(Debug)]
struct Parameters(Vec<(String, String)>);

fn parameters(query: &str) -> Parameters {
    Parameters(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A number, or nothing if it is absent or none.
    fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.trim().parse().ok()
    }
}

/// An importer only reads: anything else is noted, and refused.
fn not_a_get(world: &World, route: &Route<'_>, method: &str, path: &str) -> Answer {
    world.traffic.violation(Violation {
        api: Api::Kandji,
        kind: "kandji_not_a_get",
        method: method.to_owned(),
        path: path.to_owned(),
        message: "a request other than GET was sent to Kandji".to_owned(),
    });
    if matches!(route, Route::Device(_)) {
        denied(403)
    } else {
        let detail = format!("Method \"{method}\" not allowed.");
        Answer::json(405, &json!({ "detail": detail }))
    }
}

async fn get(world: &World, route: &Route<'_>, parameters: &Parameters, headers: &HeaderMap) -> Outcome {
    let faults = world.faults.now();
    let faults = &faults.kandji;
    let operation = route.operation();
    let strikes = &world.faults;
    if faults.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    }
    if strikes.strikes("kandji.hang", faults.hang.as_ref(), operation) {
        return Outcome::Hang;
    }
    if strikes.strikes("kandji.reset_connection", faults.reset_connection.as_ref(), operation) {
        return Outcome::Cut { reset: true };
    }
    if let Some(burst) = &faults.status_burst
        && strikes.strikes("kandji.status_burst", Some(burst), operation)
    {
        return burst_answer(burst.status).retry_after_text(burst.retry_after.as_deref()).into();
    }
    if faults.html || strikes.strikes_every("kandji.html_every", faults.html_every) {
        return Answer::page().into();
    }
    let answer = beyond_the_gateway(world, faults, route, parameters, headers);
    let breaks_off = strikes.strikes_every("kandji.truncate_every", faults.truncate_every)
        | strikes.strikes("kandji.truncate", faults.truncate.as_ref(), operation);
    if breaks_off { answer.truncated().into() } else { answer.into() }
}

/// An error as the back end or its gateway would give it.
fn burst_answer(status: u16) -> Answer {
    match status {
        429 => Answer::json(429, &json!({"message": "API rate limit exceeded"})),
        502..=504 => Answer::gateway_error(status),
        _ => Answer::json(status, &json!({"detail": "A server error occurred."})),
    }
}

/// Auth first, then the permission, then the limits, then the data.
fn beyond_the_gateway(
    world: &World,
    faults: &KandjiFaults,
    route: &Route<'_>,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Answer {
    if let Route::Unknown = route {
        let body = json!({
            "message": "no Route matched with those values",
            "request_id": "0f00000000000000000000000000000a",
        });
        return Answer::json(404, &body);
    }
    if let Some(answer) = unauthorised(world, faults, headers) {
        return answer;
    }
    if !permitted(faults, route.permission()) {
        return denied(faults.missing_permission_status);
    }
    let Some(limit) = &faults.rate_limit else {
        return data(world, faults, route, parameters);
    };
    let verdict = world.kandji_windows().take(clock_seconds(), limit.per_second, limit.per_hour);
    let answer = if verdict.allowed {
        data(world, faults, route, parameters)
    } else {
        let body = json!({
            "message": "API rate limit exceeded",
            "request_id": "0f00000000000000000000000000000b",
        });
        Answer::json(429, &body).retry_after(limit.retry_after, verdict.tightest.2)
    };
    with_limits(answer, limit, verdict)
}

/// The refusal of a token that is missing, wrong or revoked.
fn unauthorised(world: &World, faults: &KandjiFaults, headers: &HeaderMap) -> Option<Answer> {
    let invalid = || Answer::json(401, &json!({"detail": "Invalid token."}));
    let Some(value) = headers.get(AUTHORIZATION) else {
        let detail = "Authentication credentials were not provided.";
        return Some(Answer::json(401, &json!({ "detail": detail })));
    };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    if token != Some(world.credentials.kandji_token.as_str()) {
        return Some(invalid());
    }
    let late = world.faults.past("kandji.revoke_after_calls", faults.revoke_after_calls);
    (faults.revoked || late).then(invalid)
}

fn permitted(faults: &KandjiFaults, permission: Permission) -> bool {
    let granted = &faults.permissions;
    match permission {
        Permission::Devices => granted.devices,
        Permission::Details => granted.details,
        Permission::Users => granted.users,
        Permission::Licensing => granted.licensing,
        Permission::Other => granted.other,
    }
}

fn denied(status: u16) -> Answer {
    if status == 401 {
        Answer::json(401, &json!({"message": "Invalid authentication"}))
    } else {
        let detail = "You do not have permission to perform this action.";
        Answer::json(status, &json!({ "detail": detail }))
    }
}

fn with_limits(answer: Answer, limit: &KandjiRateLimit, verdict: Verdict) -> Answer {
    if !limit.headers {
        return answer;
    }
    let (tightest, left, reset) = verdict.tightest;
    answer
        .header("ratelimit-limit", tightest)
        .header("ratelimit-remaining", left)
        .header("ratelimit-reset", reset)
        .header("x-ratelimit-limit-second", limit.per_second)
        .header("x-ratelimit-remaining-second", verdict.left_second)
        .header("x-ratelimit-limit-hour", limit.per_hour)
        .header("x-ratelimit-remaining-hour", verdict.left_hour)
}

fn data(world: &World, faults: &KandjiFaults, route: &Route<'_>, parameters: &Parameters) -> Answer {
    match route {
        Route::Devices => devices::list(world, faults, parameters),
        Route::Device(id) => devices::one(world, faults, id),
        Route::Details(id) => details::details(world, faults, id),
        Route::LostMode(id) => details::lost_mode(world, faults, id),
        Route::Activity(id) => secondary::activity(world, id),
        Route::Status(id) => secondary::status(world, id),
        Route::Users => users::list(world, faults, parameters),
        Route::User(id) => users::one(world, id),
        Route::Blueprints => secondary::blueprints(parameters),
        Route::Blueprint(id) => secondary::blueprint(id),
        Route::Tags => secondary::tags(parameters),
        Route::Licensing => secondary::licensing(world),
        Route::AuditEvents => secondary::audit_events(),
        Route::Prism => secondary::prism(world, parameters),
        Route::Unknown => not_found(),
    }
}

fn not_found() -> Answer {
    Answer::json(404, &json!({"detail": "Not found."}))
}
