//! A database for each test: a SQLite file of its own or, with `PANDAPORT_TEST_DATABASE_URL` set, a database of its own on
//! that PostgreSQL server. So every suite runs on both, as it is.
//!
//! For tests only: whatever goes wrong here is a panic.

#![allow(clippy::unwrap_used)]

mod server;

use std::path::Path;

use pandaport_store::{Keyring, Pool, Store};
use server::Server;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// The URL of a PostgreSQL server to test on: `postgres://<user>:<password>@<host>/<database>`. That database itself is left
/// as it is; the user must be allowed to make others.
pub const SETTING: &str = "PANDAPORT_TEST_DATABASE_URL";

/// A database that is a test's own, and gone when dropped.
pub struct TestDatabase {
    url: String,
    place: Place,
}

enum Place {
    File(tempfile::TempDir),
    Server(Server),
}

/// Whether tests run on PostgreSQL.
#[must_use]
pub fn is_postgres() -> bool {
    server_url().is_some()
}

fn server_url() -> Option<String> {
    std::env::var(SETTING).ok().filter(|url| !url.is_empty())
}

impl TestDatabase {
    /// One with the whole schema, and nothing in it.
    pub async fn new() -> Self {
        match server_url() {
            Some(url) => Self::on_server(Server::migrated(&url).await),
            None => Self::migrated_file().await,
        }
    }

    /// One without tables.
    pub async fn empty() -> Self {
        match server_url() {
            Some(url) => Self::on_server(Server::empty(&url).await),
            None => Self::in_file(),
        }
    }

    /// The same for a harness that is made where nothing can be awaited.
    #[must_use]
    pub fn empty_at_once() -> Self {
        // On a thread of its own: within a runtime, another one can't be waited for.
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Self::empty())
        });
        made.join().unwrap()
    }

    /// One with the whole schema that is a SQLite file wherever the other tests run: for what is about the file.
    pub async fn migrated_file() -> Self {
        let database = Self::in_file();
        let store = Store::create(&database.url).await.unwrap();
        pandaport_queue::migrate(&store).await.unwrap();
        store.close().await;
        database
    }

    /// The URL of a SQLite file that is yet to be made, wherever the other tests run.
    #[must_use]
    pub fn in_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        Self { url, place: Place::File(folder) }
    }

    fn on_server(server: Server) -> Self {
        Self { url: server.url(), place: Place::Server(server) }
    }

    /// What `PANDAPORT_DATABASE_URL` would be.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of the SQLite file; `None` on PostgreSQL.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::File(folder) => Some(folder.path()),
            Place::Server(_) => None,
        }
    }

    /// Whether a text stands anywhere in it.
    pub async fn contains(&self, text: &str) -> bool {
        match &self.place {
            Place::File(folder) => std::fs::read_dir(folder.path()).unwrap().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                bytes.windows(text.len()).any(|window| window == text.as_bytes())
            }),
            Place::Server(server) => server.contains(text).await,
        }
    }

    /// Whether some process is in the middle of a transaction. On a SQLite file there is no telling.
    pub async fn is_held(&self) -> bool {
        match &self.place {
            Place::File(_) => false,
            Place::Server(server) => server.is_held().await,
        }
    }

    /// A store on it, as a process of its own would have it. Without keys to secrets.
    pub async fn open(&self) -> Store {
        Store::create(&self.url).await.unwrap()
    }

    /// The same, with a new key.
    pub async fn unlocked(&self) -> Store {
        self.open().await.unlock(Keyring::new(&[Keyring::generate()]).unwrap()).await.unwrap()
    }
}

/// Runs a statement that a test needs to bring about what only time or a worker would. Binary values are written as SQLite
/// takes them, `x'00'`; those of 16 bytes are ids.
pub async fn run(store: &Store, sql: impl Into<String>) {
    match store.pool() {
        Pool::Sqlite { write, .. } => sqlx::query(AssertSqlSafe(sql.into())).execute(write).await.map(|_| ()),
        Pool::Postgres(pool) => sqlx::query(AssertSqlSafe(for_postgres(&sql.into()))).execute(pool).await.map(|_| ()),
    }
    .unwrap();
}

/// How many rows a statement has written; it is one for both databases, without binary values.
pub async fn written_rows(store: &Store, sql: &str) -> u64 {
    match store.pool() {
        Pool::Sqlite { write, .. } => {
            sqlx::query(AssertSqlSafe(sql.to_owned())).execute(write).await.map(|it| it.rows_affected())
        }
        Pool::Postgres(pool) => {
            sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await.map(|it| it.rows_affected())
        }
    }
    .unwrap()
}

/// What a query finds.
pub async fn rows<T>(store: &Store, sql: impl Into<String>) -> Vec<T>
where
    T: Send + Unpin + for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow>,
{
    match store.pool() {
        Pool::Sqlite { read, .. } => sqlx::query_as(AssertSqlSafe(sql.into())).fetch_all(read).await,
        Pool::Postgres(pool) => sqlx::query_as(AssertSqlSafe(for_postgres(&sql.into()))).fetch_all(pool).await,
    }
    .unwrap()
}

/// The one value that a query finds.
pub async fn scalar<T>(store: &Store, sql: impl Into<String>) -> T
where
    T: Send + Unpin,
    (T,): for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow>,
{
    let mut rows: Vec<(T,)> = rows(store, sql).await;
    assert_eq!(rows.len(), 1, "not one value");
    rows.remove(0).0
}

/// An id as a literal for [`run`].
#[must_use]
pub fn literal(id: uuid::Uuid) -> String {
    format!("x'{}'", id.simple())
}

fn for_postgres(sql: &str) -> String {
    let mut text = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("x'") {
        text.push_str(before);
        match after.split_once('\'') {
            // Not the end of a text, such as 'x'.
            Some((digits, behind)) if !before.ends_with('\'') && digits.bytes().all(|it| it.is_ascii_hexdigit()) => {
                text.push_str(if digits.len() == 32 { "'" } else { "'\\x" });
                text.push_str(digits);
                text.push('\'');
                rest = behind;
            }
            _ => {
                text.push_str("x'");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_are_written_for_the_server() {
        let id = uuid::Uuid::nil();
        assert_eq!(
            for_postgres(&format!("VALUES ('x', {}, x'00', x'')", literal(id))),
            format!("VALUES ('x', '{}', '\\x00', '\\x')", id.simple())
        );
    }
}
