//! A database that a program has to itself.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::{Pool, Result, Store};

/// The advisory lock of the program that has the database to itself: "pandapup" as a number.
const ADVISORY_LOCK: i64 = 0x7061_6e64_6170_7570;
/// How long a server may take to notice that a program was killed.
const KILLED_NOTICED: Duration = Duration::from_secs(5);
/// How often it is asked meanwhile.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// A program's claim on a database. Given back when dropped, also by the death of the process.
///
/// On PostgreSQL it is a lock of a connection of its own, and ends with it. On SQLite there is nothing to hold: whoever
/// claims a file has locked it before it opened it (`pandaport_runtime::DatabaseLock`).
#[derive(Debug)]
pub struct Claim {
    _session: Option<PgConnection>,
}

impl Store {
    /// Claims the database; `None`: another program has.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn claim(&self) -> Result<Option<Claim>> {
        let Pool::Postgres(pool) = self.pool() else { return Ok(Some(Claim { _session: None })) };
        let mut session = PgConnection::connect_with(&pool.connect_options()).await?;
        let asked = tokio::time::Instant::now();
        loop {
            let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(ADVISORY_LOCK)
                .fetch_one(&mut session)
                .await?;
            if is_ours {
                return Ok(Some(Claim { _session: Some(session) }));
            }
            if asked.elapsed() >= KILLED_NOTICED {
                return Ok(None);
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }
}
