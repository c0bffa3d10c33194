//! Which processes are at work on this database, and for which schema they were made.

use std::time::Duration;

use crate::dialect::{on_read, on_write};
use crate::{Micros, Result, Store};

/// How long a process that went silent is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// A process that said nothing for so long is not at work any more. It speaks every ten seconds.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The version of the schema from which on there is a list of processes.
pub const SINCE_SCHEMA: i64 = 7;

/// A process, and the program that it runs.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Process {
    /// Its id, new with every start.
    pub process_id: String,
    /// Its program, such as `pandaport-worker`.
    pub program: String,
    /// That program's version.
    pub version: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its number there.
    pub pid: i64,
    /// The schema that the program was made for.
    pub schema_version: i64,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { process_id, program, version, host, pid, schema_version } = self;
        match pid {
            0 => write!(f, "{program} {version} on {host} (it goes by {process_id})"),
            _ => write!(f, "{program} {version} on {host} (process {pid}, made for schema version {schema_version})"),
        }
    }
}

/// This process is alive at `now`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn beat(store: &Store, process: &Process, now: Micros) -> Result<()> {
    on_write!(store, pool => sqlx::query(
        "INSERT INTO processes \
           (process_id, program, version, host, pid, schema_version, start_time, beat_time) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
         ON CONFLICT (process_id) DO UPDATE SET beat_time = excluded.beat_time")
        .bind(&process.process_id).bind(&process.program).bind(&process.version).bind(&process.host)
        .bind(process.pid).bind(process.schema_version).bind(now).execute(pool).await.map(|_| ()))?;
    on_write!(store, pool => sqlx::query("DELETE FROM processes WHERE beat_time < $1")
        .bind(now.minus(REMEMBERED_FOR)).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// This process stops: nobody needs to wait for it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn leave(store: &Store, process_id: &str) -> Result<()> {
    on_write!(store, pool => sqlx::query("DELETE FROM processes WHERE process_id = $1")
        .bind(process_id).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// The processes that were at work at `now`, the oldest schema first. Workers of before there was this list say only that
/// they are alive: they come first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn at_work(store: &Store, now: Micros) -> Result<Vec<Process>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Process>(
        "SELECT process_id, program, version, host, pid, schema_version FROM processes WHERE beat_time >= $1 \
         UNION ALL \
         SELECT worker_id, 'a worker', 'of an older version', 'some machine', CAST(0 AS BIGINT), CAST(0 AS BIGINT) \
         FROM workers WHERE beat_time >= $1 AND worker_id NOT IN (SELECT process_id FROM processes) \
         ORDER BY schema_version, program, host, pid")
        .bind(now.minus(SILENCE)).fetch_all(pool).await)?)
}
