//! The smaller endpoints: right in shape, simple in content.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::fleet::{Query, Style};
use crate::json::Object;
use crate::world::World;

use super::{Parameters, not_found};

const BLUEPRINTS: &str = include_str!("../../examples/blueprints.json");
const TAGS: &str = include_str!("../../examples/tags.json");
const ACTIVITY: &str = include_str!("../../examples/device-activity.json");
const STATUS: &str = include_str!("../../examples/device-status.json");
const PRISM: &str = include_str!("../../examples/prism-device-information.json");

pub(super) fn activity(world: &World, id: &str) -> Answer {
    with_device_id(world, id, ACTIVITY)
}

pub(super) fn status(world: &World, id: &str) -> Answer {
    with_device_id(world, id, STATUS)
}

fn with_device_id(world: &World, id: &str, template: &str) -> Answer {
    if world.fleet().find(id).is_none() {
        return not_found();
    }
    let mut body: Object = serde_json::from_str(template).unwrap_or_default();
    body.set("device_id", id);
    Answer::json(200, &body)
}

pub(super) fn blueprints(parameters: &Parameters) -> Answer {
    let wanted = |blueprint: &Object| {
        parameters.get("id").is_none_or(|id| blueprint.text("id") == id)
            && parameters.get("name").is_none_or(|name| blueprint.text("name").contains(name))
    };
    let all: Vec<Object> = results(BLUEPRINTS).into_iter().filter(wanted).collect();
    let offset = parameters.number("offset").unwrap_or(0);
    let limit = parameters.number("limit").filter(|limit| *limit > 0).unwrap_or(300);
    let count = all.len();
    let page: Vec<Object> = all.into_iter().skip(offset).take(limit).collect();
    let link =
        |offset: usize| format!("https://yourcompany.api.kandji.io/api/v1/blueprints?limit={limit}&offset={offset}");
    let body = json!({
        "count": count,
        "next": (offset + limit < count).then(|| link(offset + limit)),
        "previous": (offset > 0).then(|| link(offset.saturating_sub(limit))),
        "results": page,
    });
    Answer::json(200, &body)
}

pub(super) fn blueprint(id: &str) -> Answer {
    let found = results(BLUEPRINTS).into_iter().find(|blueprint| blueprint.text("id") == id);
    found.map_or_else(not_found, |blueprint| Answer::json(200, &blueprint))
}

pub(super) fn tags(parameters: &Parameters) -> Answer {
    let search = parameters.get("search").unwrap_or_default().to_lowercase();
    let found: Vec<Object> =
        results(TAGS).into_iter().filter(|tag| tag.text("name").to_lowercase().contains(&search)).collect();
    let body = json!({"count": found.len(), "next": null, "previous": null, "results": found});
    Answer::json(200, &body)
}

fn results(example: &str) -> Vec<Object> {
    let page: Object = serde_json::from_str(example).unwrap_or_default();
    let raw = page.get("results").map_or("[]", |raw| raw.get());
    serde_json::from_str(raw).unwrap_or_default()
}

/// The counts are Apple's platforms only, as in the published sample; `computers_count` is everything.
pub(super) fn licensing(world: &World) -> Answer {
    let fleet = world.fleet();
    let platforms = fleet.platforms();
    let of = |platform: &str| platforms.get(platform).copied().unwrap_or(0);
    let total = fleet.len();
    let body = json!({
        "counts": {
            "computers_count": total,
            "ios_count": of("iPhone"),
            "ipados_count": of("iPad"),
            "macos_count": of("Mac"),
            "tvos_count": of("AppleTV"),
        },
        "limits": {
            "plan_type": "single_limit",
            "max_devices": total.max(50).next_multiple_of(50),
            "max_devices_per_platform": {"macos": 0, "ios_ipados": 0},
        },
        "tenantOverLicenseLimit": false,
    });
    Answer::json(200, &body)
}

pub(super) fn audit_events() -> Answer {
    Answer::json(200, &json!({"results": [], "previous": null, "next": null}))
}

pub(super) fn prism(world: &World, parameters: &Parameters) -> Answer {
    let offset = parameters.number("offset").unwrap_or(0);
    let limit = parameters.number("limit").filter(|limit| *limit > 0).map_or(25, |limit| limit.min(300));
    let fleet = world.fleet();
    let mut page = Vec::new();
    let served = fleet.page(&Query::default(), offset, limit, &Style::default(), &mut page);
    let devices: Vec<Object> = serde_json::from_slice(&page).unwrap_or_default();
    let example: Object = serde_json::from_str(PRISM).unwrap_or_default();
    let rows = example.get("data").map_or("[]", |raw| raw.get());
    let templates: Vec<Object> = serde_json::from_str(rows).unwrap_or_default();
    let data: Vec<Object> = devices
        .iter()
        .filter_map(|device| {
            let mac = device.text("platform") == "Mac";
            let mut row = if mac { templates.first() } else { templates.get(1) }?.clone();
            prism_row(&mut row, device);
            Some(row)
        })
        .collect();
    let body = json!({
        "offset": offset, "limit": limit, "total": served.total, "data": data, "cursor": null,
    });
    Answer::json(200, &body)
}

fn prism_row(row: &mut Object, device: &Object) {
    let text = |key: &str| Value::from(&*device.text(key));
    let user = device.object("user").unwrap_or_default();
    for (key, value) in [
        ("device_id", text("device_id")),
        ("device__name", text("device_name")),
        ("device__family", text("platform")),
        ("device__user_id", Value::from(&*user.text("id"))),
        ("device__user_name", Value::from(&*user.text("name"))),
        ("device__user_email", Value::from(&*user.text("email"))),
        ("blueprint_id", text("blueprint_id")),
        ("blueprint_name", text("blueprint_name")),
        ("serial_number", text("serial_number")),
        ("model_name", text("model")),
        ("os_version", text("os_version")),
        ("display_os_version", text("os_version")),
        ("supplemental_build_version", text("supplemental_build_version")),
        ("last_checkin", text("last_check_in")),
    ] {
        row.set(key, value);
    }
}
