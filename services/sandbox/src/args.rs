//! The program's arguments, and what it prints.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::faults::Faults;
use crate::fleet::{FleetSpec, MOST_DEVICES};
use crate::ready::Ready;
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::world::{Credentials, SandboxTime};

/// Stand-ins for the Kandji and Asset Panda Pro APIs over real HTTP, with a control endpoint to change the
/// fleet and the records, to make things go wrong, and to count what was asked.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// How many devices the Kandji fleet has at first.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_DEVICES)))]
    pub devices: u32,
    /// Where the generated fleet begins; the same seed gives the same devices on every machine.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also generate Windows and Android devices.
    #[arg(long)]
    pub mixed_platforms: bool,
    /// Where the Kandji stand-in listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub kandji_listen: SocketAddr,
    /// Where the Asset Panda Pro stand-in listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8082")]
    pub asset_panda_listen: SocketAddr,
    /// Where the control endpoint listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8083")]
    pub control_listen: SocketAddr,
    /// Listen elsewhere than on loopback too. The credentials are public and control needs none: only on a
    /// network that nobody else is on.
    #[arg(long)]
    pub allow_remote: bool,
    /// Fault switches at start: JSON, or the path of a file that holds it. They can be changed at any time
    /// at the control endpoint, under /faults.
    #[arg(long, value_name = "JSON_OR_PATH")]
    pub faults: Option<String>,
    /// Without the documented rate limits (Kandji 50 calls a second and 10,000 an hour, Asset Panda 400 in
    /// three minutes).
    #[arg(long)]
    pub no_rate_limits: bool,
    /// How many modules the Asset Panda account has; the collections are in the first.
    #[arg(long, default_value_t = 1)]
    pub modules: u32,
    /// How many collections there are to import into: ITAM, `ITAM 2`, `ITAM 3` and so on, besides the others.
    #[arg(long, default_value_t = 1)]
    pub itams: u32,
    /// Compress Kandji's answers for clients that take it.
    #[arg(long)]
    pub gzip: bool,
    /// Once all listeners answer, write URLs, credentials and ids to this file, as JSON. It appears whole or
    /// not at all.
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

impl SandboxArgs {
    /// The sandbox these arguments ask for.
    ///
    /// # Errors
    /// Switches that cannot be read, with the path of the one that is wrong.
    pub fn config(&self) -> anyhow::Result<SandboxConfig> {
        let mut faults = match &self.faults {
            None => Faults::default(),
            Some(given) => read_faults(given)?,
        };
        if self.no_rate_limits {
            faults = faults.without_rate_limits();
        }
        Ok(SandboxConfig {
            kandji_listen: self.kandji_listen,
            asset_panda_listen: self.asset_panda_listen,
            control_listen: self.control_listen,
            allow_remote: self.allow_remote,
            fleet: FleetSpec {
                devices: self.devices,
                seed: self.seed,
                mixed_platforms: self.mixed_platforms,
                ..FleetSpec::default()
            },
            faults,
            credentials: Credentials::default(),
            modules: self.modules,
            itams: self.itams,
            gzip: self.gzip,
            time: SandboxTime::default(),
        })
    }
}

/// Runs a sandbox until the shutdown, and prints to standard output how to use it.
///
/// # Errors
/// What keeps it from starting: addresses, switches, or a ready file that cannot be written.
pub async fn run(args: SandboxArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    run_with(args, shutdown, &mut std::io::stdout()).await
}

/// The same, printing elsewhere.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    args: SandboxArgs,
    shutdown: CancellationToken,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(args.config()?).await?;
    let printed = out.write_all(sandbox.ready().banner().as_bytes()).and_then(|()| out.flush());
    // Nobody may be reading: that is no reason to stop.
    if let Err(error) = printed {
        tracing::debug!(%error, "could not print how to use the sandbox");
    }
    if let Some(path) = &args.ready_file {
        write_ready(path, sandbox.ready())?;
    }
    shutdown.cancelled().await;
    sandbox.shutdown().await;
    Ok(())
}

fn read_faults(given: &str) -> anyhow::Result<Faults> {
    let inline = given.trim_start().starts_with('{');
    let text = if inline {
        given.to_owned()
    } else {
        std::fs::read_to_string(given).with_context(|| format!("could not read the switches from {given}"))?
    };
    Faults::parse(&text).context("the fault switches are wrong")
}

/// Writes the file beside its place first, so that whoever waits for it never sees half of it.
fn write_ready(path: &Path, ready: &Ready) -> anyhow::Result<()> {
    let failed = || format!("could not write the ready file {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(failed)?;
    serde_json::to_writer_pretty(&mut file, ready).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

impl Ready {
    /// What the program prints when it has started.
    #[must_use]
    pub fn banner(&self) -> String {
        let collections: String = self.collections.iter().map(|(name, id)| format!("    {name:<16} {id}\n")).collect();
        format!(
            "Sandbox is ready.\n\
             \n\
             Kandji           {}\n  token            {}\n\
             Asset Panda Pro  {}\n  access key id    {}\n  access secret    {}\n  account          {}\n  module           {}\n  collections\n{collections}\
             Control          {}\n\
             \n\
             Nothing here is real: the credentials open nothing but this sandbox.\n",
            self.kandji_url,
            self.credentials.kandji_token,
            self.asset_panda_url,
            self.credentials.access_key_id,
            self.credentials.access_key_secret,
            self.account_id,
            self.module_id,
            self.control_url,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: SandboxArgs,
    }

    fn parsed(args: &[&str]) -> SandboxArgs {
        Program::try_parse_from([&["sandbox"], args].concat()).unwrap().args
    }

    #[test]
    fn switches_come_as_text_or_from_a_file_and_a_wrong_one_is_named() {
        let inline = parsed(&["--faults", r#"{"kandji":{"html":true}}"#, "--no-rate-limits"]);
        let config = inline.config().unwrap();
        assert!(config.faults.kandji.html);
        assert_eq!(config.faults.asset_panda.rate_limit, None);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(br#"{"asset_panda":{"htm":true}}"#).unwrap();
        let wrong = parsed(&["--faults", file.path().to_str().unwrap()]);
        let message = format!("{:#}", wrong.config().unwrap_err());
        assert!(message.contains("asset_panda.htm"), "{message}");
    }

    #[tokio::test]
    async fn the_program_prints_and_writes_what_one_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        let listen = ["--kandji-listen", "--asset-panda-listen", "--control-listen"];
        let mut args: Vec<&str> = listen.iter().flat_map(|name| [*name, "127.0.0.1:0"]).collect();
        args.extend(["--ready-file", path.to_str().unwrap()]);
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let mut out = Vec::new();
        run_with(parsed(&args), shutdown, &mut out).await.unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let printed = String::from_utf8(out).unwrap();
        for key in [
            "kandji_url",
            "asset_panda_url",
            "control_url",
            "kandji_token",
            "access_key_id",
            "access_key_secret",
            "account_id",
            "module_id",
            "collection_id",
        ] {
            assert!(printed.contains(ready[key].as_str().unwrap()), "{key}");
        }
        assert!(ready["columns"]["Serial Number"].is_string());
    }

    #[tokio::test]
    async fn it_listens_on_loopback_only_unless_told_otherwise() {
        let args = parsed(&["--kandji-listen", "0.0.0.0:0"]);
        let error = Sandbox::start(args.config().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("--allow-remote"), "{error}");
    }
}
