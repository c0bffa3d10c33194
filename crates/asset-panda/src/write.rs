//! Rows that are written, and what became of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::assumptions::{
    ERROR_TEXT_KEYS, MESSAGE_CHARS, RECORD_ID_IN_WRITE, ROW_INDEX_KEY, ROW_MESSAGE_KEYS, ROW_RESULTS_AT,
    ROW_SUCCESS_KEY, WRITTEN_ID_KEYS,
};
use crate::shape::{FromReply, ShapeError, list, plain_text, text_of_any};

/// A record to create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRecord {
    /// Its values by column id, sent as they are.
    pub values: BTreeMap<String, Value>,
}

/// A change to a record: columns that are not named stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// The record's id.
    pub record_id: String,
    /// The new values by column id, sent as they are.
    pub values: BTreeMap<String, Value>,
}

/// What became of one row of a write that was answered by a 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// It was applied.
    Done {
        /// The record's id, where the API gives it.
        record_id: Option<String>,
    },
    /// It was refused, and nothing of it applied.
    Refused {
        /// What the API says, at most [`MESSAGE_CHARS`] characters.
        message: String,
    },
    /// It may or may not have been applied: look it up before sending it again.
    Unclear {
        /// Why it is unclear.
        message: String,
    },
}

impl RowResult {
    fn unclear(message: impl Into<String>) -> Self {
        Self::Unclear { message: message.into() }
    }
}

impl NewRecord {
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.values.clone().into_iter().collect())
    }
}

impl RecordChange {
    pub(crate) fn to_json(&self) -> Value {
        let mut row: Map<String, Value> = self.values.clone().into_iter().collect();
        row.insert(RECORD_ID_IN_WRITE.to_owned(), self.record_id.clone().into());
        Value::Object(row)
    }
}

/// The results in a reply, in its own order.
pub(crate) struct RowReplies(Vec<RowReply>);

struct RowReply {
    index: Index,
    record_id: Option<String>,
    result: RowResult,
}

enum Index {
    Absent,
    At(usize),
    Unreadable,
}

impl FromReply for RowReplies {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let rows = list(reply, ROW_RESULTS_AT)?;
        Ok(Self(rows.iter().map(RowReply::read).collect()))
    }
}

impl RowReply {
    fn read(row: &Value) -> Self {
        let Some(row) = row.as_object() else {
            return Self {
                index: Index::Absent,
                record_id: None,
                result: RowResult::unclear("the result of this row is not an object"),
            };
        };
        let record_id = text_of_any(row, WRITTEN_ID_KEYS);
        Self { index: index(row), result: result(row, record_id.as_ref()), record_id }
    }
}

fn index(row: &Map<String, Value>) -> Index {
    match row.get(ROW_INDEX_KEY) {
        None | Some(Value::Null) => Index::Absent,
        Some(given) => plain_text(given).and_then(|text| text.parse().ok()).map_or(Index::Unreadable, Index::At),
    }
}

/// The `success` flag decides (CODE). Without it, an error refuses, and an id without an error is done (UNKNOWN).
fn result(row: &Map<String, Value>, record_id: Option<&String>) -> RowResult {
    let message = message(row);
    match (row.get(ROW_SUCCESS_KEY), message) {
        (Some(Value::Bool(true)), _) => RowResult::Done { record_id: record_id.cloned() },
        (Some(Value::Bool(false)), message) => {
            RowResult::Refused { message: message.unwrap_or_else(|| "refused without a reason".to_owned()) }
        }
        (None | Some(Value::Null), Some(message)) => RowResult::Refused { message },
        (None | Some(Value::Null), None) if record_id.is_some() => RowResult::Done { record_id: record_id.cloned() },
        _ => RowResult::unclear("the result of this row says neither success nor failure"),
    }
}

fn message(row: &Map<String, Value>) -> Option<String> {
    let text = ROW_MESSAGE_KEYS.iter().filter_map(|key| row.get(*key)).map(error_text).find(|text| !text.is_empty())?;
    Some(text.chars().take(MESSAGE_CHARS).collect())
}

/// The text of an error given as text, as a list of errors, as an object with a text, or as `{column: error}`.
fn error_text(error: &Value) -> String {
    match error {
        Value::Null | Value::Bool(_) => String::new(),
        Value::Array(errors) => joined(errors.iter().map(error_text)),
        Value::Object(object) => match text_of_any(object, ERROR_TEXT_KEYS) {
            Some(text) => text,
            None => joined(object.iter().map(|(key, error)| match error_text(error) {
                text if text.is_empty() => text,
                text => format!("{key}: {text}"),
            })),
        },
        plain => plain_text(plain).unwrap_or_default().trim().to_owned(),
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
    texts.join("; ")
}

/// Gives each row that was sent its result. `sent` holds the record ids where rows have one (all but creates).
///
/// A result belongs to the row at its `index`, else to the row with its record id, else, if there are just as
/// many results as rows, to the row at its own position. Whatever cannot be told apart for certain is unclear:
/// a result given to the wrong row would join a device to a foreign record.
pub(crate) fn assign(replies: RowReplies, sent: &[Option<&str>]) -> Vec<RowResult> {
    let replies = replies.0;
    // An index that no row has means that we misread what indexes are, so that none can be trusted.
    let trusted = replies.iter().all(|reply| match reply.index {
        Index::At(index) => index < sent.len(),
        Index::Absent => true,
        Index::Unreadable => false,
    });
    let positional = replies.len() == sent.len();

    let mut slots: Vec<Vec<RowReply>> = sent.iter().map(|_| Vec::new()).collect();
    for (position, reply) in replies.into_iter().enumerate() {
        let place = match reply.index {
            Index::At(index) if trusted => Some(index),
            Index::Absent if positional && trusted => row_of(&reply, sent).or(Some(position)),
            _ => row_of(&reply, sent),
        };
        if let Some(slot) = place.and_then(|place| slots.get_mut(place)) {
            slot.push(reply);
        }
    }

    slots
        .into_iter()
        .zip(sent)
        .map(|(mut slot, sent_id)| match (slot.pop(), slot.is_empty()) {
            (None, _) => RowResult::unclear("the reply has no result for this row"),
            (Some(_), false) => RowResult::unclear("the reply has several results for this row"),
            (Some(reply), true) => match (sent_id, reply.record_id) {
                (Some(sent), Some(answered)) if *sent != answered => {
                    RowResult::unclear(format!("the reply is about another record, {answered}"))
                }
                _ => reply.result,
            },
        })
        .collect()
}

/// The row that was sent with this result's record id.
fn row_of(reply: &RowReply, sent: &[Option<&str>]) -> Option<usize> {
    let id = reply.record_id.as_deref()?;
    sent.iter().position(|sent| *sent == Some(id))
}

#[cfg(test)]
mod tests;
