//! What we take the API to be: each fact once, with its grade.
//!
//! DOC: the vendor's pages. CODE: a public client. INF: inferred. UNKNOWN: assumed. When Asset Panda
//! turns out to behave otherwise, this is the file to change.

use serde_json::Value;

/// Where the API is, without a version in its paths (DOC).
pub const DEFAULT_BASE_URL: &str = "https://api.assetpanda.app";

/// Hosts that may be given the credentials besides those an operator allows (DOC).
pub const KNOWN_HOSTS: &[&str] = &["api.assetpanda.app"];

/// Header of the key's id (CODE).
pub const KEY_ID_HEADER: &str = "access-key-id";

/// Header of the key's secret (CODE).
pub const KEY_SECRET_HEADER: &str = "access-key-secret";

/// Paths of the endpoints (DOC).
pub mod path {
    /// `GET`: accounts that the key may see.
    pub const ACCOUNTS: &str = "accounts";
    /// `GET`: modules of an account.
    pub const MODULES: &str = "modules";
    /// `GET`: collections of a module.
    pub const COLLECTIONS: &str = "collections";
    /// `GET`: columns of a collection.
    pub const COLUMNS: &str = "collection-columns";
    /// `POST`: search for records.
    pub const SEARCH: &str = "collection-records/search";
    /// `GET` one record; its id follows as a segment. Singular, unlike the others.
    pub const RECORD: &str = "collection-record";
    /// `POST`, `PUT` and `DELETE` of records.
    pub const RECORDS: &str = "collection-records";
}

/// Whether an answer to the first call with a key means that the key is wrong (UNKNOWN).
#[must_use]
pub fn is_credentials_status(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

/// Where a list of accounts, modules or collections stands: `data` (CODE), or a bare array.
pub const LIST_AT: &[&[&str]] = &[&["data"], &[]];

/// Where the columns stand: `data.columns.all` (CODE), `columns.all` (DOC sample), else tolerated forms.
pub const COLUMNS_AT: &[&[&str]] =
    &[&["data", "columns", "all"], &["columns", "all"], &["data", "columns"], &["columns"], &["data"], &[]];

/// Where a search reply's rows stand (CODE), then tolerated forms.
pub const FOUND_AT: &[&[&str]] = &[&["data", "records"], &["records"], &["data"], &[]];

/// Where a search reply says how many rows match in all (UNKNOWN, may be absent).
pub const TOTAL_AT: &[&[&str]] = &[&["data", "total"], &["total"]];

/// Where the one record of a reply stands (INF).
pub const RECORD_AT: &[&[&str]] = &[&["data", "record"], &["record"], &["data"], &[]];

/// Where the results of a write stand, one per row (CODE), then tolerated forms.
pub const ROW_RESULTS_AT: &[&[&str]] = &[&["data", "records"], &["records"], &["data"], &[]];

/// Keys of the id of an account, module, collection or column (CODE, DOC).
pub const ID_KEYS: &[&str] = &["id"];

/// Keys of the name to show (CODE: accounts say `name`, the others `displayName`).
pub const NAME_KEYS: &[&str] = &["displayName", "name"];

/// Keys of a record's id in what is read (INF).
pub const RECORD_ID_KEYS: &[&str] = &["id", "recordId"];

/// Keys of a record's id in the results of a write (UNKNOWN whether a create has one).
pub const WRITTEN_ID_KEYS: &[&str] = &["recordId", "id"];

/// Key that names a record in the body of an update (DOC) or a delete (INF).
pub const RECORD_ID_IN_WRITE: &str = "recordId";

/// Flags that say that something was deleted (CODE).
pub const DELETED_FLAGS: &[&str] = &["deleted", "isDeleted"];

/// Flags that say whether a collection is in use (CODE). Absent means in use.
pub const ACTIVE_FLAGS: &[&str] = &["isActive"];

/// Flags that say that a column's values are unique (UNKNOWN). Absent means not known, not `false`.
pub const UNIQUE_FLAGS: &[&str] = &["isUnique"];

/// Flags that say that a column must have a value (UNKNOWN).
pub const REQUIRED_FLAGS: &[&str] = &["isRequired"];

/// Key of a select column's options (UNKNOWN).
pub const OPTIONS_KEY: &str = "options";

/// Keys of an option's text where an option is an object (UNKNOWN).
pub const OPTION_TEXT_KEYS: &[&str] = &["value", "displayName", "name", "label"];

/// Key of a column that is pulled from another collection (DOC).
pub const REFERENCES_KEY: &str = "references";

/// What a column's type begins with; only `text` is documented after it (DOC).
pub const TYPE_PREFIX: &str = "ap://system/datatype/";

/// `matchType` under which a row needs to match one filter only (DOC).
pub const MATCH_ANY: &str = "Any";

/// Operator for equality (INF). It may match more loosely: callers compare each row themselves.
pub const OPERATOR_EQUALS: &str = "equals";

/// Operator for containment (DOC). Every value is assumed to contain the empty text (INF).
pub const OPERATOR_CONTAINS: &str = "contains";

/// Most filters in one search (UNKNOWN).
pub const SEARCH_FILTERS: usize = 50;

/// Rows asked for in one search reply (UNKNOWN what the largest size is).
pub const SEARCH_SIZE: usize = 100;

/// `from + size` of a search beyond this is assumed to fail (INF).
pub const SEARCH_WINDOW: usize = 10_000;

/// Page sizes to which a server may cut our [`SEARCH_SIZE`] down without saying so (UNKNOWN).
///
/// Without `total`, a reply of just so many rows that leaves a value unanswered is not taken as the
/// last one: one more call is cheaper than a record created twice.
pub const LIKELY_SIZE_CAPS: &[usize] = &[10, 20, 25, 50];

/// Rows kept of a value that has more than can be read, or more than a decision needs (ours).
pub const AMBIGUOUS_ROWS: usize = 10;

/// Most records in one write: DOC for `PUT` and `DELETE`, INF for `POST`.
pub const WRITE_BATCH: usize = 5;

/// Most characters kept of the API's message about a row (ours).
pub const MESSAGE_CHARS: usize = 500;

/// Whether a row's refusal says that its value is taken (UNKNOWN how it says so). A look-up follows such a refusal,
/// so a wrong guess costs a call and no more.
#[must_use]
pub fn says_not_unique(message: &str) -> bool {
    let message = message.to_lowercase();
    ["unique", "duplicate", "already exist", "already in use", "already taken"].iter().any(|it| message.contains(it))
}

/// Key of a row's position in the request, from 0 (CODE).
pub const ROW_INDEX_KEY: &str = "index";

/// Key that says whether a row was applied (CODE).
pub const ROW_SUCCESS_KEY: &str = "success";

/// Keys of what is wrong with a row, most telling first (CODE for `errors`, INF for the others).
pub const ROW_MESSAGE_KEYS: &[&str] = &["errors", "error", "message"];

/// Keys of an error's text where an error is an object (UNKNOWN).
pub const ERROR_TEXT_KEYS: &[&str] = &["message", "detail", "error", "title"];

/// The plain value of a value given as `{"id": …, "value": …}`, also inside a list (INF).
#[must_use]
pub fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(mut object) if object.contains_key("id") && object.contains_key("value") => {
            object.remove("value").unwrap_or(Value::Null)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(unwrapped).collect()),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::plain(json!("x"), json!("x"))]
    #[case::wrapped(json!({"id": "1", "value": "x"}), json!("x"))]
    #[case::wrapped_null(json!({"id": "1", "value": null}), json!(null))]
    #[case::list(json!([{"id": 1, "value": "a"}, "b"]), json!(["a", "b"]))]
    #[case::another_object(json!({"street": "x"}), json!({"street": "x"}))]
    fn values_are_unwrapped(#[case] given: Value, #[case] plain: Value) {
        assert_eq!(unwrapped(given), plain);
    }
}
