//! `pandaport migrate --from sqlite://... --to postgres://...`: moves a one-machine installation to a PostgreSQL server.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use pandaport_queue::{Behind, Queue};
use pandaport_runtime::DatabaseLock;
use pandaport_runtime::settings::{Database, DatabaseSettings};
use pandaport_store::{Store, relocate as rows, syncs};
use secrecy::{ExposeSecret as _, SecretString};

use crate::console::Console;
use crate::error::Error;
use crate::migrate::{bring_up, refuse_company};
use crate::process::keys;
use crate::show::text::count;

/// From where to where.
#[derive(Debug, Clone, Args)]
pub(crate) struct Relocation {
    /// Move an installation: the SQLite file that it is on. Its programs must be stopped
    #[arg(long, requires = "to", value_name = "URL")]
    from: Option<SecretString>,
    /// The PostgreSQL database that it moves to: a new one, or one that was only migrated
    #[arg(long, requires = "from", value_name = "URL")]
    to: Option<SecretString>,
}

/// Both ends of a move.
pub(crate) struct Ends {
    from: SecretString,
    to: SecretString,
}

impl Relocation {
    pub(crate) fn ends(self) -> Option<Ends> {
        Some(Ends { from: self.from?, to: self.to? })
    }
}

/// Moves. What was interrupted has moved nothing, and can be run again.
///
/// The file is given another name before the move is made to last, so that there is no moment at which programs could be
/// started on both: should this process die in between, they can be started on neither, and the file has to be named back.
///
/// # Errors
/// [`Error::Input`] for ends that can't be used, [`Error::Process`] where one of them refuses.
pub(crate) async fn relocate(ends: Ends, console: &mut Console) -> Result<(), Error> {
    let Database::Sqlite { url, path } = database(ends.from, "--from")? else {
        return Err(Error::Input("--from must be a SQLite file: sqlite://<file>".to_owned()));
    };
    let Database::Postgres { url: to } = database(ends.to, "--to")? else {
        return Err(Error::Input(
            "--to must be a PostgreSQL database: postgres://<user>:<password>@<host>/<name>".to_owned(),
        ));
    };
    let aside = aside(&path)?;
    let _lock = DatabaseLock::exclusive(&path, "pandaport migrate")?;
    let source = Store::connect(url.expose_secret()).await.map_err(anyhow::Error::new)?;
    let (there, wanted) = (source.schema_version().await.map_err(anyhow::Error::new)?, Store::wanted_schema_version());
    if there != wanted {
        return Err(anyhow!(
            "{} is at schema version {there}, this program at {wanted}: run `pandaport migrate` on it first, or use the \
             program that goes with it",
            path.display()
        )
        .into());
    }
    // Every secret was sealed with it, or this refuses. It moves along as it is: what was sealed stays sealed.
    let (keys, origin) = keys::of_file(&path)?;
    let source = keys::unlock(source, &keys).await?;

    let target = Store::create(to.expose_secret()).await.map_err(anyhow::Error::new)?;
    bring_up(&target).await?;
    refuse_company(&target).await?;
    let queue = Queue::new(&target).context("the queue can't be opened")?;
    let mut tx = target.begin_write().await.map_err(anyhow::Error::new)?;
    let moved = rows::copy(&source, &mut tx).await.map_err(anyhow::Error::new)?;
    let active = syncs::all_active(&mut tx).await.map_err(anyhow::Error::new)?;
    for sync in &active {
        queue.enqueue(&mut tx, &Behind::from(sync)).await.map_err(anyhow::Error::new)?;
    }

    source.close().await;
    std::fs::rename(&path, &aside).with_context(|| format!("{} can't be renamed", path.display()))?;
    tx.commit().await.map_err(|error| {
        anyhow::Error::new(error).context(format!(
            "it is not known whether the move was kept: if there are connections in {}, it was; if not, name {} back",
            target.place(),
            aside.display()
        ))
    })?;
    for it in moved.iter().filter(|it| it.rows > 0) {
        console.line(format!("  {:<18} {}", it.table, count(it.rows, "row", "rows")))?;
    }
    console.line(format!(
        "Moved to {}: counts and checksums of all tables agree. {} there. The file is kept as {}: start nothing on it. Give \
         every program PANDAPORT_DATABASE_URL and the same key ({origin}).",
        target.place(),
        count(active.len().try_into().unwrap_or(u64::MAX), "active sync goes on", "active syncs go on"),
        aside.display()
    ))?;
    target.close().await;
    Ok(())
}

fn database(url: SecretString, flag: &str) -> Result<Database, Error> {
    let settings = DatabaseSettings::of(url);
    settings.database().map_err(|error| Error::Input(format!("{flag}: {error}")))
}

/// The name that the file gets when all of it has moved.
fn aside(path: &Path) -> Result<PathBuf, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".moved");
    let aside = PathBuf::from(name);
    if aside.try_exists().with_context(|| format!("{} can't be looked for", aside.display()))? {
        return Err(anyhow!(
            "{} is there: an installation was moved from here already, or its move was interrupted at its very end. Look at \
             the target before you name the file back",
            aside.display()
        )
        .into());
    }
    Ok(aside)
}
