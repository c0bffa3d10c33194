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
    /// It was waited for long enough.
    pub fn silent_for(time: std::time::Duration) -> Self {
        Self::Unavailable { message: format!("no answer within {time:?}"), disk_full: false }
    }

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

    /// The same, with the place that it is about.
    pub(crate) fn at(self, place: &str) -> Self {
        match self {
            Self::Unavailable { message, disk_full } => {
                Self::Unavailable { message: format!("{place}: {message}"), disk_full }
            }
            Self::Unsupported(message) => Self::Unsupported(format!("{place}: {message}")),
            other => other,
        }
    }

    /// Whether another transaction was in the way for too long.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Unavailable { message, .. } if message.contains(IN_THE_WAY))
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
            Class::Unavailable(advice) => {
                let separator = if advice.is_empty() { "" } else { "; " };
                Self::Unavailable { message: format!("{error}{separator}{advice}"), disk_full: false }
            }
            Class::DiskFull => Self::Unavailable { message: error.to_string(), disk_full: true },
            Class::Corrupt => Self::corrupt("page or value", error),
            Class::Other => Self::Database(error),
        }
    }
}

enum Class {
    /// With what may be done about it besides waiting, where that is known.
    Unavailable(&'static str),
    DiskFull,
    Corrupt,
    Other,
}

/// What may be done where a server can't be reached by TLS, or is not who it should be.
const TLS: &str = "see PANDAPORT_DATABASE_URL: sslrootcert must be the file of the authority that the server's certificate is \
                   from, and with sslmode=verify-full the certificate must name the host as the URL does";

fn classify(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Class::DiskFull,
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
            Class::Unavailable("nobody listens there: is the server running, and is it at this address?")
        }
        sqlx::Error::PoolTimedOut => {
            Class::Unavailable("all connections of this process were in use, or the server did not take a new one")
        }
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::NotFound => Class::Unavailable(
            "a file that PANDAPORT_DATABASE_URL names is not there: sslrootcert, sslcert, sslkey, or the server's socket",
        ),
        // What rustls says of a certificate comes in this way.
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Class::Unavailable(TLS),
        sqlx::Error::Tls(_) => Class::Unavailable(TLS),
        // A connection that ends while it is being made comes in this way as well.
        sqlx::Error::Protocol(_) => {
            Class::Unavailable("the connection broke off, or who listens there is no PostgreSQL server")
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            Class::Unavailable("")
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Class::Corrupt,
        sqlx::Error::Database(database) => classify_code(database.code().as_deref().unwrap_or_default()),
        _ => Class::Other,
    }
}

/// What is said of a lock that was waited for in vain.
const IN_THE_WAY: &str = "another transaction is at the same rows for longer than one should take: try again";

/// SQLite's codes are numbers (the low byte is the primary one: <https://www.sqlite.org/rescode.html>), PostgreSQL's are
/// five characters (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn classify_code(code: &str) -> Class {
    if code.len() == 5 { classify_postgres(code) } else { classify_sqlite(code) }
}

fn classify_postgres(code: &str) -> Class {
    const CLASHED: &str = "two transactions got in each other's way, and this one was undone: try again";
    Class::Unavailable(match code {
        "53100" => return Class::DiskFull,
        "40001" | "40P01" => CLASHED,
        "55P03" => IN_THE_WAY,
        "57014" => "the statement was stopped, most likely because it took too long",
        "25P03" => "this process kept the server waiting in the middle of a transaction, which was undone",
        "25006" => "it can only be read: is it a standby? PANDAPORT_DATABASE_URL must lead to the primary",
        "53300" => {
            "the server has no connection left: raise its max_connections, run fewer processes, or put PgBouncer between"
        }
        "42P05" | "26000" => {
            "a pooler in transaction mode that does not follow prepared statements is between: take PgBouncer 1.21 or newer with \
             max_prepared_statements, or its session mode"
        }
        "57P01" | "57P02" | "57P03" => "the server is being stopped or started",
        "3D000" => "make the database, or put its name right in PANDAPORT_DATABASE_URL",
        "42501" => "give the user of PANDAPORT_DATABASE_URL this right; to migrate, it must be the owner of the schema",
        _ if code.starts_with("28") => {
            "put user and password right in PANDAPORT_DATABASE_URL, and see the server's pg_hba.conf"
        }
        _ if code.starts_with("08") || code.starts_with("53") => "",
        _ if code.starts_with("XX") => return Class::Corrupt,
        _ => return Class::Other,
    })
}

fn classify_sqlite(code: &str) -> Class {
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
        Ok(BUSY | LOCKED | READ_ONLY | IO | CANNOT_OPEN) => Class::Unavailable(""),
        Ok(CORRUPT | NOT_A_DATABASE) => Class::Corrupt,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_breaks_off_while_it_is_made_may_be_tried_again() {
        let ended = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".into());
        assert!(StoreError::from(ended).is_unavailable());
    }

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
            ("40P01", true, false),  // PostgreSQL: deadlock
            ("57P01", true, false),  // PostgreSQL: it is being stopped
            ("28P01", true, false),  // PostgreSQL: wrong password
            ("25006", true, false),  // PostgreSQL: a standby
            ("08006", true, false),  // PostgreSQL: connection failure
            ("23505", false, false), // PostgreSQL: unique
        ] {
            let class = classify_code(code);
            assert_eq!(matches!(class, Class::Unavailable(_) | Class::DiskFull), retry, "{code}");
            assert_eq!(matches!(class, Class::DiskFull), full, "{code}");
        }
    }
}
