//! Filters and orderings of the device list (kandji-api.md section 3.1).

use std::sync::{Arc, PoisonError};

use super::{Fleet, Selected, Slot, View};

/// Keys that `ordering` knows.
const ORDERINGS: &[&str] = &[
    "asset_tag",
    "blueprint_id",
    "device_id",
    "device_name",
    "last_check_in",
    "model",
    "platform",
    "os_version",
    "serial_number",
    "user",
];

/// What was asked of the list, without the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Keys with their direction: true is falling.
    ordering: Vec<(&'static str, bool)>,
    filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Contains(&'static str, String),
    Exact(&'static str, String),
    Tag(Vec<String>),
    /// Matches nothing that the sandbox knows of.
    Nothing,
}

impl Query {
    /// Reads the parameters; unknown ones are ignored, as the real API does.
    pub(crate) fn parse<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut query = Self::default();
        for (name, value) in parameters {
            if name == "ordering" {
                query.ordering = value.split(',').filter_map(ordering).collect();
            } else if !value.is_empty()
                && let Some(filter) = filter(name, value)
            {
                query.filters.push(filter);
            }
        }
        query
    }

    /// Whether pages can be found without going through the whole fleet.
    pub(super) fn is_plain(&self) -> bool {
        self.filters.is_empty() && (self.ordering.is_empty() || self.by_device_id())
    }

    pub(super) fn by_device_id(&self) -> bool {
        self.ordering.first().is_some_and(|(key, _)| *key == "device_id")
    }

    pub(super) fn descending(&self) -> bool {
        self.ordering.first().is_some_and(|(_, falling)| *falling)
    }
}

fn ordering(text: &str) -> Option<(&'static str, bool)> {
    let text = text.trim();
    let (name, falling) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let key = ORDERINGS.iter().find(|known| **known == name)?;
    Some((key, falling))
}

fn filter(name: &str, value: &str) -> Option<Filter> {
    let contains = |key| Filter::Contains(key, value.to_lowercase());
    let exact = |key| Filter::Exact(key, value.to_owned());
    let list = || value.split(',').map(|tag| tag.trim().to_owned()).collect();
    Some(match name {
        "platform" => exact("platform"),
        "device_id" => exact("device_id"),
        "user_id" => exact("user_id"),
        "user_email_exact" => exact("user_email"),
        "serial_number" => contains("serial_number"),
        "device_name" => contains("device_name"),
        "asset_tag" => contains("asset_tag"),
        "model" => contains("model"),
        "os_version" => contains("os_version"),
        "blueprint_id" => contains("blueprint_id"),
        "user" | "user_name" => contains("user_name"),
        "user_email" => contains("user_email"),
        "tag_name" => Filter::Tag(vec![value.to_owned()]),
        "tag_name_in" => Filter::Tag(list()),
        // The list shows neither MAC addresses, tag ids nor FileVault, so none of them can match.
        "mac_address" | "tag_id" | "tag_id_in" | "filevault_enabled" => Filter::Nothing,
        _ => return None,
    })
}

impl Filter {
    fn matches(&self, device: &View) -> bool {
        match self {
            Self::Contains(key, text) => device.text(key).to_lowercase().contains(text),
            Self::Exact(key, text) => device.text(key) == *text,
            Self::Tag(tags) => tags.iter().any(|tag| device.has_tag(tag)),
            Self::Nothing => false,
        }
    }
}

impl Fleet {
    /// The slots that a query with filters or another order selects; kept until the fleet changes.
    pub(super) fn select(&self, query: &Query) -> Arc<Vec<Slot>> {
        let mut kept = self.selected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && kept.version == self.version
            && kept.query == *query
        {
            return kept.slots.clone();
        }
        let mut matching = Vec::new();
        for place in 0..self.len() {
            let slot = self.slot_at(&Query::default(), place);
            let device = self.view(slot);
            if query.filters.iter().all(|filter| filter.matches(&device)) {
                let keys: Vec<String> = query.ordering.iter().map(|(key, _)| device.text(key).into_owned()).collect();
                matching.push((keys, slot));
            }
        }
        matching.sort_by(|(a, _), (b, _)| {
            let pairs = query.ordering.iter().zip(a.iter().zip(b));
            pairs
                .map(|((_, falling), (a, b))| if *falling { b.cmp(a) } else { a.cmp(b) })
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let slots = Arc::new(matching.into_iter().map(|(_, slot)| slot).collect::<Vec<_>>());
        *kept = Some(Selected { query: query.clone(), version: self.version, slots: slots.clone() });
        slots
    }
}
