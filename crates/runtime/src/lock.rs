//! Who may be at a SQLite file at the same time.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::RuntimeError;

/// What the lock file says while it is shared. Which processes these are it can't say: they come and go.
const SHARED_HOLDERS: &str = "pandaport-worker or pandaport-control-plane";
const ALONE: &str = "this needs the file to itself";
const NOT_BESIDE: &str = "that has the file to itself";

/// Holds the operating system's lock on `<database>.lock` until it is dropped or the process ends,
/// however it ends. The file itself stays: removing it would let two processes lock two files of one
/// name.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock beside `database` for one process alone: for `pandaport up`, which clears at its start what a
    /// process before it left, and for a move or a restored database. `program` is what others are told that holds it.
    ///
    /// # Errors
    /// [`RuntimeError::Locked`] with the holder if anyone has it; [`RuntimeError::Io`] if the file can't be made, as in
    /// a folder that does not exist.
    pub fn exclusive(database: &Path, program: &str) -> Result<Self, RuntimeError> {
        Self::take(database, File::try_lock, ALONE, &format!("{} {program}", std::process::id()))
    }

    /// Takes the lock together with others that share it: for workers and control planes of their own, which work
    /// together on one file, and for `pandaport migrate` under them, but not beside `pandaport up`.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive), but only if one process has it alone.
    pub fn shared(database: &Path) -> Result<Self, RuntimeError> {
        Self::take(database, File::try_lock_shared, NOT_BESIDE, SHARED_HOLDERS)
    }

    fn take(
        database: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
        rule: &'static str,
        note: &str,
    ) -> Result<Self, RuntimeError> {
        let path = lock_file(database);
        let io = |action| {
            let path = path.clone();
            move |cause| failed(action, path, cause)
        };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io("open"))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RuntimeError::Locked { database: database.to_owned(), holder: holder(&mut file), rule });
            }
            Err(TryLockError::Error(cause)) => return Err(io("lock")(cause)),
        }
        file.set_len(0).map_err(io("write"))?;
        file.rewind().map_err(io("write"))?;
        file.write_all(format!("{note}\n").as_bytes()).map_err(io("write"))?;
        Ok(Self { _file: file })
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".lock");
    name.into()
}

fn failed(action: &'static str, path: PathBuf, cause: io::Error) -> RuntimeError {
    let hint = match cause.kind() {
        ErrorKind::NotFound => "make the folder, or set PANDAPORT_DATABASE_URL to a file in one that exists",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "let this user write in the folder and to the file, or set PANDAPORT_DATABASE_URL to a file elsewhere"
        }
        ErrorKind::StorageFull => "free some disk space",
        _ => "a SQLite file must be on a local disk: set PANDAPORT_DATABASE_URL to a file on one",
    };
    RuntimeError::Io { action, path, cause, hint }
}

/// Who has the lock, as far as the file tells: its holder may just be about to write.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(80).read_to_string(&mut text);
    let text = text.trim();
    if read.is_err() || text.is_empty() || text.contains(char::is_control) {
        return "another process".to_owned();
    }
    match text.split_once(' ') {
        Some((pid, program)) if pid.parse::<u32>().is_ok() => format!("{program} (process {pid})"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn in_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pandaport.db");
        (folder, database)
    }

    #[test]
    fn beside_one_that_is_alone_nobody_comes_in_and_all_are_told_who_it_is() {
        let (_folder, database) = in_folder();
        let first = DatabaseLock::exclusive(&database, "pandaport up").unwrap();

        for refused in [DatabaseLock::exclusive(&database, "pandaport migrate"), DatabaseLock::shared(&database)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, RuntimeError::Locked { .. }));
            let text = error.to_string();
            let holder = format!("pandaport.db is in use by pandaport up (process {})", std::process::id());
            assert!(text.contains(&holder), "{text}");
        }

        drop(first);
        DatabaseLock::exclusive(&database, "pandaport up").unwrap();
    }

    #[test]
    fn those_that_share_come_in_together_and_keep_out_one_that_must_be_alone() {
        let (_folder, database) = in_folder();
        let first = DatabaseLock::shared(&database).unwrap();
        let second = DatabaseLock::shared(&database).unwrap();
        drop(first);

        let text = DatabaseLock::exclusive(&database, "pandaport up").unwrap_err().to_string();
        assert!(text.contains("in use by pandaport-worker or pandaport-control-plane: this needs"), "{text}");
        assert!(text.contains("Stop that first"), "{text}");

        drop(second);
        DatabaseLock::exclusive(&database, "pandaport up").unwrap();
    }

    #[test]
    fn a_shorter_note_leaves_nothing_of_the_longer_one() {
        let (_folder, database) = in_folder();
        std::fs::write(lock_file(&database), "99999999999 a program with a very long name\n99999\n").unwrap();

        let _lock = DatabaseLock::exclusive(&database, "pandaport up").unwrap();

        let text = std::fs::read_to_string(lock_file(&database)).unwrap();
        assert_eq!(text, format!("{} pandaport up\n", std::process::id()));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named_with_what_to_do() {
        let (folder, _) = in_folder();
        let text = DatabaseLock::shared(&folder.path().join("absent/p.db")).unwrap_err().to_string();
        assert!(text.contains("absent/p.db.lock"), "{text}");
        assert!(text.contains("PANDAPORT_DATABASE_URL"), "{text}");
        assert_eq!(text.matches("os error").count(), 1, "{text}");
    }
}
