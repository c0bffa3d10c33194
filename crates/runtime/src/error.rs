//! The one error type of this crate.

use std::path::PathBuf;

use thiserror::Error;

/// Why a process can't start. None of these goes away by trying again: print it and exit with 2 or,
/// for [`Io`](Self::Io), [`Bind`](Self::Bind) and [`Locked`](Self::Locked), with 1. Messages name the
/// setting to change and never hold a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// A setting has a value that can't be used.
    #[error("{setting}: {message}")]
    Setting {
        /// The environment variable.
        setting: &'static str,
        /// What is wrong with it and what to write instead.
        message: String,
    },

    /// There are environment variables in our name that no program knows: most likely misspelt, and
    /// silently ignoring them would run the process with a default nobody wanted.
    #[error("unknown setting{}: {}", if .0.len() == 1 { "" } else { "s" }, .0.join("; "))]
    UnknownSettings(Vec<String>),

    /// Other processes have the database file.
    #[error("{} is in use by {holder}: {rule}. Stop that first, or set PANDAPORT_DATABASE_URL to another file", .database.display())]
    Locked {
        /// The SQLite file.
        database: PathBuf,
        /// Which kind of process, such as `pandaport up (process 1234)`.
        holder: String,
        /// Why the two can't share the file.
        rule: &'static str,
    },

    /// An address can't be listened on.
    #[error("cannot listen on {address}: {cause}; {hint}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system says. Not a `source()`: the message has it, and a chain would repeat it.
        cause: std::io::Error,
        /// What to do.
        hint: String,
    },

    /// A file can't be read or written.
    #[error("cannot {action} {}: {cause}; {hint}", .path.display())]
    Io {
        /// `read`, `create`, `lock` ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says. Not a `source()`, as above.
        cause: std::io::Error,
        /// What to do.
        hint: &'static str,
    },

    /// Logs, traces, metrics or signal handling can't be set up.
    #[error("cannot set up {what}: {message}")]
    Setup {
        /// What was set up.
        what: &'static str,
        /// What went wrong.
        message: String,
    },
}

impl RuntimeError {
    pub(crate) fn setting(setting: &'static str, message: impl Into<String>) -> Self {
        Self::Setting { setting, message: message.into() }
    }

    pub(crate) fn setup(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Setup { what, message: cause.to_string() }
    }
}
