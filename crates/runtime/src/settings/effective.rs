//! What is in effect, for people.

use std::fmt;

/// The settings in effect, by the names of their environment variables, secrets hidden. Displayed as a
/// line each, `NAME=value`, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Effective(Vec<(&'static str, String)>);

impl Effective {
    /// None yet: have each group describe itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting. Not for secrets: say what is known about one, such as whether it is set.
    pub fn add(&mut self, name: &'static str, value: impl fmt::Display) {
        self.0.push((name, value.to_string()));
    }

    /// Adds a setting that names a file, which is no secret.
    pub fn add_path(&mut self, name: &'static str, path: Option<&std::path::Path>) {
        self.add(name, path.map_or_else(|| "(not set)".to_owned(), |it| it.display().to_string()));
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "{name}={value}")?;
        }
        Ok(())
    }
}
