//! The key that encrypts stored credentials, and the store that it opens.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use pandaport_runtime::settings::{EncryptionKeys, create_key_file, key_file_beside};
use pandaport_store::{Keyring, Store, StoreError};

use crate::error::Error;

/// Where `up` has its key from, in words.
pub(crate) type Origin = String;

/// The keys of the environment, for a process that makes none itself.
pub(crate) fn required() -> Result<EncryptionKeys, Error> {
    from_env()?.ok_or_else(|| {
        Error::Input(
            "PANDAPORT_ENCRYPTION_KEY or PANDAPORT_ENCRYPTION_KEY_FILE must be set: it opens the stored credentials. Beside a \
             SQLite file that `pandaport up` made it is in <file>.key; for a new database, `openssl rand -base64 32` makes one"
                .to_owned(),
        )
    })
}

/// The keys of `up`: the environment's, else those in the file beside the database, else a new file there, as long as
/// nothing is stored that another key sealed.
pub(crate) async fn for_up(store: &Store, database: &Path) -> Result<(EncryptionKeys, Origin), Error> {
    if let Some(keys) = from_env()? {
        return Ok((keys, "from the environment".to_owned()));
    }
    let path = key_file_beside(database);
    let shown = path.display();
    if path.try_exists().with_context(|| format!("{shown} can't be looked for"))? {
        return Ok((EncryptionKeys::from_file(&path)?, shown.to_string()));
    }
    // Any key opens a store that holds no secrets; none but the lost one opens another.
    match store.clone().unlock(keyring(&[Keyring::generate()])?).await {
        Ok(_) => {}
        Err(StoreError::Key(_)) => {
            return Err(anyhow!(
                "{} holds credentials, but the key that opens them is gone: put it back as {shown}, or set \
                 PANDAPORT_ENCRYPTION_KEY_FILE to where it is",
                database.display()
            )
            .into());
        }
        Err(error) => return Err(anyhow::Error::new(error).into()),
    }
    let keys = create_key_file(&path)?;
    Ok((keys, format!("{shown}, new: keep a copy, the stored credentials can't be read without it")))
}

/// The keys to a SQLite file that is there: the environment's, else those in the file beside it.
pub(crate) fn of_file(database: &Path) -> Result<(EncryptionKeys, Origin), Error> {
    if let Some(keys) = from_env()? {
        return Ok((keys, "the environment's".to_owned()));
    }
    let path = key_file_beside(database);
    Ok((EncryptionKeys::from_file(&path)?, format!("now in {}", path.display())))
}

/// The store with its secrets opened.
pub(crate) async fn unlock(store: Store, keys: &EncryptionKeys) -> Result<Store, Error> {
    let keyring = keyring(keys.keys())?;
    store.unlock(keyring).await.map_err(|error| anyhow::Error::new(error).into())
}

fn from_env() -> Result<Option<EncryptionKeys>, Error> {
    Ok(EncryptionKeys::from_env(|name| std::env::var_os(name))?)
}

fn keyring(keys: &[secrecy::SecretString]) -> Result<Keyring, Error> {
    Keyring::new(keys).map_err(|error| anyhow::Error::new(error).into())
}
