//! One process at a time on a SQLite file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::RuntimeError;

/// Holds the operating system's lock on `<database>.lock` until it is dropped or the process ends,
/// however it ends. The file itself stays: removing it would let two processes lock two files of one
/// name.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock beside `database`.
    ///
    /// # Errors
    /// [`RuntimeError::Locked`] with the holder's process id if another one has it;
    /// [`RuntimeError::Io`] if the file can't be made, as in a folder that does not exist.
    pub fn acquire(database: &Path) -> Result<Self, RuntimeError> {
        let path = lock_file(database);
        let io = |action| {
            let path = path.clone();
            move |source| RuntimeError::Io { action, path, source }
        };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io("create"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RuntimeError::Locked { database: database.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        file.set_len(0).map_err(io("write"))?;
        file.rewind().map_err(io("write"))?;
        writeln!(file, "{}", std::process::id()).map_err(io("write"))?;
        Ok(Self { _file: file })
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".lock");
    name.into()
}

/// Who has the lock, as far as the file tells: its holder may just be about to write.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pandaport.db");
        let first = DatabaseLock::acquire(&database).unwrap();

        let error = DatabaseLock::acquire(&database).unwrap_err();

        assert!(matches!(error, RuntimeError::Locked { .. }));
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("pandaport.db is in use"), "{text}");

        drop(first);
        DatabaseLock::acquire(&database).unwrap();
    }

    #[test]
    fn a_shorter_process_id_leaves_nothing_of_the_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pandaport.db");
        std::fs::write(lock_file(&database), "99999999999\n99999\n").unwrap();

        let _lock = DatabaseLock::acquire(&database).unwrap();

        let text = std::fs::read_to_string(lock_file(&database)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = DatabaseLock::acquire(&folder.path().join("absent/p.db")).unwrap_err();
        assert!(error.to_string().contains("absent/p.db.lock"), "{error}");
    }
}
