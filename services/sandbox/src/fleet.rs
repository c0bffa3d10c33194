//! The fleet: generated devices drawn on demand, with an overlay of edits, and raw devices as they were given.

mod change;
mod directory;
mod edit;
mod generate;
mod generated;
mod hash;
mod people;
mod pools;
mod query;
mod render;
mod time;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;

pub(crate) use change::ChangedKey;
pub(crate) use directory::Directory;
pub(crate) use edit::{EditError, UserPatch};
pub use generate::{FleetSpec, MOST_DEVICES};
pub(crate) use hash::{mix, push_crockford, read_crockford};
pub(crate) use query::Query;
pub(crate) use render::Style;

use crate::json::Object;
use change::Change;
use generate::{device_id, index_of};
use generated::Generated;
use people::Person;
use pools::BLUEPRINTS;

/// A device that is kept as JSON text: given raw, or a generated one that was edited.
#[derive(Clone, Debug)]
struct Raw {
    text: Box<RawValue>,
    /// Empty if it has none.
    device_id: String,
}

impl Raw {
    fn new(text: Box<RawValue>) -> Self {
        let device_id = Self::parse(&text).text("device_id").into_owned();
        Self { text, device_id }
    }

    fn from_object(object: &Object) -> Self {
        Self { text: object.to_raw(), device_id: object.text("device_id").into_owned() }
    }

    /// The device as an object; an empty one if the text is something else.
    fn parse(text: &RawValue) -> Object {
        serde_json::from_str(text.get()).unwrap_or_default()
    }

    fn object(&self) -> Object {
        Self::parse(&self.text)
    }
}

/// Where a device is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Generated, by its index.
    Base(u32),
    /// Given raw or added, in the order of addition.
    Added(usize),
}

/// The fleet and its users.
#[derive(Debug)]
pub(crate) struct Fleet {
    spec: FleetSpec,
    changes: Vec<Change>,
    /// Counts every change since the start, so that no two give the same values.
    change_count: u32,
    check_ins: u32,
    /// Generated devices that are gone; rising.
    deleted: Vec<u32>,
    edits: BTreeMap<u32, Raw>,
    added: Vec<Raw>,
    /// Positions in `added`, by device id.
    added_by_id: Vec<usize>,
    /// Where the devices of `added_by_id` stand in the whole fleet by device id; rising.
    added_places: Vec<u64>,
    /// How many devices were made after the fleet was.
    made: u32,
    directory: Directory,
    /// Raised by every edit: what was worked out before is stale.
    version: u64,
    selected: Mutex<Option<Selected>>,
}

/// The slots that a query selected, kept for the next page of the same query.
#[derive(Debug)]
struct Selected {
    query: Query,
    version: u64,
    slots: Arc<Vec<Slot>>,
}

/// What a page of the list came to.
#[derive(Debug)]
pub(crate) struct Served {
    /// Devices that match, on all pages.
    pub(crate) total: usize,
    /// Devices on this page.
    pub(crate) count: usize,
    /// The last device of this page.
    pub(crate) last: Option<Slot>,
}

/// A device with its keys readable one by one.
enum View {
    Generated(Box<Generated>, Option<Person>),
    Json(Object),
}

impl Fleet {
    /// A generated fleet.
    pub(crate) fn new(spec: FleetSpec) -> Self {
        Self {
            directory: Directory::new(&spec),
            spec,
            changes: Vec::new(),
            change_count: 0,
            check_ins: 0,
            deleted: Vec::new(),
            edits: BTreeMap::new(),
            added: Vec::new(),
            added_by_id: Vec::new(),
            added_places: Vec::new(),
            made: 0,
            version: 0,
            selected: Mutex::default(),
        }
    }

    /// How many devices there are.
    pub(crate) fn len(&self) -> usize {
        self.live() + self.added.len()
    }

    pub(crate) fn spec(&self) -> &FleetSpec {
        &self.spec
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Writes one page of the list as a JSON array.
    pub(crate) fn page(&self, query: &Query, offset: usize, limit: usize, style: &Style, out: &mut Vec<u8>) -> Served {
        let selected = (!query.is_plain()).then(|| self.select(query));
        let total = selected.as_ref().map_or_else(|| self.len(), |slots| slots.len());
        let end = offset.saturating_add(limit).min(total);
        let mut served = Served { total, count: 0, last: None };
        out.push(b'[');
        for place in offset..end {
            let slot = match &selected {
                Some(slots) => slots[place],
                None => self.slot_at(query, place),
            };
            if served.count > 0 {
                out.push(b',');
            }
            self.write(slot, style, out);
            served.count += 1;
            served.last = Some(slot);
        }
        out.push(b']');
        served
    }

    /// Finds a device by its id.
    pub(crate) fn find(&self, id: &str) -> Option<Slot> {
        let found = self.added_by_id.binary_search_by(|at| self.added[*at].device_id.as_str().cmp(id));
        if let Ok(found) = found {
            return Some(Slot::Added(self.added_by_id[found]));
        }
        let index = index_of(id).filter(|index| *index < self.spec.devices)?;
        let live = self.deleted.binary_search(&index).is_err();
        (live && device_id(self.spec.seed, index) == id).then_some(Slot::Base(index))
    }

    /// A device as an object.
    pub(crate) fn object(&self, slot: Slot, style: &Style) -> Object {
        let mut out = Vec::with_capacity(1_024);
        self.write(slot, style, &mut out);
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// Devices by platform.
    pub(crate) fn platforms(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for place in 0..self.len() {
            let platform = match self.slot_at(&Query::default(), place) {
                Slot::Base(index) if !self.edits.contains_key(&index) => {
                    Cow::Borrowed(Generated::platform_of(&self.spec, index))
                }
                slot => Cow::Owned(self.view(slot).text("platform").into_owned()),
            };
            if let Some(count) = counts.get_mut(&*platform) {
                *count += 1;
            } else {
                counts.insert(platform.into_owned(), 1);
            }
        }
        counts
    }

    /// Devices assigned to a generated user: only those of its block can be.
    pub(crate) fn devices_of(&self, person: &Person) -> usize {
        let first = person.index / people::BLOCK_USERS * people::BLOCK_DEVICES;
        let last = (first + people::BLOCK_DEVICES).min(self.spec.devices);
        (first..last)
            .filter(|index| self.deleted.binary_search(index).is_err())
            .filter(|index| *self.view(Slot::Base(*index)).text("user_id") == person.id)
            .count()
    }

    /// Generated devices that are still there.
    fn live(&self) -> usize {
        self.spec.devices as usize - self.deleted.len()
    }

    /// The generated device at this rank among those still there.
    fn live_at(&self, rank: usize) -> u32 {
        let (mut low, mut high) = (0, self.deleted.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.deleted[middle] as usize - middle <= rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(rank + low).unwrap_or(u32::MAX)
    }

    /// The device at a place of a query without filters, in time that does not grow with the place.
    fn slot_at(&self, query: &Query, place: usize) -> Slot {
        if !query.by_device_id() {
            return if place < self.live() {
                Slot::Base(self.live_at(place))
            } else {
                Slot::Added(place - self.live())
            };
        }
        let place = if query.descending() { self.len() - 1 - place } else { place };
        let before = self.added_places.partition_point(|at| *at < place as u64);
        if self.added_places.get(before) == Some(&(place as u64)) {
            Slot::Added(self.added_by_id[before])
        } else {
            Slot::Base(self.live_at(place - before))
        }
    }

    /// Works out again where added devices stand.
    fn reindex(&mut self) {
        self.version += 1;
        let mut by_id: Vec<usize> = (0..self.added.len()).collect();
        by_id.sort_by(|a, b| self.added[*a].device_id.cmp(&self.added[*b].device_id));
        let mut places = Vec::with_capacity(by_id.len());
        for (rank, at) in by_id.iter().enumerate() {
            places.push((self.live_below(&self.added[*at].device_id) + rank) as u64);
        }
        self.added_by_id = by_id;
        self.added_places = places;
    }

    /// How many generated devices have an id below this one.
    fn live_below(&self, id: &str) -> usize {
        let (mut low, mut high) = (0, self.live());
        while low < high {
            let middle = usize::midpoint(low, high);
            if device_id(self.spec.seed, self.live_at(middle)).as_str() < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn write(&self, slot: Slot, style: &Style, out: &mut Vec<u8>) {
        let raw = match slot {
            Slot::Added(at) => &self.added[at],
            Slot::Base(index) => match self.edits.get(&index) {
                Some(raw) => raw,
                None => {
                    let device = self.draw(index);
                    let person = device.user.map(|user| self.directory.person(user));
                    device.write(person.as_ref(), style, out);
                    return;
                }
            },
        };
        if style.leaves_raw_alone() || !raw.text.get().starts_with('{') {
            out.extend_from_slice(raw.text.get().as_bytes());
        } else {
            let mut device = raw.object();
            style.restyle(&mut device, |id| self.directory.old_id(id));
            out.extend_from_slice(device.to_raw().get().as_bytes());
        }
    }

    fn draw(&self, index: u32) -> Generated {
        Generated::draw(&self.spec, index, &self.changes, self.check_ins)
    }

    fn view(&self, slot: Slot) -> View {
        match slot {
            Slot::Added(at) => View::Json(self.added[at].object()),
            Slot::Base(index) => match self.edits.get(&index) {
                Some(raw) => View::Json(raw.object()),
                None => {
                    let device = self.draw(index);
                    let person = device.user.map(|user| self.directory.person(user));
                    View::Generated(Box::new(device), person)
                }
            },
        }
    }
}

impl View {
    /// A key's value as text; the user's fields are `user_id`, `user_email`, `user_name`.
    fn text(&self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Json(device) => match key {
                "user" | "user_name" => nested(device, "name"),
                "user_email" => nested(device, "email"),
                "user_id" => nested(device, "id"),
                _ => device.text(key),
            },
            Self::Generated(device, person) => {
                let person = person.as_ref();
                match key {
                    "device_id" => Cow::Borrowed(&device.device_id),
                    "device_name" => Cow::Borrowed(&device.device_name),
                    "model" => Cow::Borrowed(&device.model),
                    "serial_number" => Cow::Borrowed(&device.serial_number),
                    "platform" => Cow::Borrowed(device.platform),
                    "os_version" => Cow::Borrowed(&device.os_version),
                    "asset_tag" => Cow::Borrowed(&device.asset_tag),
                    "blueprint_id" => Cow::Borrowed(BLUEPRINTS[device.blueprint].0),
                    "last_check_in" => {
                        let mut out = String::new();
                        if let Some(at) = device.last_check_in {
                            time::push_time(&mut out, at, time::Form::Z);
                        }
                        Cow::Owned(out)
                    }
                    "user" | "user_name" => {
                        Cow::Owned(person.map_or_else(String::new, |p| format!("{} {}", p.given, p.family)))
                    }
                    "user_email" => Cow::Borrowed(person.map_or("", |p| &p.email)),
                    "user_id" => Cow::Borrowed(person.map_or("", |p| &p.id)),
                    _ => Cow::Borrowed(""),
                }
            }
        }
    }

    fn has_tag(&self, tag: &str) -> bool {
        match self {
            Self::Generated(device, _) => device.tags.iter().any(|own| own == tag),
            Self::Json(device) => device
                .get("tags")
                .and_then(|raw| serde_json::from_str::<Vec<String>>(raw.get()).ok())
                .is_some_and(|tags| tags.iter().any(|own| own == tag)),
        }
    }
}

fn nested<'a>(device: &Object, key: &str) -> Cow<'a, str> {
    let user = device.object("user").unwrap_or_default();
    Cow::Owned(user.text(key).into_owned())
}

#[cfg(test)]
mod tests;
