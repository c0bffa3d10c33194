//! Whether a column's values are unique, where Asset Panda does not say: by a bounded look at the data.

use std::collections::{HashMap, HashSet};

use pandaport_asset_panda::{Record, ScopedClient};
use pandaport_import::identifier_key;
use pandaport_outbound::{ErrorKind, SendError};
use serde_json::Value;

/// Pages that are read at most, and their size: what a call may cost, and take.
const MOST_PAGES: usize = 10;
const PAGE_SIZE: usize = 100;
/// Duplicates that a message names.
const MOST_NAMED: usize = 5;

/// What was seen of a column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// These values occur more than once.
    Duplicates(Vec<String>),
    /// All records were read, so many have a value, and no two have the same.
    AllDistinct(usize),
    /// So many records were read, and there are more; no two of them have the same value.
    SomeDistinct(usize),
}

/// Reads up to a thousand records.
///
/// # Errors
/// If a page can't be read: nothing then is known.
pub(crate) async fn look(scoped: &ScopedClient, collection_id: &str, column_id: &str) -> Result<Seen, SendError> {
    let mut tally = Tally::default();
    let mut from = 0;
    for _ in 0..MOST_PAGES {
        let found = scoped.sample(collection_id, column_id, from, PAGE_SIZE).await?;
        // A server may give fewer than it is asked for: a short page is not the last.
        from += found.records.len();
        let at_end = found.records.is_empty() || found.total.is_some_and(|total| from >= total);
        let news = tally.add(column_id, found.records);
        let duplicates = tally.duplicates();
        if !duplicates.is_empty() {
            return Ok(Seen::Duplicates(duplicates));
        }
        // A server that ignores the page asked for gives the same records again.
        if at_end || !news {
            return Ok(Seen::AllDistinct(tally.values.len()));
        }
    }
    Ok(Seen::SomeDistinct(tally.values.len()))
}

/// Whether a look that failed so may be done without: how this API searches is hardly documented, and it may refuse such a
/// look and still serve the import.
pub(crate) fn may_be_done_without(error: &SendError) -> bool {
    matches!(error.kind, ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::Unreadable)
}

#[derive(Default)]
struct Tally {
    /// By the form that counts as the same identifier: the first value, and the records that have it.
    values: HashMap<String, (String, Vec<String>)>,
    /// The records that were read.
    ids: HashSet<String>,
}

impl Tally {
    /// Counts the values of records; says whether any record was new.
    fn add(&mut self, column_id: &str, records: Vec<Record>) -> bool {
        let mut news = false;
        for record in records {
            if !self.ids.insert(record.id.clone()) {
                continue;
            }
            news = true;
            let Some(value) = record.values.get(column_id).and_then(text) else { continue };
            let (_, holders) = self.values.entry(identifier_key(&value)).or_insert_with(|| (value, Vec::new()));
            holders.push(record.id);
        }
        news
    }

    fn duplicates(&self) -> Vec<String> {
        let mut values: Vec<_> =
            self.values.values().filter(|(_, holders)| holders.len() > 1).map(|(value, _)| value.clone()).collect();
        values.sort();
        values.truncate(MOST_NAMED);
        values
    }
}

/// An empty value identifies nothing, so it is no duplicate of another.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(id: &str, value: Value) -> Record {
        Record { id: id.into(), values: [("serial".to_owned(), value)].into() }
    }

    #[test]
    fn the_same_value_in_two_records_is_a_duplicate_and_an_empty_one_is_not() {
        let mut tally = Tally::default();
        let records =
            [("1", json!("C02A")), ("2", json!("")), ("3", json!("")), ("4", json!(null)), ("5", json!("C02B"))];
        assert!(tally.add("serial", records.map(|(id, value)| record(id, value)).into()));
        assert!(tally.duplicates().is_empty());
        // The same record on two pages is no duplicate of itself.
        assert!(!tally.add("serial", vec![record("1", json!("C02A"))]));
        assert!(tally.duplicates().is_empty());
        assert!(tally.add("serial", vec![record("6", json!("C02A"))]));
        assert_eq!(tally.duplicates(), ["C02A"]);
    }

    #[test]
    fn values_that_differ_in_case_alone_would_be_near_matches_and_count_as_the_same() {
        let mut tally = Tally::default();
        tally.add("serial", vec![record("1", json!("c02a ")), record("2", json!("C02A"))]);
        assert_eq!(tally.duplicates().len(), 1);
    }
}
