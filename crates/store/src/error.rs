//! What can go wrong with the database, by what the caller may do about it.

use std::borrow::Cow;

/// Something that is already there, or is no longer as the caller saw it. Retrying the same thing does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The collection is the target of another mapping (`COLLECTION_ALREADY_MAPPED`).
    CollectionAlreadyMapped,
    /// The row was changed since it was read (`ETAG_MISMATCH`): read it again.
    VersionMoved,
    /// A connection that has mappings can neither be deleted nor joined to something else.
    ConnectionInUse,
    /// A row with this id is there already.
    AlreadyExists,
    /// A sync of this mapping is active, and this has to wait for its end (`SYNC_ACTIVE`).
    SyncActive,
}

/// What a function of the store may answer instead of doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is busy, out of reach or out of disk. Nothing was changed; try again later.
    #[error("the database is not available: {message}{}", if *disk_full { "; free some disk space" } else { "" })]
    Unavailable {
        /// What the database said.
        message: String,
        /// Whether the disk is full: waiting does not help, somebody must make room.
        disk_full: bool,
    },
    /// There is no such row, or it belongs to another tenant.
    #[error("there is no {what} {id}")]
    NotFound {
        /// `connection`, `mapping` or `sync`.
        what: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// The change does not fit what is stored.
    #[error("{what:?}: {message}")]
    Conflict {
        /// What it collides with.
        what: Conflict,
        /// The same for a person.
        message: Cow<'static, str>,
    },
    /// Another worker has begun a slice of this sync: whatever this one still holds is void.
    #[error("another worker has taken this sync over")]
    FenceLost,
    /// The database holds something this program cannot have written.
    #[error("the database holds an unreadable {what}: {message}. Restore a backup, or report this")]
    Corrupt {
        /// What could not be read.
        what: &'static str,
        /// Why.
        message: String,
    },
    /// The encryption key does not fit, or is missing. The message names the setting.
    #[error("{0}")]
    Key(String),
    /// The database's schema does not fit this program. The message says what to run.
    #[error("{0}")]
    Schema(String),
    /// The database is of a kind, or at a place, that this version cannot use.
    #[error("{0}")]
    Unsupported(String),
    /// Any other answer of the database: a mistake in this program.
    #[error("the database refused a statement: {0}")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// No such row.
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    /// A change that does not fit.
    pub fn conflict(what: Conflict, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { what, message: message.into() }
    }

    /// Something unreadable.
    pub fn corrupt(what: &'static str, message: impl ToString) -> Self {
        Self::Corrupt { what, message: message.to_string() }
    }

    /// Whether trying the same again later may work.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Unavailable { disk_full: true, .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match classify(&error) {
            Class::Unavailable => Self::Unavailable { message: error.to_string(), disk_full: false },
            Class::DiskFull => Self::Unavailable { message: error.to_string(), disk_full: true },
            Class::Corrupt => Self::corrupt("page or value", error),
            Class::Other => Self::Database(error),
        }
    }
}

enum Class {
    Unavailable,
    DiskFull,
    Corrupt,
    Other,
}

fn classify(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Class::DiskFull,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Unavailable,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Class::Corrupt,
        sqlx::Error::Database(database) => classify_code(database.code().as_deref().unwrap_or_default()),
        _ => Class::Other,
    }
}

/// SQLite's codes are numbers (the low byte is the primary one: <https://www.sqlite.org/rescode.html>),
/// PostgreSQL's are five characters (the first two are the class).
fn classify_code(code: &str) -> Class {
    if code.len() == 5 {
        return match code {
            "53100" => Class::DiskFull,
            "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" => Class::Unavailable,
            _ if code.starts_with("08") || code.starts_with("53") => Class::Unavailable,
            _ if code.starts_with("XX") => Class::Corrupt,
            _ => Class::Other,
        };
    }
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READ_ONLY: i32 = 8;
    const IO: i32 = 10;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    const NOT_A_DATABASE: i32 = 26;
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(FULL) => Class::DiskFull,
        Ok(BUSY | LOCKED | READ_ONLY | IO | CANNOT_OPEN) => Class::Unavailable,
        Ok(CORRUPT | NOT_A_DATABASE) => Class::Corrupt,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_what_it_may_do() {
        for (code, retry, full) in [
            ("5", true, false),      // busy
            ("517", true, false),    // busy snapshot
            ("13", true, true),      // disk full
            ("778", true, false),    // I/O error while writing
            ("11", false, false),    // malformed
            ("2067", false, false),  // unique
            ("53100", true, true),   // PostgreSQL: disk full
            ("08006", true, false),  // PostgreSQL: connection failure
            ("23505", false, false), // PostgreSQL: unique
        ] {
            let class = classify_code(code);
            assert_eq!(matches!(class, Class::Unavailable | Class::DiskFull), retry, "{code}");
            assert_eq!(matches!(class, Class::DiskFull), full, "{code}");
        }
    }
}
