//! Where everything is stored.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::duration::{HumanDuration, positive};
use super::effective::Effective;
use crate::RuntimeError;

const SETTING: &str = "PANDAPORT_DATABASE_URL";
const CONNECTIONS: &str = "PANDAPORT_DATABASE_CONNECTIONS";
const STATEMENT_TIMEOUT: &str = "PANDAPORT_DATABASE_STATEMENT_TIMEOUT";
const LOCK_TIMEOUT: &str = "PANDAPORT_DATABASE_LOCK_TIMEOUT";

/// Where everything is stored.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// The database: `sqlite://FILE`, or `postgres://USER:PASSWORD@HOST/NAME`
    // A secret, as it may hold a password: neither --help nor an error may show it. So it is taken as
    // it is here and parsed by `database()`: clap repeats a value that it can't parse.
    #[arg(
        long,
        env = SETTING,
        hide_env_values = true,
        default_value = "sqlite://pandaport.db",
        value_name = "URL"
    )]
    pub database_url: SecretString,

    /// Connections to a PostgreSQL server that this process may have, at most [default: 16]
    // Without a default of clap's, to tell whether it was set for a database that has no use for it.
    #[arg(long, env = CONNECTIONS, value_parser = clap::value_parser!(u32).range(2..=1000), value_name = "COUNT")]
    pub database_connections: Option<u32>,

    /// How long a PostgreSQL server may work at one statement before it gives it up [default: 5m]
    #[arg(long, env = STATEMENT_TIMEOUT, value_parser = positive, value_name = "TIME")]
    pub database_statement_timeout: Option<HumanDuration>,

    /// How long to wait on a PostgreSQL server for rows that another transaction is at [default: 10s]
    #[arg(long, env = LOCK_TIMEOUT, value_parser = positive, value_name = "TIME")]
    pub database_lock_timeout: Option<HumanDuration>,
}

/// How a PostgreSQL server is used: what was set, and the defaults for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Connections of this process, at most.
    pub connections: u32,
    /// How long a statement may take.
    pub statement_timeout: HumanDuration,
    /// How long rows are waited for that another transaction is at.
    pub lock_timeout: HumanDuration,
}

/// A database, by kind. Debug hides the URL.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file.
    Sqlite {
        /// The URL, for the store.
        url: SecretString,
        /// The file, relative to the working directory or absolute.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// The URL, for the store. It may hold a password.
        url: SecretString,
    },
}

impl DatabaseSettings {
    /// A database at this URL, and nothing else set.
    pub fn of(url: SecretString) -> Self {
        Self {
            database_url: url,
            database_connections: None,
            database_statement_timeout: None,
            database_lock_timeout: None,
        }
    }

    /// How a server is used. A SQLite file has no use for it.
    pub fn server(&self) -> ServerSettings {
        let or = |set: Option<HumanDuration>, default| set.unwrap_or(Duration::from_secs(default).into());
        ServerSettings {
            connections: self.database_connections.unwrap_or(16),
            statement_timeout: or(self.database_statement_timeout, 300),
            lock_timeout: or(self.database_lock_timeout, 10),
        }
    }

    /// The settings that only a server has a use for.
    pub const OF_A_SERVER: [&str; 3] = [CONNECTIONS, STATEMENT_TIMEOUT, LOCK_TIMEOUT];

    /// Leaves out what only a server has a use for, for a database that is a file whatever was set.
    pub fn forget_server(&mut self) {
        self.database_connections = None;
        self.database_statement_timeout = None;
        self.database_lock_timeout = None;
    }

    /// What was set that only a server has a use for.
    fn set_for_a_server(&self) -> Option<&'static str> {
        [
            (CONNECTIONS, self.database_connections.is_some()),
            (STATEMENT_TIMEOUT, self.database_statement_timeout.is_some()),
            (LOCK_TIMEOUT, self.database_lock_timeout.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_set)| is_set.then_some(name))
    }

    /// The database that is meant.
    ///
    /// # Errors
    /// [`RuntimeError::Setting`] for a URL of another kind, without a file, or in memory; and for a setting of a server's
    /// beside a SQLite file.
    pub fn database(&self) -> Result<Database, RuntimeError> {
        let refused = |message: &str| Err(RuntimeError::setting(SETTING, message));
        let text = self.database_url.expose_secret();
        let url = self.database_url.clone();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            if Url::parse(text).is_err() {
                return refused("is not a valid URL; in a user name or password write / as %2F, @ as %40, : as %3A");
            }
            return Ok(Database::Postgres { url });
        }
        let Some(rest) = text.strip_prefix("sqlite:") else {
            return refused("write sqlite://<file> or postgres://<user>:<password>@<host>/<name>");
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if path == ":memory:" || parameters.contains("mode=memory") {
            return refused("a database in memory would be lost at the end; name a file");
        }
        if path.is_empty() || path.ends_with('/') {
            return refused("names no file; write sqlite://<file>, such as sqlite://pandaport.db");
        }
        if let Some(name) = self.set_for_a_server() {
            return Err(RuntimeError::setting(name, "is for PostgreSQL, and the database is a SQLite file: unset it"));
        }
        Ok(Database::Sqlite { url, path: PathBuf::from(path) })
    }

    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        out.add(SETTING, without_password(self.database_url.expose_secret()));
        if matches!(self.database(), Ok(Database::Postgres { .. })) {
            let server = self.server();
            out.add(CONNECTIONS, server.connections);
            out.add(STATEMENT_TIMEOUT, server.statement_timeout);
            out.add(LOCK_TIMEOUT, server.lock_timeout);
        }
    }
}

impl Database {
    /// The URL, for the store. It may hold a password.
    pub fn url(&self) -> &SecretString {
        match self {
            Self::Sqlite { url, .. } | Self::Postgres { url } => url,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path, .. } => Some(path),
            Self::Postgres { .. } => None,
        }
    }
}

/// A URL as it may be shown: no password, and no parameters, which can hold one too.
pub(super) fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return "(not a URL, hidden)".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "(hidden)".to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(url: &str) -> DatabaseSettings {
        DatabaseSettings::of(url.into())
    }

    #[test]
    fn what_only_a_server_has_a_use_for_is_shown_for_one_and_refused_beside_a_file() {
        let set = |url: &str| DatabaseSettings { database_connections: Some(5), ..settings(url) };
        let mut effective = Effective::new();
        set("postgres://db.example/pandaport").describe(&mut effective);
        assert_eq!(
            effective.to_string(),
            "PANDAPORT_DATABASE_URL=postgres://db.example/pandaport\nPANDAPORT_DATABASE_CONNECTIONS=5\n\
             PANDAPORT_DATABASE_STATEMENT_TIMEOUT=5m\nPANDAPORT_DATABASE_LOCK_TIMEOUT=10s\n"
        );
        let refused = set("sqlite://pandaport.db").database().unwrap_err().to_string();
        assert!(refused.starts_with("PANDAPORT_DATABASE_CONNECTIONS: is for PostgreSQL"), "{refused}");
    }

    #[test]
    fn finds_the_file_of_a_sqlite_url() {
        for (url, file) in [
            ("sqlite://pandaport.db", "pandaport.db"),
            ("sqlite:pandaport.db", "pandaport.db"),
            ("sqlite:///var/lib/p.db", "/var/lib/p.db"),
            ("sqlite://data/p.db?mode=rwc", "data/p.db"),
        ] {
            let database = settings(url).database().unwrap();
            assert_eq!(database.file(), Some(Path::new(file)), "{url}");
        }
    }

    #[test]
    fn refuses_what_can_not_keep_anything() {
        for url in [
            "",
            "pandaport.db",
            "mysql://h/d",
            "sqlite:",
            "sqlite://",
            "sqlite://data/",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://x?mode=memory",
            "postgres://:pw@:x/",
        ] {
            let error = settings(url).database().unwrap_err().to_string();
            assert!(error.starts_with("PANDAPORT_DATABASE_URL: "), "{error}");
        }
    }

    #[test]
    fn never_shows_a_password() {
        for url in [
            "postgres://ann:hunter2@db.example/pandaport",
            "postgres://db.example/pandaport?user=ann&password=hunter2",
            "postgres://ann:hunter2@",
            "postgres://ann:hunter2@host:port/pandaport",
            "hunter2",
        ] {
            let settings = settings(url);
            let mut effective = Effective::new();
            settings.describe(&mut effective);
            let shown = format!("{settings:?} {effective} {:?}", settings.database());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(without_password("postgres://ann:hunter2@db.example/p"), "postgres://ann:***@db.example/p");
    }
}
