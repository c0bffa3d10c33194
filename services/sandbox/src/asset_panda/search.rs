//! `POST /collection-records/search` (asset-panda-pro-api.md section 5).

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Scope, refused, value};
use crate::answer::Answer;
use crate::faults::AssetPandaFaults;
use crate::json::plain_text;
use crate::panda::{Collection, cells};

/// How far into the results paging reaches.
const WINDOW: u64 = 10_000;

struct Filter {
    column: usize,
    operator: Operator,
    /// The value as the column would keep it, if it can be one.
    value: Option<Value>,
    /// The same as JSON text; empty if it cannot be one.
    json: String,
    /// The value as text, without case.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    NotEquals,
    Contains,
    StartsWith,
    GreaterThan,
    LessThan,
    IsEmpty,
}

pub(super) fn search(scope: &mut Scope<'_>, body: &Value) -> Answer {
    let (now, faults) = (scope.now, scope.faults);
    let collection = &mut *scope.collection;
    let size = body["pagination"]["size"].as_u64().unwrap_or(100);
    let from = body["pagination"]["from"].as_u64().unwrap_or(0);
    if from.saturating_add(size) > WINDOW {
        return refused(400, &format!("from + size must not exceed {WINDOW}"));
    }
    let selection = &body["searchInput"]["selection"];
    let any = match selection["matchType"].as_str() {
        Some("Any") => true,
        Some("All") | None => false,
        Some(other) => return refused(400, &format!("matchType must be All or Any, not {other}")),
    };
    let filters = match read_filters(collection, selection, faults) {
        Ok(filters) => filters,
        Err(message) => return refused(400, &message),
    };
    let found = find(collection, &filters, any, faults, now);
    let size = faults.search_size_cap.map_or(size, |cap| cap.min(size));
    let page = found
        .iter()
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
        .take(usize::try_from(size).unwrap_or(usize::MAX));
    let records: Vec<Value> = page
        .filter_map(|at| {
            let row = collection.records.seen_by_search(*at)?;
            Some(shown(collection, *at, row, faults))
        })
        .collect();
    let mut data = Map::new();
    data.insert("records".into(), records.into());
    if faults.total_in_search {
        data.insert("total".into(), found.len().into());
    }
    Answer::json(200, &json!({ "data": data }))
}

/// A record as the API shows it: its id, and the values of the columns that are there.
pub(super) fn shown(collection: &Collection, at: u32, row: &str, faults: &AssetPandaFaults) -> Value {
    let mut record = Map::new();
    record.insert("id".into(), collection.records.id(at).into());
    let values: Vec<Value> = serde_json::from_str(row).unwrap_or_default();
    for (column, kept) in collection.columns.iter().zip(values) {
        if !column.deleted && !kept.is_null() {
            record.insert(column.id.clone(), value::show(column, kept, faults));
        }
    }
    Value::Object(record)
}

fn read_filters(collection: &Collection, selection: &Value, faults: &AssetPandaFaults) -> Result<Vec<Filter>, String> {
    let none = Vec::new();
    let given = selection["filters"].as_array().unwrap_or(&none);
    if faults.max_filters.is_some_and(|most| given.len() as u64 > most) {
        return Err("too many filters".to_owned());
    }
    let read = |filter: &Value| {
        let field = filter["field"].as_str().unwrap_or_default();
        let column = collection
            .position(field)
            .filter(|at| !collection.columns[*at].deleted)
            .ok_or_else(|| format!("unknown field {field}"))?;
        let operator = match filter["operator"].as_str().unwrap_or("equals") {
            "equals" => Operator::Equals,
            "notEquals" => Operator::NotEquals,
            "contains" => Operator::Contains,
            "startsWith" => Operator::StartsWith,
            "greaterThan" => Operator::GreaterThan,
            "lessThan" => Operator::LessThan,
            "isEmpty" => Operator::IsEmpty,
            other => return Err(format!("unknown operator {other}")),
        };
        let sent = &filter["value"];
        let value = value::accept(&collection.columns[column], sent, faults).ok();
        Ok(Filter {
            column,
            operator: if faults.loose_search { Operator::Contains } else { operator },
            json: value.as_ref().map(Value::to_string).unwrap_or_default(),
            value,
            text: plain_text(&sent.to_string()).to_lowercase(),
        })
    };
    given.iter().map(read).collect()
}

/// The records that match, in the order they were made.
fn find(collection: &mut Collection, filters: &[Filter], any: bool, faults: &AssetPandaFaults, now: u64) -> Vec<u32> {
    let records = &mut collection.records;
    let lagging = records.lagging(now);
    let indexed = |filter: &&Filter| filter.operator == Operator::Equals && filter.value.is_some();
    let by_index: Vec<&Filter> = filters.iter().filter(indexed).collect();
    let scan = filters.is_empty() || if any { by_index.len() < filters.len() } else { by_index.is_empty() };
    let mut candidates: Vec<u32> = if scan {
        (0..records.places()).collect()
    } else {
        let chosen = if any { &by_index[..] } else { &by_index[..1] };
        let mut found = Vec::new();
        for filter in chosen {
            if let Some(value) = &filter.value {
                found.extend(records.equal(filter.column, value));
            }
        }
        found.extend(lagging);
        found.sort_unstable();
        found.dedup();
        found
    };
    // What is in the index matches as it is now; search may see an older state of it.
    candidates.retain(|at| {
        records.seen_by_search(*at).is_some_and(|row| {
            let cells = cells(row);
            let matches = |filter: &Filter| filter.matches(cells.get(filter.column).copied(), faults);
            match (filters.is_empty(), any) {
                (true, _) => true,
                (false, true) => filters.iter().any(matches),
                (false, false) => filters.iter().all(matches),
            }
        })
    });
    candidates
}

impl Filter {
    fn matches(&self, cell: Option<&RawValue>, faults: &AssetPandaFaults) -> bool {
        let cell = cell.map(RawValue::get).filter(|cell| *cell != "null");
        let Some(cell) = cell else {
            return match self.operator {
                Operator::IsEmpty => true,
                Operator::NotEquals => self.value.as_ref().is_some_and(|value| !value.is_null()),
                _ => false,
            };
        };
        let text = || plain_text(cell).to_lowercase();
        match self.operator {
            Operator::Equals => self.equals(cell),
            Operator::NotEquals => !self.equals(cell),
            // A loose engine also finds what the wanted value contains.
            Operator::Contains if faults.loose_search => {
                let text = text();
                text.contains(self.text.trim()) || self.text.contains(text.trim())
            }
            Operator::Contains => text().contains(&self.text),
            Operator::StartsWith => text().starts_with(&self.text),
            Operator::GreaterThan => self.order(&text()).is_some_and(std::cmp::Ordering::is_gt),
            Operator::LessThan => self.order(&text()).is_some_and(std::cmp::Ordering::is_lt),
            Operator::IsEmpty => false,
        }
    }

    fn equals(&self, cell: &str) -> bool {
        self.json == cell
    }

    /// How a cell's text stands to the wanted value: as numbers if both are, else as text.
    fn order(&self, text: &str) -> Option<std::cmp::Ordering> {
        match (text.parse::<f64>(), self.text.parse::<f64>()) {
            (Ok(own), Ok(wanted)) => own.partial_cmp(&wanted),
            _ => Some(text.cmp(&self.text)),
        }
    }
}
