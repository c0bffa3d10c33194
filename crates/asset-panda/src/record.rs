//! Records as they are read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::assumptions::{FOUND_AT, RECORD_AT, RECORD_ID_KEYS, TOTAL_AT, unwrapped};
use crate::shape::{FromReply, ShapeError, at, list, object, text_of_any};

/// A record of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its values by column id (DOC), `{"id","value"}` made plain. An absent key: the API did not give it.
    pub values: BTreeMap<String, Value>,
}

impl Record {
    fn read(mut object: Map<String, Value>) -> Option<Self> {
        let id = text_of_any(&object, RECORD_ID_KEYS)?;
        object.retain(|key, _| !RECORD_ID_KEYS.contains(&key.as_str()));
        let values = object.into_iter().map(|(column, value)| (column, unwrapped(value))).collect();
        Some(Self { id, values })
    }
}

impl FromReply for Record {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let found = object(reply, RECORD_AT, RECORD_ID_KEYS)?;
        Self::read(found).ok_or_else(|| ShapeError::new("a record without an id"))
    }
}

/// One reply of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundPage {
    /// The records on it, with all their values.
    pub records: Vec<Record>,
    /// How many match in all, where the API says so.
    pub total: Option<usize>,
}

impl FromReply for FoundPage {
    /// A reply without a list is never "nothing found", unless it says so itself by a total of 0: a
    /// record that is overlooked would be created again.
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let total = TOTAL_AT.iter().find_map(|path| count(at(&reply, path)?));
        let rows = match list(reply, FOUND_AT) {
            Err(_) if total == Some(0) => Vec::new(),
            rows => rows?,
        };
        let records = rows.into_iter().map(|row| match row {
            Value::Object(object) => Record::read(object),
            _ => None,
        });
        let records =
            records.collect::<Option<Vec<_>>>().ok_or_else(|| ShapeError::new("a found record without an id"))?;
        Ok(Self { records, total })
    }
}

/// A count as a number or, as some search engines have it, as `{"value": number}`.
fn count(value: &Value) -> Option<usize> {
    let number = value.as_u64().or_else(|| value.get("value")?.as_u64())?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn page(reply: Value) -> Result<FoundPage, ShapeError> {
        FoundPage::from_reply(reply)
    }

    #[rstest]
    #[case::with_total(json!({"data": {"records": [{"id": "R1", "c": "x"}], "total": 1}}), Some(1))]
    #[case::without_total(json!({"data": {"records": [{"id": "R1", "c": "x"}]}}), None)]
    #[case::total_object(json!({"data": {"records": [{"id": "R1", "c": "x"}], "total": {"value": 1}}}), Some(1))]
    #[case::total_nonsense(json!({"data": {"records": [{"id": "R1", "c": "x"}], "total": "many"}}), None)]
    #[case::unwrapped_reply(json!({"records": [{"recordId": "R1", "c": "x"}], "total": 1}), Some(1))]
    #[case::bare(json!([{"id": "R1", "c": {"id": "v", "value": "x"}}]), None)]
    fn found_records_are_read(#[case] reply: Value, #[case] total: Option<usize>) {
        let record = Record { id: "R1".to_owned(), values: BTreeMap::from([("c".to_owned(), json!("x"))]) };
        let expected = FoundPage { records: vec![record], total };
        assert_eq!(page(reply).unwrap(), expected);
    }

    #[test]
    fn nothing_found_must_be_said() {
        for none in [
            json!({"data": {"records": [], "total": 0}}),
            json!({"data": {"records": []}}),
            json!({"data": {"total": 0}}),
        ] {
            assert!(page(none).unwrap().records.is_empty());
        }
        for unclear in [
            json!({}),
            json!({"data": null}),
            json!({"data": {"total": 2}}),
            json!({"message": "try later"}),
            json!({"data": {"records": [{"c": "x"}]}}),
        ] {
            assert!(page(unclear).is_err());
        }
    }

    #[rstest]
    #[case(json!({"data": {"id": "R1", "c": true}}))]
    #[case(json!({"data": {"record": {"id": "R1", "c": true}}}))]
    #[case(json!({"id": "R1", "c": true}))]
    fn one_record_is_read(#[case] reply: Value) {
        let record = Record::from_reply(reply).unwrap();
        assert_eq!((record.id.as_str(), &record.values["c"]), ("R1", &json!(true)));
    }

    #[rstest]
    #[case(json!({"data": null}))]
    #[case(json!({"data": {"c": true}}))]
    #[case(json!([]))]
    fn a_reply_without_a_record_is_an_error(#[case] reply: Value) {
        assert!(Record::from_reply(reply).is_err());
    }
}
