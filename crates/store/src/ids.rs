//! Whose a row is, and which row it is.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Micros;

/// The caller's organisation. It comes from the caller's credentials and from nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Tenant(String);

impl Tenant {
    /// The tenant of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Whose rows are that were deleted and are still to be dropped: no caller is of this tenant, so none sees them.
    pub(crate) fn nobody() -> Self {
        Self(String::new())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The one tenant there is where callers need no credentials.
impl Default for Tenant {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, serde::Deserialize,
        )]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id (UUIDv7): ids made at least a millisecond later sort later.
            #[must_use]
            pub fn new(now: Micros) -> Self {
                Self(uuid_at(now))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A connection: one Kandji customer joined to one Asset Panda account and module.
    ConnectionId
);
id!(
    /// A mapping of a connection's devices onto a collection.
    MappingId
);
id!(
    /// One run of a mapping.
    SyncId
);
id!(
    /// An alert. It stays the same however often the alert is sent.
    AlertId
);
id!(
    /// An event of the audit log.
    AuditEventId
);
id!(
    /// A lot of calls that a budget granted.
    LotId
);

fn uuid_at(now: Micros) -> Uuid {
    let micros = u64::try_from(now.0).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::timestamp::context::NoContext, micros / 1_000_000, nanos))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let early = SyncId::new(Micros(1_700_000_000_000_000));
        let late = SyncId::new(Micros(1_700_000_000_001_000));
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 7);
        assert_eq!(early.to_string().parse::<SyncId>().unwrap(), early);
    }
}
