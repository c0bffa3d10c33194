//! One SQL text for both databases.
//!
//! Parameters are written `$1`, `$2`. A list of text ids is passed as one JSON array; the fragment `IDS($n)` stands for the
//! rows in it and becomes what the database calls that, as in `WHERE device_id IN (IDS($2))`.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// `text` in this dialect. Free for a text without `IDS`.
    pub(crate) fn sql(self, text: &'static str) -> SqlStr {
        if !text.contains("IDS(") {
            return text.into_sql_str();
        }
        let mut sql = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("IDS(") {
            let (parameter, behind) = after.split_once(')').expect("every IDS( in our own SQL is closed");
            sql.push_str(before);
            match self {
                Self::Sqlite => sql.push_str(&format!("SELECT value FROM json_each({parameter})")),
                Self::Postgres => sql.push_str(&format!("SELECT jsonb_array_elements_text({parameter}::jsonb)")),
            }
            rest = behind;
        }
        sql.push_str(rest);
        // Safe: made of two texts of this program, no value is in it.
        AssertSqlSafe(sql).into_sql_str()
    }
}

/// A list of ids as `IDS($n)` wants it.
pub(crate) fn id_list<S: AsRef<str>>(ids: &[S]) -> String {
    let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&ids).expect("a list of texts is JSON")
}

/// Runs one body against the readers: `on_read!(store, pool => sqlx::query(..).fetch_all(pool).await)`.
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

pub(crate) use {on_read, on_tx, on_write};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ids_is_written_for_each_database() {
        let text = "SELECT 1 WHERE a IN (IDS($1)) AND b IN (IDS($2))";
        assert_eq!(
            Dialect::Sqlite.sql(text).as_str(),
            "SELECT 1 WHERE a IN (SELECT value FROM json_each($1)) AND b IN (SELECT value FROM json_each($2))"
        );
        assert!(Dialect::Postgres.sql(text).as_str().contains("jsonb_array_elements_text($2::jsonb)"));
        assert_eq!(id_list(&["a\"b", "c"]), r#"["a\"b","c"]"#);
    }
}
