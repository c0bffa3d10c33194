//! One SQL text for both databases.
//!
//! Parameters are written `$1`, `$2`; each has the type of what is bound to it. What the databases say differently stands in
//! a text as one of these fragments, and the text then goes through [`Store::sql`](crate::Store::sql) or
//! [`Tx::sql`](crate::Tx::sql):
//!
//! | fragment | stands for |
//! |---|---|
//! | `IN IDS($2)` | being one of a list of texts, passed as one JSON array ([`id_list`]) |
//! | `ROWS($2: a TEXT, b BIGINT)` | rows with these columns, in the order in which they were passed, as one JSON array of arrays ([`row_list`]). Columns are TEXT, BIGINT, BOOLEAN, BYTES ([`bytes`]) or ID ([`id`]) |
//! | `FOR NO KEY UPDATE` | these rows are nobody else's to change until the transaction ends. Nothing on SQLite: its one writer has the whole file to itself |
//! | `FOR NO KEY UPDATE SKIP LOCKED` | the same, without those that somebody else is at |
//! | `MICROS(column)` | a time of the queue's as microseconds since 1970; of `'now'`, the present |
//! | `JOB_OF($2)` | being a job of the queue's behind the sync with this id, passed as text |
//!
//! Rows are locked in one order, or transactions would wait for each other: connection, mapping, sync, what belongs to the
//! sync; an alert's target before its alerts; a kept answer last.

use serde::Serialize;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use uuid::Uuid;

const IDS: &str = "IN IDS(";
const ROWS: &str = "ROWS(";
const MICROS: &str = "MICROS(";
const JOB_OF: &str = "JOB_OF(";
const LOCK: &str = " FOR NO KEY UPDATE";
const SKIP: &str = " SKIP LOCKED";

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// `text` in this dialect. Free for a text without fragments.
    pub(crate) fn sql(self, text: &'static str) -> SqlStr {
        if ![IDS, ROWS, MICROS, JOB_OF, LOCK].iter().any(|fragment| text.contains(fragment)) {
            return text.into_sql_str();
        }
        let mut sql = match self {
            Self::Sqlite => text.replace(LOCK, "").replace(SKIP, ""),
            Self::Postgres => text.to_owned(),
        };
        sql = replace_calls(&sql, IDS, |list| match self {
            Self::Sqlite => format!("IN (SELECT value FROM json_each({list}))"),
            // An array, not the rows: the planner then looks the ids up in an index, whatever it believes of their number.
            Self::Postgres => format!("= ANY (ARRAY(SELECT jsonb_array_elements_text(CAST({list} AS JSONB))))"),
        });
        sql = replace_calls(&sql, ROWS, |rows| self.rows(rows));
        sql = replace_calls(&sql, MICROS, |time| match self {
            Self::Sqlite => format!("CAST(unixepoch({time}, 'subsec') * 1000000 AS INTEGER)"),
            Self::Postgres => {
                let time = if time == "'now'" { "clock_timestamp()" } else { time };
                format!("CAST(EXTRACT(EPOCH FROM {time}) * 1000000 AS BIGINT)")
            }
        });
        sql = replace_calls(&sql, JOB_OF, |id| match self {
            Self::Sqlite => format!("args ->> 'sync_id' = {id}"),
            // As the queue's own index on what jobs are about has it.
            Self::Postgres => format!("args @> jsonb_build_object('sync_id', CAST({id} AS TEXT))"),
        });
        // Safe: made of texts of this program, no value is in it.
        AssertSqlSafe(sql).into_sql_str()
    }

    /// The rows of a parameter, from `$2: a TEXT, b BIGINT`.
    pub(crate) fn rows(self, declared: &str) -> String {
        let (parameter, columns) = declared.split_once(':').expect("rows are declared with their columns");
        let columns = columns.split(',').enumerate().map(|(at, column)| {
            let (name, kind) = column.trim().split_once(' ').expect("a column has a name and a type");
            let value = match (self, kind) {
                (Self::Sqlite, "BYTES" | "ID") => format!("unhex(value ->> {at})"),
                (Self::Postgres, "BYTES") => format!("decode(value ->> {at}, 'hex')"),
                (Self::Postgres, "ID") => format!("CAST(value ->> {at} AS UUID)"),
                (Self::Postgres, "BIGINT" | "BOOLEAN") => format!("CAST(value ->> {at} AS {kind})"),
                _ => format!("value ->> {at}"),
            };
            format!("{value} AS {name}")
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite => format!("(SELECT {columns} FROM json_each({parameter}))"),
            // Through an array, for the same reason as above.
            Self::Postgres => format!(
                "(SELECT {columns} FROM unnest(ARRAY(SELECT jsonb_array_elements(CAST({parameter} AS JSONB)))) AS value)"
            ),
        }
    }
}

/// Replaces each `<name>argument)`.
fn replace_calls(text: &str, name: &str, write: impl Fn(&str) -> String) -> String {
    let mut replaced = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(name) {
        let (argument, behind) = after.split_once(')').expect("every fragment in our own SQL is closed");
        replaced.push_str(before);
        replaced.push_str(&write(argument));
        rest = behind;
    }
    replaced.push_str(rest);
    replaced
}

/// A list of ids as `IN IDS($n)` wants it.
pub(crate) fn id_list<S: AsRef<str>>(ids: &[S]) -> String {
    let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&ids).expect("a list of texts is JSON")
}

/// Rows as `ROWS($n: ..)` wants them: tuples in the order of its columns.
pub(crate) fn row_list<R: Serialize>(rows: impl IntoIterator<Item = R>) -> String {
    let rows: Vec<R> = rows.into_iter().collect();
    serde_json::to_string(&rows).expect("texts and numbers are JSON")
}

/// A binary value of such a row.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// An id of such a row.
pub(crate) fn id(id: Uuid) -> String {
    id.simple().to_string()
}

/// Runs one body against the readers: `on_read!(store, pool => sqlx::query(..).fetch_all(pool).await)`.
#[macro_export]
macro_rules! on_read {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pool() {
            $crate::Pool::Sqlite { read: $pool, .. } => $body,
            $crate::Pool::Postgres($pool) => $body,
        }
    };
}

/// Runs one body, a single statement, against the writer outside a transaction.
macro_rules! on_write {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pool() {
            $crate::Pool::Sqlite { write: $pool, .. } => $body,
            $crate::Pool::Postgres($pool) => $body,
        }
    };
}

/// Runs one body on a transaction's connection: `on_tx!(tx, conn => sqlx::query(..).execute(&mut *conn).await)`.
#[macro_export]
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

pub(crate) use on_write;
pub(crate) use {crate::on_read, crate::on_tx};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ids_is_written_for_each_database() {
        let text = "SELECT 1 WHERE a IN IDS($1) AND b IN IDS($2)";
        assert_eq!(
            Dialect::Sqlite.sql(text).as_str(),
            "SELECT 1 WHERE a IN (SELECT value FROM json_each($1)) AND b IN (SELECT value FROM json_each($2))"
        );
        assert!(Dialect::Postgres.sql(text).as_str().contains("jsonb_array_elements_text(CAST($2 AS JSONB))"));
        assert_eq!(id_list(&["a\"b", "c"]), r#"["a\"b","c"]"#);
    }

    #[test]
    fn rows_are_written_for_each_database() {
        let text = "SELECT it.a FROM ROWS($2: a TEXT, b BIGINT, c BYTES) AS it";
        assert_eq!(
            Dialect::Sqlite.sql(text).as_str(),
            "SELECT it.a FROM (SELECT value ->> 0 AS a, value ->> 1 AS b, unhex(value ->> 2) AS c FROM json_each($2)) AS it"
        );
        assert_eq!(
            Dialect::Postgres.sql(text).as_str(),
            "SELECT it.a FROM (SELECT value ->> 0 AS a, CAST(value ->> 1 AS BIGINT) AS b, decode(value ->> 2, 'hex') AS c \
             FROM unnest(ARRAY(SELECT jsonb_array_elements(CAST($2 AS JSONB)))) AS value) AS it"
        );
        assert_eq!(row_list([("a", Some(1), bytes(&[0, 255]))]), r#"[["a",1,"00ff"]]"#);
    }

    #[test]
    fn rows_are_locked_where_there_is_more_than_one_writer() {
        for text in ["SELECT 1 FROM a FOR NO KEY UPDATE", "SELECT 1 FROM a FOR NO KEY UPDATE SKIP LOCKED"] {
            assert_eq!(Dialect::Sqlite.sql(text).as_str(), "SELECT 1 FROM a");
            assert_eq!(Dialect::Postgres.sql(text).as_str(), text);
        }
    }
}
