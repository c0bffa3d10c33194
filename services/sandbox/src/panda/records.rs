//! The records of one collection: compact rows, an index per column on demand, and what search still
//! sees while it lags behind.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::fleet::{mix, push_crockford, read_crockford};

/// A row as JSON text: an array of values in the order of the columns, empty ones at the end left out.
type Row = Box<str>;

#[derive(Debug)]
pub(crate) struct Record {
    row: Row,
    /// How often it was written since it was made.
    pub(crate) updates: u32,
    /// Whether it was made through the control endpoint.
    pub(crate) by_hand: bool,
}

/// How many rows were written through the API.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Written {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) refused: u64,
}

#[derive(Debug)]
pub(crate) struct Records {
    collection: u64,
    slots: Vec<Option<Record>>,
    live: usize,
    indexes: HashMap<usize, HashMap<u64, Vec<u32>>>,
    /// What search still sees of rows just written: until when, and the row before that write.
    lagging: BTreeMap<u32, VecDeque<(u64, Option<Row>)>>,
    pub(crate) written: Written,
}

impl Records {
    pub(crate) fn new(collection: u64) -> Self {
        Self {
            collection,
            slots: Vec::new(),
            live: 0,
            indexes: HashMap::new(),
            lagging: BTreeMap::new(),
            written: Written::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The id of the record at `at`; ids rise, as ULIDs do.
    pub(crate) fn id(&self, at: u32) -> String {
        let bits = mix(mix(self.collection) ^ u64::from(at));
        let mut out = String::from("01K");
        push_crockford(&mut out, at.into(), 7);
        push_crockford(&mut out, bits, 8);
        push_crockford(&mut out, mix(bits), 8);
        out
    }

    /// Where the record with this id is, if it is still there.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        let at = u32::try_from(read_crockford(id.get(3..10)?)?).ok()?;
        self.slots.get(at as usize)?.as_ref()?;
        (self.id(at) == id).then_some(at)
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Record> {
        self.slots.get(at as usize)?.as_ref()
    }

    /// All records that are there, in the order they were made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        let numbered = (0..).zip(&self.slots);
        numbered.filter_map(|(at, record)| Some((at, record.as_ref()?)))
    }

    /// Makes a record. Search sees it from `visible_at` on, if that is given.
    pub(crate) fn insert(&mut self, values: &[Value], by_hand: bool, visible_at: Option<u64>) -> u32 {
        let at = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let row = pack(values);
        self.index(at, &row, true);
        self.slots.push(Some(Record { row, updates: 0, by_hand }));
        self.live += 1;
        self.lag(at, visible_at, None);
        at
    }

    /// Writes a record anew.
    pub(crate) fn update(&mut self, at: u32, values: &[Value], visible_at: Option<u64>) {
        let row = pack(values);
        let Some(record) = self.slots.get_mut(at as usize).and_then(Option::as_mut) else {
            return;
        };
        record.updates += 1;
        let old = std::mem::replace(&mut record.row, row.clone());
        self.index(at, &old, false);
        self.index(at, &row, true);
        self.lag(at, visible_at, Some(old));
    }

    /// Takes a record away.
    pub(crate) fn delete(&mut self, at: u32, visible_at: Option<u64>) -> bool {
        let Some(record) = self.slots.get_mut(at as usize).and_then(Option::take) else {
            return false;
        };
        self.live -= 1;
        self.index(at, &record.row, false);
        self.lag(at, visible_at, Some(record.row));
        true
    }

    /// The records whose value in a column is exactly this JSON, as they are now.
    pub(crate) fn equal(&mut self, column: usize, value: &Value) -> Vec<u32> {
        let text = value.to_string();
        self.build_index(column);
        let candidates =
            self.indexes.get(&column).and_then(|index| index.get(&hash(&text))).map_or(&[][..], Vec::as_slice);
        let same = |at: &u32| {
            let row = self.get(*at).map(|record| cells(&record.row));
            row.is_some_and(|row| row.get(column).is_some_and(|cell| cell.get() == text))
        };
        candidates.iter().copied().filter(same).collect()
    }

    /// Forgets what search no longer misses, and gives the records of which it still sees an older state.
    pub(crate) fn lagging(&mut self, now: u64) -> Vec<u32> {
        self.lagging.retain(|_, states| {
            while states.front().is_some_and(|(until, _)| *until <= now) {
                states.pop_front();
            }
            !states.is_empty()
        });
        self.lagging.keys().copied().collect()
    }

    /// A row as search sees it; [`Self::lagging`] must have been asked before.
    pub(crate) fn seen_by_search(&self, at: u32) -> Option<&str> {
        match self.lagging.get(&at).and_then(VecDeque::front) {
            Some((_, before)) => before.as_deref(),
            None => self.get(at).map(|record| &*record.row),
        }
    }

    /// How many places there are, empty ones included.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn build_index(&mut self, column: usize) {
        if self.indexes.contains_key(&column) {
            return;
        }
        let mut index: HashMap<u64, Vec<u32>> = HashMap::new();
        for (at, record) in self.iter() {
            if let Some(cell) = cells(&record.row).get(column).filter(|cell| cell.get() != "null") {
                index.entry(hash(cell.get())).or_default().push(at);
            }
        }
        self.indexes.insert(column, index);
    }

    /// Puts a row into the indexes there are, or takes it out.
    fn index(&mut self, at: u32, row: &str, put: bool) {
        if self.indexes.is_empty() {
            return;
        }
        let cells = cells(row);
        for (column, index) in &mut self.indexes {
            let Some(cell) = cells.get(*column).filter(|cell| cell.get() != "null") else {
                continue;
            };
            let key = hash(cell.get());
            if put {
                index.entry(key).or_default().push(at);
            } else if let Some(places) = index.get_mut(&key) {
                places.retain(|place| *place != at);
                if places.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }

    fn lag(&mut self, at: u32, visible_at: Option<u64>, before: Option<Row>) {
        if let Some(until) = visible_at {
            self.lagging.entry(at).or_default().push_back((until, before));
        }
    }
}

impl Record {
    /// The values in the order of the columns; columns at the end may be missing.
    pub(crate) fn values(&self) -> Vec<Value> {
        serde_json::from_str(&self.row).unwrap_or_default()
    }

    pub(crate) fn row(&self) -> &str {
        &self.row
    }
}

/// The values of a row as JSON texts.
pub(crate) fn cells(row: &str) -> Vec<&RawValue> {
    serde_json::from_str(row).unwrap_or_default()
}

fn pack(values: &[Value]) -> Row {
    let end = values.iter().rposition(|value| !value.is_null()).map_or(0, |last| last + 1);
    serde_json::to_string(&values[..end]).unwrap_or_default().into()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_find_their_record_and_no_other() {
        let mut records = Records::new(1);
        let at = records.insert(&[json!("a")], false, None);
        let id = records.id(at);
        assert_eq!(id.len(), 26);
        assert_eq!(records.find(&id), Some(at));
        assert_eq!(Records::new(2).find(&id), None);
        assert_eq!(records.find("01K"), None);
        assert!(records.delete(at, None));
        assert_eq!(records.find(&id), None);
    }

    #[test]
    fn the_index_follows_every_write() {
        let mut records = Records::new(1);
        let first = records.insert(&[json!(null), json!("a")], false, None);
        assert_eq!(records.equal(1, &json!("a")), [first]);
        let second = records.insert(&[json!(1), json!("a")], false, None);
        assert_eq!(records.equal(1, &json!("a")), [first, second]);
        records.update(first, &[json!(null), json!("b")], None);
        assert_eq!(records.equal(1, &json!("a")), [second]);
        assert_eq!(records.equal(1, &json!("b")), [first]);
        records.delete(second, None);
        assert!(records.equal(1, &json!("a")).is_empty());
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn search_sees_each_write_only_after_its_lag() {
        let mut records = Records::new(1);
        let at = records.insert(&[json!("a")], false, Some(10));
        records.update(at, &[json!("b")], Some(20));
        assert_eq!(records.lagging(9), [at]);
        assert_eq!(records.seen_by_search(at), None);
        assert_eq!(records.lagging(10), [at]);
        assert_eq!(records.seen_by_search(at), Some(r#"["a"]"#));
        assert!(records.lagging(20).is_empty());
        assert_eq!(records.seen_by_search(at), Some(r#"["b"]"#));
        records.delete(at, Some(30));
        records.lagging(25);
        assert_eq!(records.seen_by_search(at), Some(r#"["b"]"#));
        records.lagging(30);
        assert_eq!(records.seen_by_search(at), None);
    }
}
