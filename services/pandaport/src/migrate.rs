//! `pandaport migrate`: brings the database to this program's version, as a step of its own.

use anyhow::anyhow;
use clap::Args;
use pandaport_runtime::settings::{DatabaseSettings, ProcessSettings};
use pandaport_runtime::{DatabaseLock, telemetry};
use pandaport_store::{Store, processes, restored};
use secrecy::ExposeSecret as _;

use crate::console::Console;
use crate::error::Error;
use crate::process::VERSION;
use crate::relocate::{Relocation, relocate};
use crate::show::text::count;

/// The flags of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    process: ProcessSettings,
    /// The database was restored from a backup, and nothing runs on it yet: what its active syncs were about to create is
    /// looked up again
    #[arg(long, conflicts_with = "from")]
    restored: bool,
    #[command(flatten)]
    relocation: Relocation,
}

/// Migrates. Safe to run twice, and by two at once: one does it, the other waits and finds it done.
///
/// # Errors
/// [`Error::Input`] for settings that can't be used, [`Error::Process`] where the database refuses.
pub async fn migrate(args: MigrateArgs, console: &mut Console) -> Result<(), Error> {
    let telemetry = telemetry::start(&args.process.telemetry, "pandaport", VERSION)?;
    if let Some(ends) = args.relocation.ends() {
        relocate(ends, console).await?;
        telemetry.shutdown().await;
        return Ok(());
    }
    let database = args.database.database()?;
    // Beside workers and control planes, which go on with what a migration adds, but not beside `pandaport up`; and what was
    // restored is nobody else's yet.
    let lock = |file| match args.restored {
        true => DatabaseLock::exclusive(file, "pandaport migrate"),
        false => DatabaseLock::shared(file),
    };
    let _lock = database.file().map(lock).transpose()?;
    let store = Store::create(database.url().expose_secret()).await.map_err(anyhow::Error::new)?;
    let (before, after) = bring_up(&store).await?;
    console.line(sentence(before, after))?;
    if args.restored {
        refuse_company(&store).await?;
        let late = restored::look_again(&store).await.map_err(anyhow::Error::new)?;
        console.line(format!(
            "{} will look up again what was about to be created.",
            count(late, "active sync", "active syncs")
        ))?;
    }
    store.close().await;
    telemetry.shutdown().await;
    Ok(())
}

/// Brings the schema to this program's version: the version before, and after.
pub(crate) async fn bring_up(store: &Store) -> Result<(i64, i64), Error> {
    let before = store.schema_version().await.map_err(anyhow::Error::new)?;
    pandaport_queue::migrate(store).await.map_err(anyhow::Error::new)?;
    Ok((before, store.schema_version().await.map_err(anyhow::Error::new)?))
}

/// Refuses where a process is at work on the database.
pub(crate) async fn refuse_company(store: &Store) -> Result<(), Error> {
    let at_work =
        processes::at_work(store, store.time().await.map_err(anyhow::Error::new)?).await.map_err(anyhow::Error::new)?;
    match at_work.first() {
        Some(process) => Err(anyhow!(
            "{process} is at work on {}: stop it, then run this again. One that was killed, or was at work when a backup was \
             made, counts as at work for {} s",
            store.place(),
            processes::SILENCE.as_secs()
        )
        .into()),
        None => Ok(()),
    }
}

fn sentence(before: i64, after: i64) -> String {
    match before {
        0 => format!("The database is new, and at schema version {after}."),
        _ if before == after => format!("The database is at schema version {after} already."),
        _ => format!("The database went from schema version {before} to {after}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_did() {
        assert_eq!(sentence(0, 1), "The database is new, and at schema version 1.");
        assert_eq!(sentence(1, 1), "The database is at schema version 1 already.");
        assert_eq!(sentence(1, 3), "The database went from schema version 1 to 3.");
    }
}
