//! Directory users (contract 9.1): the only place where User Active is found.

use pandaport_outbound::{Answer, SendError};
use serde::Deserialize;
use url::Url;

use crate::Presence;
use crate::wire::{Field, Flag, Id, Kind, Text};

/// A page of directory users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsersPage {
    /// The users that have an id.
    pub users: Vec<DirectoryUser>,
    /// What to ask for next; `None` at the end. Only the cursor is taken from the `next` URL, whose host is the web
    /// app's: the token never goes there.
    pub next_cursor: Option<String>,
}

/// A directory user, as far as devices need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The id that a device's `user.id` names.
    pub id: String,
    /// The integer id that devices named before 2025, as text.
    pub deprecated_id: Option<String>,
    /// Whether the user is active; unknown if the answer does not say it, or not as a boolean.
    pub active: Option<bool>,
}

#[derive(Deserialize)]
struct WirePage {
    #[serde(default)]
    next: Field<Text>,
    results: Vec<WireUser>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireUser {
    id: Field<Id>,
    deprecated_user_id: Field<Id>,
    active: Field<Flag>,
}

/// Reads a page that was asked for with this cursor.
pub(crate) fn page(answer: &Answer, asked: Option<&str>) -> Result<UsersPage, SendError> {
    let page: WirePage = answer.json()?;
    let next_cursor = match page.next {
        Field::Good(Presence::Value(next)) => {
            let cursor = cursor(&next).ok_or_else(|| answer.unreadable("`next` holds no cursor"))?;
            if asked == Some(cursor.as_str()) {
                return Err(answer.unreadable("`next` points to the same page again"));
            }
            Some(cursor)
        }
        Field::Good(_) => None,
        Field::Bad(reason) => return Err(answer.unreadable(&format!("`next`: {reason}"))),
    };
    let users = page.results.into_iter().filter_map(user).collect();
    Ok(UsersPage { users, next_cursor })
}

/// A user without an id can belong to no device, and is left out.
fn user(wire: WireUser) -> Option<DirectoryUser> {
    Some(DirectoryUser { id: good(wire.id)?, deprecated_id: good(wire.deprecated_user_id), active: good(wire.active) })
}

fn good<K: Kind>(field: Field<K>) -> Option<K::Value> {
    match field {
        Field::Good(Presence::Value(value)) => Some(value),
        _ => None,
    }
}

/// The cursor in the query of a URL, whole or relative.
fn cursor(next: &str) -> Option<String> {
    let base = Url::parse("https://next.invalid/").ok()?;
    let url = base.join(next).ok()?;
    let found = url.query_pairs().find(|(key, _)| key == "cursor");
    found.map(|(_, value)| value.into_owned()).filter(|cursor| !cursor.is_empty())
}
