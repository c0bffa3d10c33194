//! Moves what a SQLite file holds into an empty PostgreSQL database.
//!
//! Rows are copied as JSON, a few hundred at a time, in one transaction of the target: an interrupted move has moved nothing.
//! Both ends then tell the rows of each table in the same words, and have to agree. The queue's tables are left out: an active
//! sync gets a fresh job.

use futures::TryStreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Sqlite, SqlitePool, Transaction};

use crate::dialect::Dialect;
use crate::{Pool, Result, Store, StoreError, Tx};

/// Every table that is moved, each behind those that its rows refer to.
pub const TABLES: [&str; 22] = [
    "connections",
    "mappings",
    "mapping_revisions",
    "syncs",
    "sync_records",
    "dry_run_seen",
    "dry_run_moves",
    "links",
    "link_values",
    "intents",
    "budget_lots",
    "budget_blocks",
    "requests",
    "sync_users",
    "brake_items",
    "held_changes",
    "approved_changes",
    "kept_records",
    "alert_targets",
    "alerts",
    "audit_events",
    "leftovers",
];
/// Ours too, but about the processes on a database, and its schema: they stay where they are.
pub const LEFT: [&str; 8] = [
    "workers",
    "processes",
    "continuity",
    "tenant_slots",
    "slot_waits",
    "budget_wishes",
    "schema_readers",
    "_sqlx_migrations",
];
/// Rows in one statement.
const AT_ONCE: usize = 500;

/// What was moved of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
}

/// Copies everything from `source`, a SQLite file that nobody is at work on, into `tx`, a transaction on an empty PostgreSQL
/// database, and compares. Both must be at this program's schema version.
///
/// # Errors
/// [`StoreError::Unsupported`] when one is not as it should be, or something does not fit the target;
/// [`StoreError::Corrupt`] when the ends do not agree afterwards. Then `tx` must not be committed.
pub async fn copy(source: &Store, tx: &mut Tx) -> Result<Vec<Moved>> {
    let (Pool::Sqlite { read, .. }, Tx::Postgres(target)) = (source.pool(), tx) else {
        return Err(StoreError::Unsupported("a move goes from a SQLite file to a PostgreSQL database".into()));
    };
    // A table with a million rows takes longer than any statement of ours.
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut **target).await?;
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut **target).await?;
    let mut snapshot = read.begin().await?;
    refuse_what_is_not_known(read, target).await?;
    let mut moved = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let columns = Columns::of(table, target).await?;
        refuse_rows(table, target).await?;
        let sent = copy_table(&columns, &mut snapshot, target).await?;
        let arrived = columns.digest_there(target).await?;
        if sent != arrived {
            let message =
                format!("{} rows of {table} were sent, {} are there, or some differ", sent.rows, arrived.rows);
            return Err(StoreError::corrupt("copy", message));
        }
        moved.push(Moved { table, rows: sent.rows });
    }
    // The stretches of work there are counted anew, and say nothing of those here: what was about to be created is looked up.
    sqlx::query("UPDATE syncs SET stretch = NULL WHERE state IN ('QUEUED', 'RUNNING', 'WAITING')")
        .execute(&mut **target)
        .await?;
    Ok(moved)
}

/// Tables that this list does not name would be lost.
async fn refuse_what_is_not_known(source: &SqlitePool, target: &mut PgConnection) -> Result<()> {
    let here: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(source).await?;
    let there: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_all(target)
            .await?;
    let is_ours = |name: &str| TABLES.contains(&name) || LEFT.contains(&name);
    let unknown = here
        .iter()
        .chain(&there)
        .find(|name| !is_ours(name) && !name.starts_with("river_") && !name.starts_with("sqlite_"));
    match unknown {
        Some(name) => {
            Err(StoreError::Unsupported(format!("there is a table {name}, of which this program knows nothing")))
        }
        None => Ok(()),
    }
}

async fn refuse_rows(table: &str, target: &mut PgConnection) -> Result<()> {
    let has_rows: bool = scalar(target, format!("SELECT EXISTS (SELECT 1 FROM {table})")).await?;
    if has_rows {
        return Err(StoreError::Unsupported(format!(
            "the database that is to be moved to is not empty (there are rows in {table}): make a new one"
        )));
    }
    Ok(())
}

/// The columns of a table, with their types in the words of `dialect`.
struct Columns {
    table: &'static str,
    columns: Vec<(String, &'static str)>,
}

impl Columns {
    /// As the target has them; the source has those of the same name, or its rows can't be read.
    async fn of(table: &'static str, target: &mut PgConnection) -> Result<Self> {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(target)
        .await?;
        let columns = columns.into_iter().map(|(name, kind)| {
            let kind = match kind.as_str() {
                "text" => "TEXT",
                "bigint" => "BIGINT",
                "boolean" => "BOOLEAN",
                "bytea" => "BYTES",
                "uuid" => "ID",
                other => return Err(StoreError::Unsupported(format!("{table}.{name} is of the type {other}"))),
            };
            Ok((name, kind))
        });
        Ok(Self { table, columns: columns.collect::<Result<_>>()? })
    }

    /// The rows of the source: each one JSON array, in which ids and binary values are hexadecimal, and booleans numbers.
    fn select_here(&self) -> String {
        let values = self.columns.iter().map(|(name, kind)| match *kind {
            // Of NULL, hex() makes an empty text.
            "BYTES" | "ID" => format!("CASE WHEN {name} IS NULL THEN NULL ELSE lower(hex({name})) END"),
            _ => name.clone(),
        });
        format!("SELECT json_array({}) FROM {}", join(values), self.table)
    }

    /// Those of the target, in the same form.
    fn select_there(&self) -> String {
        let values = self.columns.iter().map(|(name, kind)| match *kind {
            "BYTES" => format!("encode({name}, 'hex')"),
            "ID" => format!("replace(CAST({name} AS TEXT), '-', '')"),
            "BOOLEAN" => format!("CAST({name} AS INTEGER)"),
            _ => name.clone(),
        });
        format!("SELECT CAST(json_build_array({}) AS TEXT) FROM {}", join(values), self.table)
    }

    fn insert_there(&self) -> String {
        let names = join(self.columns.iter().map(|(name, _)| name.clone()));
        let declared = join(self.columns.iter().map(|(name, kind)| format!("{name} {kind}")));
        let rows = Dialect::Postgres.rows(&format!("$1: {declared}"));
        format!("INSERT INTO {} ({names}) SELECT {names} FROM {rows} AS it", self.table)
    }

    async fn digest_there(&self, target: &mut PgConnection) -> Result<Told> {
        let mut told = Told::default();
        // Safe: names of tables and columns of our own schema.
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(self.select_there())).fetch(target);
        while let Some(row) = rows.try_next().await? {
            told.add(&parsed(self.table, &row)?);
        }
        Ok(told)
    }
}

async fn copy_table(
    columns: &Columns,
    source: &mut Transaction<'_, Sqlite>,
    target: &mut PgConnection,
) -> Result<Told> {
    let mut told = Told::default();
    let insert = columns.insert_there();
    let mut batch: Vec<Value> = Vec::with_capacity(AT_ONCE);
    // Safe: names of tables and columns of our own schema.
    let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(columns.select_here())).fetch(&mut **source);
    loop {
        let row = rows.try_next().await?;
        let is_last = row.is_none();
        if let Some(row) = row {
            let row = parsed(columns.table, &row)?;
            told.add(&row);
            batch.push(row);
        }
        if batch.len() == AT_ONCE || (is_last && !batch.is_empty()) {
            let rows = Value::Array(std::mem::take(&mut batch)).to_string();
            sqlx::query(AssertSqlSafe(insert.clone())).bind(rows).execute(&mut *target).await?;
        }
        if is_last {
            return Ok(told);
        }
    }
}

/// How many rows there are, and what is in them, in whatever order they come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    rows: u64,
    sum: [u8; 32],
}

impl Told {
    fn add(&mut self, row: &Value) {
        self.rows += 1;
        // Added up as one number: two rows that are the same do not cancel each other out.
        let mut carry = 0;
        for (sum, digit) in self.sum.iter_mut().zip(Sha256::digest(row.to_string())) {
            let total = u16::from(*sum) + u16::from(digit) + carry;
            *sum = total.to_le_bytes()[0];
            carry = total >> 8;
        }
    }
}

fn parsed(table: &str, row: &str) -> Result<Value> {
    serde_json::from_str(row).map_err(|error| StoreError::corrupt("row", format!("of {table}: {error}")))
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

async fn scalar(target: &mut PgConnection, sql: String) -> Result<bool> {
    // Safe: a name of a table of our own schema.
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(target).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_rows_tells_nothing_and_each_of_them_something() {
        let told = |rows: &[Value]| {
            let mut told = Told::default();
            rows.iter().for_each(|row| told.add(row));
            told
        };
        let (a, b) = (json!(["a", 1]), json!(["b", null]));
        assert_eq!(told(&[a.clone(), b.clone()]), told(&[b.clone(), a.clone()]));
        assert_ne!(told(&[a.clone(), a.clone()]), told(&[b.clone(), b.clone()]));
        assert_ne!(told(&[a.clone(), b]), told(&[a.clone(), a]));
    }
}
