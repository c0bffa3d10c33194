//! `pandaport migrate`: brings the database to this program's version, as a step of its own.

use clap::Args;
use pandaport_runtime::settings::{DatabaseSettings, ProcessSettings};
use pandaport_runtime::{DatabaseLock, telemetry};
use pandaport_store::Store;
use secrecy::ExposeSecret as _;

use crate::console::Console;
use crate::error::Error;
use crate::process::VERSION;

/// The flags of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    process: ProcessSettings,
}

/// Migrates. Safe to run twice, and by two at once: one does it, the other waits and finds it done.
///
/// # Errors
/// [`Error::Input`] for settings that can't be used, [`Error::Process`] where the database refuses.
pub async fn migrate(args: MigrateArgs, console: &mut Console) -> Result<(), Error> {
    let telemetry = telemetry::start(&args.process.telemetry, "pandaport", VERSION)?;
    let database = args.database.database()?;
    // Whoever is at the file works by the schema that it found.
    let _lock = database.file().map(|file| DatabaseLock::exclusive(file, "pandaport migrate")).transpose()?;
    let store = Store::create(database.url().expose_secret()).await.map_err(anyhow::Error::new)?;
    let before = store.schema_version().await.map_err(anyhow::Error::new)?;
    pandaport_queue::migrate(&store).await.map_err(anyhow::Error::new)?;
    let after = store.schema_version().await.map_err(anyhow::Error::new)?;
    store.close().await;
    console.line(sentence(before, after))?;
    telemetry.shutdown().await;
    Ok(())
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
