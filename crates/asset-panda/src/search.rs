//! Looking records up by the values of one column.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::assumptions::{
    AMBIGUOUS_ROWS, LIKELY_SIZE_CAPS, MATCH_ANY, OPERATOR_EQUALS, SEARCH_FILTERS, SEARCH_SIZE, SEARCH_WINDOW,
};
use crate::record::{FoundPage, Record};
use crate::shape::plain_text;

/// How much one search call may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    filters: usize,
    size: usize,
    window: usize,
}

impl SearchLimits {
    /// `filters` values in a call, `size` rows in a reply, and no row beyond the first `window`. At least 1 each.
    #[must_use]
    pub fn new(filters: usize, size: usize, window: usize) -> Self {
        Self { filters: filters.max(1), size: size.clamp(1, window.max(1)), window: window.max(1) }
    }

    /// Most values in one call.
    #[must_use]
    pub fn filters(self) -> usize {
        self.filters
    }
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self::new(SEARCH_FILTERS, SEARCH_SIZE, SEARCH_WINDOW)
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchOutcome {
    /// Each record that the API counts as a match of a value, once, with the values asked for. The API may
    /// match loosely: whether a record's value is exactly the one looked for is the caller's to see.
    pub records: Vec<Record>,
    /// Values of which not every record was read, as there are too many. `records` has at most a few of
    /// them. Such a value is ambiguous, and never to be taken as absent.
    pub more: Vec<String>,
}

/// A search in progress: which call to make next, and what the replies so far mean. No I/O.
///
/// Values are asked for in groups. A reply that is full is paged; a group that cannot be read to its end is
/// split; what remains, a single value that cannot be read to its end, is listed in [`SearchOutcome::more`].
pub(crate) struct Search {
    column_id: String,
    read: HashSet<String>,
    limits: SearchLimits,
    /// Groups yet to be read; the last one is next.
    waiting: Vec<Vec<String>>,
    current: Option<Group>,
    taken: HashSet<String>,
    outcome: SearchOutcome,
}

/// A call to make: one page of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) values: &'a [String],
    pub(crate) from: usize,
    pub(crate) size: usize,
}

/// A group of values that is being read.
struct Group {
    values: Vec<String>,
    from: usize,
    size: usize,
    largest_reply: usize,
    seen: HashSet<String>,
    rows: Vec<Record>,
    /// For each value, how many rows hold exactly it.
    exact: HashMap<String, usize>,
}

enum Next {
    Page {
        from: usize,
        size: usize,
    },
    Complete,
    /// These values have more rows than any decision needs; the group is to be read again without them.
    Flooded(Vec<String>),
    /// The end of the group cannot be reached.
    OutOfReach,
}

impl Search {
    /// A search for records whose `column_id` holds one of `values`. Blank values are not looked for: a blank
    /// filter may match everything. Kept of each record: `column_id` and `read`.
    pub(crate) fn new(column_id: &str, values: &[String], read: &[String], limits: SearchLimits) -> Self {
        let mut known = HashSet::new();
        let distinct: Vec<String> =
            values.iter().filter(|value| !value.trim().is_empty() && known.insert(value.as_str())).cloned().collect();
        Self {
            column_id: column_id.to_owned(),
            read: read.iter().cloned().collect(),
            limits,
            waiting: distinct.chunks(limits.filters).rev().map(<[String]>::to_vec).collect(),
            current: None,
            taken: HashSet::new(),
            outcome: SearchOutcome::default(),
        }
    }

    /// The call to make now; `None`: the search is over.
    pub(crate) fn next(&mut self) -> Option<Request<'_>> {
        if self.current.is_none() {
            let values = self.waiting.pop()?;
            self.current = Some(Group::new(values, self.limits.size));
        }
        self.current.as_ref().map(|group| Request { values: &group.values, from: group.from, size: group.size })
    }

    /// Takes the reply to the call that [`Search::next`] gave.
    pub(crate) fn accept(&mut self, mut page: FoundPage) {
        let Some(mut group) = self.current.take() else {
            return;
        };
        for record in &mut page.records {
            let (column, read) = (&self.column_id, &self.read);
            record.values.retain(|key, _| key == column || read.contains(key));
        }
        match group.accept(page, &self.column_id, self.limits) {
            Next::Page { from, size } => {
                group.from = from;
                group.size = size;
                self.current = Some(group);
            }
            Next::Complete => self.keep(group.rows),
            Next::Flooded(values) => self.set_aside(group, values),
            Next::OutOfReach if group.values.len() > 1 => {
                let second = group.values.split_off(group.values.len() / 2);
                self.waiting.extend([second, group.values]);
            }
            Next::OutOfReach => {
                let all = group.values.clone();
                self.set_aside(group, all);
            }
        }
    }

    pub(crate) fn finish(self) -> SearchOutcome {
        self.outcome
    }

    fn keep(&mut self, rows: impl IntoIterator<Item = Record>) {
        for row in rows {
            if self.taken.insert(row.id.clone()) {
                self.outcome.records.push(row);
            }
        }
    }

    /// Lists `values` as having more, keeps a few rows of each, and puts the rest of the group back.
    fn set_aside(&mut self, group: Group, values: Vec<String>) {
        for value in &values {
            let (exact, loose): (Vec<&Record>, Vec<&Record>) =
                group.rows.iter().partition(|row| held(row, &self.column_id).as_ref() == Some(value));
            // Rows that match a value loosely can only be told to be its own when it is alone.
            let loose = if group.values.len() == 1 { loose } else { Vec::new() };
            let few: Vec<Record> = exact.into_iter().chain(loose).take(AMBIGUOUS_ROWS).cloned().collect();
            self.keep(few);
        }
        let mut rest = group.values;
        rest.retain(|value| !values.contains(value));
        self.outcome.more.extend(values);
        if !rest.is_empty() {
            self.waiting.push(rest);
        }
    }
}

impl Group {
    fn new(values: Vec<String>, size: usize) -> Self {
        Self { values, from: 0, size, largest_reply: 0, seen: HashSet::new(), rows: Vec::new(), exact: HashMap::new() }
    }

    fn accept(&mut self, page: FoundPage, column_id: &str, limits: SearchLimits) -> Next {
        let received = page.records.len();
        let mut fresh = 0;
        for row in page.records {
            if !self.seen.insert(row.id.clone()) {
                continue;
            }
            fresh += 1;
            if let Some(value) = held(&row, column_id) {
                *self.exact.entry(value).or_default() += 1;
            }
            self.rows.push(row);
        }
        let end = self.from + received;
        let full = received >= self.size
            || page.total.is_some_and(|total| total > end)
            || (page.total.is_none() && self.may_be_cut(received));
        self.largest_reply = self.largest_reply.max(received);

        // An empty page ends the reading whatever `total` says, which may count something else. Rows that came on
        // two pages say that the order moved in between, so that others may have come on none.
        if !full || received == 0 {
            let moved = self.from > 0 && self.seen.len() < end;
            return if moved { Next::OutOfReach } else { Next::Complete };
        }
        let flooded = self.flooded();
        if !flooded.is_empty() {
            return Next::Flooded(flooded);
        }
        // No new row: `from` does nothing. A total is believed only beside a reply that is full.
        let beyond = received >= self.size && page.total.is_some_and(|total| total > limits.window);
        if fresh == 0 || beyond || end >= limits.window {
            return Next::OutOfReach;
        }
        Next::Page { from: end, size: limits.size.min(limits.window - end) }
    }

    /// Whether a reply of so many rows may be one that the server cut to a smaller size than we asked for,
    /// and it matters, as a value is still unanswered.
    fn may_be_cut(&self, received: usize) -> bool {
        received >= self.largest_reply
            && LIKELY_SIZE_CAPS.contains(&received)
            && self.values.iter().any(|value| !self.exact.contains_key(value))
    }

    fn flooded(&self) -> Vec<String> {
        let rows_of = |value: &&String| self.exact.get(*value).copied().unwrap_or(0);
        self.values.iter().filter(|value| rows_of(value) >= AMBIGUOUS_ROWS).cloned().collect()
    }
}

/// The text that a record holds in a column.
fn held(record: &Record, column_id: &str) -> Option<String> {
    record.values.get(column_id).and_then(plain_text)
}

impl Request<'_> {
    /// The parts of the body that say what is searched for and which page of it.
    pub(crate) fn to_json(self, column_id: &str) -> [(&'static str, Value); 2] {
        let filters: Vec<Value> = self
            .values
            .iter()
            .map(|value| json!({"field": column_id, "operator": OPERATOR_EQUALS, "value": value}))
            .collect();
        [
            ("searchInput", json!({"selection": {"matchType": MATCH_ANY, "filters": filters}})),
            ("pagination", json!({"from": self.from, "size": self.size})),
        ]
    }
}

#[cfg(test)]
mod tests;
