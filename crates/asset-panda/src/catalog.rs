//! What there is to choose from: accounts, modules, collections.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::assumptions::{ACTIVE_FLAGS, ID_KEYS, LIST_AT, NAME_KEYS};
use crate::shape::{FromReply, ShapeError, flag_of_any, is_deleted, list, readable, text_of_any};

/// An account that the key may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its name, or its id where it has none.
    pub name: String,
}

/// A module of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Its id.
    pub id: String,
    /// Its name, or its id where it has none.
    pub name: String,
}

/// A collection of a module that is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collection {
    /// Its id.
    pub id: String,
    /// Its name, or its id where it has none.
    pub name: String,
}

impl FromReply for Vec<Account> {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let offered = named("accounts", reply)?;
        Ok(offered.map(|(id, name)| Account { id, name }).collect())
    }
}

impl FromReply for Vec<Module> {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let offered = named("modules", reply)?;
        Ok(offered.map(|(id, name)| Module { id, name }).collect())
    }
}

impl FromReply for Vec<Collection> {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let offered = named("collections", reply)?;
        Ok(offered.map(|(id, name)| Collection { id, name }).collect())
    }
}

/// Id and name of each entry that may be offered: not deleted, not inactive.
fn named(what: &str, reply: Value) -> Result<impl Iterator<Item = (String, String)> + use<>, ShapeError> {
    let entries = readable(what, list(reply, LIST_AT)?, |entry| {
        let (id, name) = id_and_name(entry)?;
        let active = flag_of_any(entry, ACTIVE_FLAGS).unwrap_or(true);
        Some((active && !is_deleted(entry), id, name))
    })?;
    Ok(entries.into_iter().filter(|(offered, ..)| *offered).map(|(_, id, name)| (id, name)))
}

/// The id of an entry, and its name or else its id again.
pub(crate) fn id_and_name(entry: &Map<String, Value>) -> Option<(String, String)> {
    let id = text_of_any(entry, ID_KEYS)?;
    let name = text_of_any(entry, NAME_KEYS).unwrap_or_else(|| id.clone());
    Some((id, name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn collections(reply: Value) -> Result<Vec<(String, String)>, ShapeError> {
        let collections = Vec::<Collection>::from_reply(reply)?;
        Ok(collections.into_iter().map(|collection| (collection.id, collection.name)).collect())
    }

    fn pair(id: &str, name: &str) -> (String, String) {
        (id.to_owned(), name.to_owned())
    }

    #[rstest]
    #[case::in_data(json!({"data": [{"id": "C1", "displayName": "Devices"}]}))]
    #[case::bare(json!([{"id": "C1", "displayName": "Devices"}]))]
    #[case::by_name(json!({"data": [{"id": "C1", "name": "Devices"}]}))]
    #[case::explicitly_active(json!([{"id": "C1", "name": "Devices", "isActive": true, "deleted": false}]))]
    fn lists_are_read(#[case] reply: Value) {
        assert_eq!(collections(reply).unwrap(), [pair("C1", "Devices")]);
    }

    #[test]
    fn inactive_and_deleted_collections_are_left_out() {
        let reply = json!({"data": [
            {"id": "C1", "displayName": "Off", "isActive": false},
            {"id": "C2", "displayName": "Gone", "isActive": true, "deleted": true},
        ]});
        assert_eq!(collections(reply).unwrap(), []);
    }

    #[test]
    fn ids_may_be_numbers_and_names_absent() {
        assert_eq!(collections(json!([{"id": 7}])).unwrap(), [pair("7", "7")]);
    }

    #[test]
    fn an_odd_entry_hides_no_other() {
        let reply = json!([{"displayName": "no id"}, null, {"id": "C1", "displayName": "Devices"}]);
        assert_eq!(collections(reply).unwrap(), [pair("C1", "Devices")]);
    }

    #[rstest]
    #[case::no_list(json!({"message": "hello"}))]
    #[case::null(json!({"data": null}))]
    #[case::nothing_readable(json!({"data": [{"identifier": "C1"}]}))]
    fn other_replies_are_not_an_empty_list(#[case] reply: Value) {
        assert!(collections(reply).is_err());
    }
}
