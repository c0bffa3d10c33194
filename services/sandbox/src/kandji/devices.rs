//! `GET /devices` and `GET /devices/{id}` (kandji-api.md section 3).

use std::sync::PoisonError;

use crate::answer::Answer;
use crate::faults::{BetweenPages, KandjiFaults};
use crate::fleet::{Query, Served, Style};
use crate::world::World;

use super::{Parameters, not_found};

/// The largest page, and the page when no size is asked for.
const LIMIT: usize = 300;
/// About what a device takes.
const DEVICE_BYTES: usize = 900;

pub(super) fn list(world: &World, faults: &KandjiFaults, parameters: &Parameters) -> Answer {
    let asked = parameters.number("limit").filter(|limit| *limit > 0).unwrap_or(LIMIT);
    let cap = faults.page_cap.map_or(LIMIT, |cap| cap.max(1) as usize);
    let limit = asked.min(LIMIT);
    let offset = parameters.number("offset").unwrap_or(0);
    let query = Query::parse(parameters.iter());
    let style = Style::of(faults);
    let size = limit.min(cap);
    let mut body = Vec::with_capacity(size * DEVICE_BYTES + 2);
    let served = world.fleet().page(&query, offset, size, &style, &mut body);
    if served.count > 0 {
        between_pages(world, faults, &served);
    }
    let answer = again_or(world, faults, Answer::written(body));
    if faults.total_headers { with_totals(answer, served.total, limit, offset) } else { answer }
}

pub(super) fn one(world: &World, faults: &KandjiFaults, id: &str) -> Answer {
    let fleet = world.fleet();
    match fleet.find(id) {
        Some(slot) => Answer::json(200, &fleet.object(slot, &Style::of(faults))),
        None => not_found(),
    }
}

/// What the fleet does between this page and the next one.
fn between_pages(world: &World, faults: &KandjiFaults, served: &Served) {
    let due = |path, change: Option<&BetweenPages>| {
        change.is_some_and(|change| {
            let after = change.after.saturating_sub(1);
            world.faults.counted(path, after, change.every, change.count)
        })
    };
    let devices = |change: &BetweenPages| usize::try_from(change.devices).unwrap_or(usize::MAX);
    if let Some(change) = &faults.delete_between_pages
        && due("kandji.delete_between_pages", Some(change))
    {
        world.fleet_mut().vanish(change.at, devices(change), served.last);
    }
    if let Some(change) = &faults.add_between_pages
        && due("kandji.add_between_pages", Some(change))
    {
        world.fleet_mut().appear(change.at, devices(change), served.last);
    }
}

/// The answer, or the one before it where a fault wants a page repeated.
fn again_or(world: &World, faults: &KandjiFaults, answer: Answer) -> Answer {
    let Some(at) = faults.repeat_page_at else {
        return answer;
    };
    let mut last = world.last_page.lock().unwrap_or_else(PoisonError::into_inner);
    let due = world.faults.counted("kandji.repeat_page_at", at.saturating_sub(1), 1, Some(1));
    match last.clone().filter(|_| due) {
        Some(page) => Answer::written(page),
        None => {
            *last = Some(answer.body());
            answer
        }
    }
}

/// The headers of the 2023 captures; the links say `None` where there is none.
fn with_totals(answer: Answer, total: usize, limit: usize, offset: usize) -> Answer {
    let base = "https://yourcompany.api.kandji.io/api/v1/devices";
    let link = |offset: Option<usize>| match offset {
        None => "None".to_owned(),
        Some(0) => format!("{base}?limit={limit}"),
        Some(offset) => format!("{base}?limit={limit}&offset={offset}"),
    };
    let next = link(Some(offset + limit).filter(|next| *next < total));
    let prev = link((offset > 0).then(|| offset.saturating_sub(limit)));
    answer
        .header("x-total-count", total)
        .header("x-total-pages", total.div_ceil(limit))
        .header("allow", "GET")
        .header("link", format!("<{next}>; rel=\"next\", <{prev}>; rel=\"prev\""))
}
