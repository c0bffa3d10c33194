//! The Kandji fleet and its users.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Refusal, Reply, read};
use crate::fleet::{ChangedKey, EditError, Fleet, FleetSpec, MOST_DEVICES, Query, Style, UserPatch};
use crate::json::Object;
use crate::world::World;

const DEVICES: &str = include_str!("../../examples/devices.json");
const MIXED: &str = include_str!("../../examples/devices-mixed-tenant.json");
const VARIANTS: &str = include_str!("../../examples/devices-defensive-variants.json");
const USERS: [&str; 2] =
    [include_str!("../../examples/users-page1.json"), include_str!("../../examples/users-page2.json")];

pub(super) async fn show(State(world): State<Arc<World>>) -> Json<Value> {
    Json(world.fleet().describe())
}

/// A generated fleet instead of the present one; what is not named stays as it was generated before.
pub(super) async fn generate(State(world): State<Arc<World>>, body: String) -> Reply {
    let mut spec = json!(world.fleet().spec());
    let given: Value = read(&body)?;
    let given = given.as_object().ok_or_else(|| Refusal::bad("an object is expected"))?;
    for (key, value) in given {
        spec[key] = value.clone();
    }
    let spec: FleetSpec = serde_json::from_value(spec).map_err(Refusal::bad)?;
    if spec.devices > MOST_DEVICES {
        return Err(Refusal::bad(format!("at most {MOST_DEVICES} devices are possible")));
    }
    *world.fleet_mut() = Fleet::new(spec);
    Ok(show(State(world)).await)
}

/// These devices, exactly as they are.
pub(super) async fn raw(State(world): State<Arc<World>>, body: String) -> Reply {
    *world.fleet_mut() = Fleet::raw(&body, &[]).map_err(Refusal::bad)?;
    Ok(show(State(world)).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Examples {
    #[serde(default = "first_example")]
    files: Vec<String>,
}

fn first_example() -> Vec<String> {
    vec!["devices".to_owned()]
}

/// The devices of the example files, one file after the other, with the users of the examples.
pub(super) async fn examples(State(world): State<Arc<World>>, body: String) -> Reply {
    let examples: Examples = read(&body)?;
    let mut devices: Vec<Box<RawValue>> = Vec::new();
    for file in &examples.files {
        let text = match file.trim_end_matches(".json") {
            "devices" => DEVICES,
            "devices-mixed-tenant" => MIXED,
            "devices-defensive-variants" => VARIANTS,
            other => {
                return Err(Refusal::bad(format!(
                    "there is no example {other}; devices, devices-mixed-tenant and devices-defensive-variants exist"
                )));
            }
        };
        devices.extend(serde_json::from_str::<Vec<Box<RawValue>>>(text).map_err(Refusal::bad)?);
    }
    let mut users: Vec<Object> = Vec::new();
    for page in USERS {
        let page: Object = serde_json::from_str(page).map_err(Refusal::bad)?;
        let results = page.get("results").map_or("[]", |raw| raw.get());
        users.extend(serde_json::from_str::<Vec<Object>>(results).map_err(Refusal::bad)?);
    }
    let text = serde_json::to_string(&devices).map_err(Refusal::bad)?;
    *world.fleet_mut() = Fleet::raw(&text, &users).map_err(Refusal::bad)?;
    Ok(show(State(world)).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    percent: f64,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default = "os_version")]
    fields: Vec<ChangedKey>,
}

fn one() -> u64 {
    1
}

fn os_version() -> Vec<ChangedKey> {
    vec![ChangedKey::OsVersion]
}

/// Changes exactly this share of the devices.
pub(super) async fn change(State(world): State<Arc<World>>, body: String) -> Reply {
    let request: ChangeRequest = read(&body)?;
    let changed = world.fleet_mut().change(request.percent, request.seed, request.fields);
    Ok(Json(json!({ "changed": changed })))
}

/// Moves the last check-in of every device that ever checked in by a quarter of an hour.
pub(super) async fn check_ins(State(world): State<Arc<World>>) -> Json<Value> {
    world.fleet_mut().check_in();
    Json(json!({}))
}

/// The list as Kandji would give it, uncounted and without any fault; the same parameters, no limit.
pub(super) async fn devices(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Reply {
    let query = query.unwrap_or_default();
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let pairs = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut out = Vec::new();
    let served = world.fleet().page(
        &Query::parse(pairs),
        number("offset").unwrap_or(0),
        number("limit").unwrap_or(usize::MAX),
        &Style::default(),
        &mut out,
    );
    let devices: Value = serde_json::from_slice(&out).map_err(Refusal::bad)?;
    Ok(Json(json!({"total": served.total, "devices": devices})))
}

/// `{"count": 3}`: so many more generated ones. An object: a device with all keys, these as given. An array:
/// devices exactly as they are.
pub(super) async fn add(State(world): State<Arc<World>>, body: String) -> Reply {
    let mut fleet = world.fleet_mut();
    let ids: Vec<String> = if body.trim_start().starts_with('[') {
        let devices: Vec<Box<RawValue>> = read(&body)?;
        devices.into_iter().map(|device| fleet.add_raw(device)).collect()
    } else {
        let given: Object = read(&body)?;
        match given.get("count") {
            Some(count) => {
                let count: u32 = read(count.get())?;
                fleet.add_generated(count as usize)
            }
            None => vec![fleet.add_over_generated(&given)],
        }
    };
    Ok(Json(json!({ "device_ids": ids })))
}

pub(super) async fn device(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    let fleet = world.fleet();
    let slot = fleet.find(&id).ok_or_else(|| Refusal::missing(EditError::NoDevice(id)))?;
    Ok(Json(json!(fleet.object(slot, &Style::default()))))
}

/// Puts these keys over the device's; null stays null, and `"$remove": ["key"]` takes keys out.
pub(super) async fn patch(State(world): State<Arc<World>>, Path(id): Path<String>, body: String) -> Reply {
    let mut given: Object = read(&body)?;
    let remove: Vec<String> = match given.get("$remove") {
        Some(keys) => read(keys.get())?,
        None => Vec::new(),
    };
    given.remove("$remove");
    world.fleet_mut().patch(&id, &given, &remove).map_err(refusal)?;
    let id = if given.get("device_id").is_some() { given.text("device_id").into_owned() } else { id };
    device(State(world), Path(id)).await
}

pub(super) async fn delete(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    world.fleet_mut().delete(&id).map_err(refusal)?;
    Ok(Json(json!({})))
}

fn refusal(error: EditError) -> Refusal {
    match error {
        EditError::NoDevice(_) => Refusal::missing(error),
        EditError::FixedId => Refusal::bad(error),
    }
}

pub(super) async fn user(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    let fleet = world.fleet();
    let place = fleet.directory().find(&id);
    let user = place.and_then(|place| fleet.directory().at(place, |person| fleet.devices_of(person)));
    user.map(|user| Json(json!(user))).ok_or_else(|| no_user(&id))
}

/// Sets a user's flags: `{"active": false, "archived": true}`.
pub(super) async fn patch_user(State(world): State<Arc<World>>, Path(id): Path<String>, body: String) -> Reply {
    let given: UserPatch = read(&body)?;
    if !world.fleet_mut().patch_user(&id, given) {
        return Err(no_user(&id));
    }
    user(State(world), Path(id)).await
}

/// Takes a user out of the directory; devices stay assigned to it.
pub(super) async fn delete_user(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    if world.fleet_mut().delete_user(&id) { Ok(Json(json!({}))) } else { Err(no_user(&id)) }
}

fn no_user(id: &str) -> Refusal {
    Refusal::missing(format!("there is no user {id}"))
}
