//! Files that are read again when they change.
//!
//! What changed is known by comparing what the files hold: the way in which Kubernetes swaps links, and times of files that
//! are coarse, make no difference. These files are small.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::AccessError;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file and the setting that names it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) setting: &'static str,
    pub(crate) path: PathBuf,
}

impl Named {
    pub(crate) fn new(setting: &'static str, path: PathBuf) -> Self {
        Self { setting, path }
    }

    pub(crate) fn wrong(&self, message: impl Into<String>) -> AccessError {
        AccessError::File { setting: self.setting, path: self.path.clone(), message: message.into() }
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>, AccessError> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(&self.path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|cause| self.wrong(format!("can't be read: {cause}")))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(self.wrong("is larger than 1 MiB"));
        }
        Ok(bytes)
    }
}

type Build<T> = dyn Fn(&[Vec<u8>]) -> Result<T, AccessError> + Send + Sync;

/// What was made of one or more files, and is made anew when they change.
pub(crate) struct Watched<T> {
    files: Vec<Named>,
    build: Box<Build<T>>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Seen>,
}

/// What the last look found.
#[derive(Default)]
struct Seen {
    /// What `current` was made of.
    good: Vec<Vec<u8>>,
    /// What could not be used, at the last look: told of when it is still the same at the next one, since files that belong
    /// together are seldom written at the same moment.
    bad: Option<(Attempt, bool)>,
}

type Attempt = Result<Vec<Vec<u8>>, String>;

impl<T> Watched<T> {
    /// Reads the files for the first time. `build` gets what they hold, in their order.
    pub(crate) fn load(
        files: Vec<Named>,
        build: impl Fn(&[Vec<u8>]) -> Result<T, AccessError> + Send + Sync + 'static,
    ) -> Result<Self, AccessError> {
        let contents = read(&files)?;
        let first = build(&contents)?;
        Ok(Self {
            files,
            build: Box::new(build),
            current: RwLock::new(Arc::new(first)),
            seen: Mutex::new(Seen { good: contents, bad: None }),
        })
    }

    /// What the files said when they were last good.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether they changed.
    pub(crate) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = read(&self.files);
        let attempt: Attempt = read.map_err(|error| error.to_string());
        if attempt.as_ref().is_ok_and(|contents| *contents == seen.good) {
            seen.bad = None;
            return;
        }
        if let Some((before, told)) = &mut seen.bad
            && *before == attempt
        {
            if !*told {
                *told = true;
                let why = match &attempt {
                    Ok(contents) => (self.build)(contents).err().map(|error| error.to_string()).unwrap_or_default(),
                    Err(why) => why.clone(),
                };
                tracing::warn!("a changed file can't be used, what it said before stays in force: {why}");
            }
            return;
        }
        let built = match &attempt {
            Ok(contents) => (self.build)(contents).ok(),
            Err(_) => None,
        };
        match (built, attempt) {
            (Some(built), Ok(contents)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(built);
                *seen = Seen { good: contents, bad: None };
                let files: Vec<_> = self.files.iter().map(|file| file.path.display().to_string()).collect();
                tracing::info!(files = files.join(", "), "changed files were read again");
            }
            (_, attempt) => seen.bad = Some((attempt, false)),
        }
    }
}

/// Looks at files every two seconds, for ever.
pub(crate) async fn keep_looking<T: Send + Sync + 'static>(watched: Arc<Watched<T>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let watched = watched.clone();
        // A disk over a network may make a reader wait. A look that panics is no reason to stop looking.
        let _ = tokio::task::spawn_blocking(move || watched.look()).await;
    }
}

fn read(files: &[Named]) -> Result<Vec<Vec<u8>>, AccessError> {
    files.iter().map(Named::read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn number(contents: &[Vec<u8>]) -> Result<i32, AccessError> {
        let text = String::from_utf8_lossy(&contents[0]).trim().to_owned();
        text.parse().map_err(|_| AccessError::Setting { setting: "PANDAPORT_TEST", message: "no number".to_owned() })
    }

    #[test]
    fn a_changed_file_takes_effect_and_a_broken_or_missing_one_leaves_the_old_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let files = vec![Named::new("PANDAPORT_TEST", path.clone())];
        let watched = Watched::load(files, number).unwrap();
        let look = || {
            watched.look();
            watched.look();
            *watched.current()
        };
        assert_eq!(look(), 1);
        std::fs::write(&path, "2").unwrap();
        assert_eq!(look(), 2);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(look(), 2);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(), 2);
        std::fs::write(&path, "3").unwrap();
        assert_eq!(look(), 3);
    }

    #[test]
    fn a_file_that_is_missing_at_first_is_named_with_its_setting() {
        let files = vec![Named::new("PANDAPORT_TEST", "/does/not/exist".into())];
        let error = Watched::load(files, number).err().unwrap().to_string();
        assert!(error.starts_with("PANDAPORT_TEST: /does/not/exist can't be read: "), "{error}");
    }
}
