//! The keys that encrypt stored secrets.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::effective::Effective;
use crate::RuntimeError;

const VALUE: &str = "PANDAPORT_ENCRYPTION_KEY";
const FILE: &str = "PANDAPORT_ENCRYPTION_KEY_FILE";
const KEY_BYTES: usize = 32;

/// The keys, one or more: the first encrypts, all decrypt. Each is 32 bytes in base64, a list of them has
/// commas or line ends between them. Debug and errors never show them.
#[derive(Clone, Debug)]
pub struct EncryptionKeys {
    keys: Vec<SecretString>,
}

impl EncryptionKeys {
    /// From `PANDAPORT_ENCRYPTION_KEY` or the file that `PANDAPORT_ENCRYPTION_KEY_FILE` names; `lookup` is
    /// `|name| std::env::var_os(name)`. `None`: neither is set.
    ///
    /// # Errors
    /// [`RuntimeError::Setting`] if both are set or a key is malformed, [`RuntimeError::Io`] if the file
    /// can't be read.
    pub fn from_env(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, RuntimeError> {
        match (lookup(VALUE), lookup(FILE)) {
            (Some(_), Some(_)) => Err(RuntimeError::setting(VALUE, format!("set either this or {FILE}, not both"))),
            (Some(value), None) => {
                let text = value.into_string().map(Zeroizing::new);
                let text = text.map_err(|_| RuntimeError::setting(VALUE, "is not text"))?;
                Self::parse(&text, VALUE).map(Some)
            }
            (None, Some(path)) => Self::from_file(Path::new(&path)).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// From a file, such as one that [`create_key_file`] made.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_file(path: &Path) -> Result<Self, RuntimeError> {
        let text = fs::read_to_string(path).map_err(|cause| RuntimeError::Io {
            action: "read the encryption key in",
            path: path.to_owned(),
            hint: match cause.kind() {
                ErrorKind::NotFound => "set PANDAPORT_ENCRYPTION_KEY_FILE to where it is",
                ErrorKind::PermissionDenied => {
                    "run this as the file's owner, or make the user who runs it the owner (chown)"
                }
                _ => "it must be a text file with the key in base64",
            },
            cause,
        })?;
        if let Some(warning) = open_to_others(path) {
            tracing::warn!("{warning}");
        }
        Self::parse(&Zeroizing::new(text), FILE).map_err(|error| match error {
            RuntimeError::Setting { setting, message } => {
                RuntimeError::Setting { setting, message: format!("{}: {message}", path.display()) }
            }
            other => other,
        })
    }

    fn parse(text: &str, setting: &'static str) -> Result<Self, RuntimeError> {
        let parts: Vec<&str> = text.split([',', '\n']).map(str::trim).filter(|it| !it.is_empty()).collect();
        if parts.is_empty() {
            return Err(RuntimeError::setting(setting, "is empty; make a key with `openssl rand -base64 32`"));
        }
        let mut keys = Vec::with_capacity(parts.len());
        for (position, part) in parts.iter().enumerate() {
            keys.push(read_key(part).map_err(|problem| {
                RuntimeError::setting(
                    setting,
                    format!(
                        "key {} of {} {problem}; make one with `openssl rand -base64 32`",
                        position + 1,
                        parts.len()
                    ),
                )
            })?);
        }
        Ok(Self { keys })
    }

    /// The keys in standard base64 with padding, the one that encrypts first.
    pub fn keys(&self) -> &[SecretString] {
        &self.keys
    }

    /// Adds to `out` how many keys there are.
    pub fn describe(keys: Option<&Self>, out: &mut Effective) {
        let said = match keys.map(|it| it.keys.len()) {
            None => "(not set)".to_owned(),
            Some(1) => "(1 key, hidden)".to_owned(),
            Some(count) => format!("({count} keys, hidden)"),
        };
        out.add(VALUE, said);
    }
}

/// Checks one key and brings it into its one form.
fn read_key(text: &str) -> Result<SecretString, String> {
    // The decoder's error would quote a byte of the key.
    let bytes = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| "is not base64".to_owned())?;
    if bytes.len() != KEY_BYTES {
        return Err(format!("has {} bytes, not {KEY_BYTES}", bytes.len()));
    }
    if bytes.iter().all(|it| *it == bytes[0]) {
        return Err("is one byte repeated, an example at best".to_owned());
    }
    Ok(STANDARD.encode(&*bytes).into())
}

/// A warning, if users other than the owner may read or write the file. No error: some ways to hand a process its
/// secrets, such as a volume of Kubernetes, leave no choice.
fn open_to_others(path: &Path) -> Option<String> {
    const OTHERS: u32 = 0o077;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let shown = path.display();
    (mode & OTHERS != 0).then(|| {
        format!("the encryption key in {shown} is open to users other than its owner; close it with: chmod 600 {shown}")
    })
}

/// Where `up` keeps the key of a SQLite file: `<database>.key`.
pub fn key_file_beside(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".key");
    name.into()
}

/// Makes a key and a file for it that only its owner can read (mode 0600).
///
/// # Errors
/// [`RuntimeError::Io`]; also if the file exists: a key that is overwritten can't be had back.
pub fn create_key_file(path: &Path) -> Result<EncryptionKeys, RuntimeError> {
    let io = |cause: std::io::Error| RuntimeError::Io {
        action: "create the encryption key in",
        path: path.to_owned(),
        hint: match cause.kind() {
            ErrorKind::AlreadyExists => "it is there already and is never overwritten: start again",
            ErrorKind::StorageFull => "free some disk space",
            _ => "let this user write in that folder, or set PANDAPORT_ENCRYPTION_KEY_FILE to a key that is elsewhere",
        },
        cause,
    };
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|error| io(std::io::Error::other(error)))?;
    let key = SecretString::from(STANDARD.encode(bytes.as_slice()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    let written = writeln!(file, "{}", key.expose_secret()).and_then(|()| file.sync_all());
    if let Err(cause) = written {
        // Half a key would be refused at the next start, and stand in the way of a whole one.
        let _ = fs::remove_file(path);
        return Err(io(cause));
    }
    Ok(EncryptionKeys { keys: vec![key] })
}

#[cfg(test)]
mod tests;
