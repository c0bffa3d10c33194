//! `GET /users` and `GET /users/{id}`: cursor paging (kandji-api.md section 9.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::form_urlencoded;

use crate::answer::Answer;
use crate::faults::KandjiFaults;
use crate::fleet::Fleet;
use crate::json::Object;
use crate::world::World;

use super::{Parameters, not_found};

/// The page when no size is asked for.
const DEFAULT_SIZE: usize = 25;
/// The largest page.
const MOST: usize = 300;

/// Where a page begins.
enum Cursor {
    /// With the user at this place.
    From(usize),
    /// So that it ends before the user at this place.
    Before(usize),
}

pub(super) fn list(world: &World, faults: &KandjiFaults, parameters: &Parameters) -> Answer {
    let fleet = world.fleet();
    let places = fleet.directory().places();
    let size = ["limit", "sizePerPage"]
        .iter()
        .find_map(|name| parameters.number(name))
        .filter(|size| *size > 0 && !faults.users_page_size_ignored)
        .map_or(DEFAULT_SIZE, |size| size.min(MOST));
    let Some(cursor) = parameters.get("cursor").map_or(Some(Cursor::From(0)), read_cursor) else {
        return Answer::json(404, &json!({"detail": "Invalid cursor"}));
    };
    let wanted = |place: &usize| user_at(&fleet, *place).filter(|user| matches(user, parameters)).is_some();
    let first = match cursor {
        Cursor::From(place) => place,
        Cursor::Before(place) => (0..place.min(places)).rev().filter(wanted).take(size).last().unwrap_or(0),
    };
    let mut results = Vec::with_capacity(size);
    let mut next = None;
    for place in first..places {
        let Some(user) = user_at(&fleet, place).filter(|user| matches(user, parameters)) else {
            continue;
        };
        if results.len() == size {
            next = Some(format!("p={place}"));
            break;
        }
        results.push(user);
    }
    let previous = (0..first.min(places)).any(|place| wanted(&place)).then(|| format!("r=1&p={first}"));
    let link = |cursor: Option<String>| cursor.map(|cursor| url_of(faults, parameters, &cursor));
    let mut page = Object::default();
    page.set("next", link(next));
    page.set("previous", link(previous));
    page.set("results", results);
    Answer::json(200, &page)
}

pub(super) fn one(world: &World, id: &str) -> Answer {
    let fleet = world.fleet();
    let place = fleet.directory().find(id);
    match place.and_then(|place| user_at(&fleet, place)) {
        Some(user) => Answer::json(200, &user),
        None => not_found(),
    }
}

fn user_at(fleet: &Fleet, place: usize) -> Option<Object> {
    fleet.directory().at(place, |person| fleet.devices_of(person))
}

fn matches(user: &Object, parameters: &Parameters) -> bool {
    parameters.iter().all(|(name, value)| match name {
        "email" => user.text("email").to_lowercase().contains(&value.to_lowercase()),
        "id" => user.text("id") == value,
        "archived" => user.text("archived") == value.to_lowercase(),
        "integration_id" => user.object("integration").is_some_and(|own| own.text("id") == value),
        _ => true,
    })
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    if let Some(place) = decoded.strip_prefix("r=1&p=") {
        return place.parse().ok().map(Cursor::Before);
    }
    decoded.strip_prefix("p=")?.parse().ok().map(Cursor::From)
}

/// The link as documented: it points at the web-app host, where no token must ever go.
fn url_of(faults: &KandjiFaults, parameters: &Parameters, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("cursor", &STANDARD.encode(cursor));
    for (name, value) in parameters.iter().filter(|(name, _)| *name != "cursor") {
        query.append_pair(name, value);
    }
    format!("{}/api/v1/users?{}", faults.users_next_origin, query.finish())
}
