//! The collection as it is, who wrote what into it, and every row that was sent.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::Value;

use super::fleet::{Cells, GONE, STATUS, cell, same};

/// A collection's records, by their ids.
pub(super) type Records = BTreeMap<String, Cells>;

/// What the oracle knows of the collection.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) records: Records,
    /// Column names by their ids.
    pub(super) columns: BTreeMap<String, String>,
    /// Cells that a person wrote last.
    pub(super) by_hand: BTreeSet<(String, String)>,
    /// Cells that held a value of ours at some time.
    ever: BTreeSet<(String, String)>,
    /// Records that we made.
    pub(super) made: BTreeSet<String>,
    /// Rows sent since the sync began.
    pub(super) rows: Vec<Row>,
    /// Write calls since the sync began, by their rows.
    pub(super) calls: Vec<usize>,
    /// Records whose last update may not have been confirmed.
    pub(super) unsure: BTreeSet<String>,
    /// When records were last written.
    pub(super) written_at: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Create,
    Update,
    Delete,
}

/// A row that was sent.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    /// The record; unset for a create that was refused.
    pub(super) record_id: Option<String>,
    pub(super) sent: Cells,
    /// The record before.
    pub(super) before: Option<Cells>,
    /// The collection before: what a create must not repeat.
    pub(super) others: Records,
    pub(super) applied: bool,
    /// Whether the record's last update may not have been confirmed when this was sent.
    pub(super) unsure: bool,
    /// The columns that a person had written last, and those that held a value of ours at some time.
    pub(super) by_hand: BTreeSet<String>,
    pub(super) ever: BTreeSet<String>,
}

impl Row {
    /// Whether the removal policy sent it: a mark, or the record's end.
    pub(super) fn is_removal(&self) -> bool {
        self.kind == Kind::Delete || (self.kind == Kind::Update && cell(&self.sent, STATUS) == GONE)
    }
}

impl Ledger {
    /// A call was handled by the server.
    pub(super) fn written(
        &mut self,
        method: &Method,
        body: &Value,
        answer: &Value,
        after: Value,
        troubled: bool,
        at: u64,
    ) {
        let kind = match method.as_str() {
            "POST" => Kind::Create,
            "PUT" => Kind::Update,
            _ => Kind::Delete,
        };
        let before = std::mem::replace(&mut self.records, records(&after));
        let mut made =
            self.records.keys().filter(|id| !before.contains_key(*id)).cloned().collect::<Vec<_>>().into_iter();
        let rows = body["records"].as_array().cloned().unwrap_or_default();
        self.calls.push(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let result =
                answer["data"]["records"].as_array().and_then(|all| all.iter().find(|it| it["index"] == index));
            let applied = result.is_some_and(|it| it["success"] == true);
            let record_id = match kind {
                Kind::Create if applied => made.next(),
                Kind::Create => None,
                _ => row["recordId"].as_str().map(str::to_owned),
            };
            let cells = row.as_object().into_iter().flatten().filter(|(key, _)| *key != "recordId");
            let sent: Cells =
                cells.map(|(id, value)| (self.columns.get(id).unwrap_or(id).clone(), value.clone())).collect();
            let unsure = record_id.as_ref().is_some_and(|id| self.unsure.contains(id));
            let of_it = |cells: &BTreeSet<(String, String)>| {
                let own = cells.iter().filter(|(id, _)| Some(id) == record_id.as_ref());
                own.map(|(_, column)| column.clone()).collect()
            };
            let (by_hand, ever) = (of_it(&self.by_hand), of_it(&self.ever));
            if let Some(id) = record_id.as_ref().filter(|_| applied) {
                for (column, value) in &sent {
                    self.by_hand.remove(&(id.clone(), column.clone()));
                    if !same(Some(value), None) {
                        self.ever.insert((id.clone(), column.clone()));
                    }
                }
                self.written_at.insert(id.clone(), at);
                if kind == Kind::Create {
                    self.made.insert(id.clone());
                }
            }
            if let Some(id) = record_id.as_ref().filter(|_| troubled) {
                self.unsure.insert(id.clone());
            }
            let (before_row, others) = (record_id.as_ref().and_then(|id| before.get(id).cloned()), before.clone());
            self.rows.push(Row { kind, record_id, sent, before: before_row, others, applied, unsure, by_hand, ever });
        }
    }

    /// Somebody wrote these cells of a record past the API.
    pub(super) fn written_by_hand(&mut self, id: &str, columns: impl Iterator<Item = String>, after: Value) {
        self.records = records(&after);
        self.by_hand.extend(columns.map(|column| (id.to_owned(), column)));
    }

    /// A process ended: what it had sent may not be confirmed.
    pub(super) fn doubt_all(&mut self) {
        self.unsure = self.records.keys().cloned().collect();
    }

    pub(super) fn is_by_hand(&self, id: &str, column: &str) -> bool {
        self.by_hand.contains(&(id.to_owned(), column.to_owned()))
    }
}

/// Records as the control endpoint lists them.
pub(super) fn records(listed: &Value) -> Records {
    let all = listed["records"].as_array().cloned().unwrap_or_default();
    let cells = |it: &Value| it["values"].as_object().cloned().unwrap_or_default().into_iter().collect();
    all.iter().map(|it| (it["id"].as_str().unwrap_or_default().to_owned(), cells(it))).collect()
}
