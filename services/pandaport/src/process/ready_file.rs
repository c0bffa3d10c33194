//! A file that says that a process is ready, and where: for whoever starts one on port 0.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::error::Error;

/// Whether to write one.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadyFile {
    /// Write this file once ready: a JSON object with `pid` and the addresses that are listened on
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl ReadyFile {
    /// Writes it, if that was asked for.
    pub(crate) fn write(&self, grpc: Option<SocketAddr>, admin: SocketAddr) -> Result<(), Error> {
        let Some(path) = &self.ready_file else { return Ok(()) };
        let mut content = serde_json::json!({ "pid": std::process::id(), "admin": admin.to_string() });
        if let Some(grpc) = grpc {
            content["grpc"] = grpc.to_string().into();
        }
        whole(path, &content.to_string()).with_context(|| format!("{} can't be written", path.display()))?;
        Ok(())
    }
}

/// Writes a file so that whoever looks sees all of it or nothing.
fn whole(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_addresses() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ready.json");
        let file = ReadyFile { ready_file: Some(path.clone()) };
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        file.write(Some(at(40_001)), at(40_002)).expect("it can be written");
        let text = std::fs::read_to_string(path).expect("it is there");
        let content: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(content["grpc"], "127.0.0.1:40001");
        assert_eq!(content["admin"], "127.0.0.1:40002");
        assert_eq!(content["pid"], std::process::id());
    }
}
