//! Compiles the contract in `proto/` to Rust. protox is a compiler in Rust: no protoc to install.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

const ROOT: &str = "proto";
const PACKAGE: &str = "proto/pandaport/v1";
/// Messages that carry a secret: `proto/redacted.rs` shows them without it.
const WITH_SECRETS: [&str; 3] =
    [".pandaport.v1.KandjiSettings", ".pandaport.v1.AssetPandaSettings", ".pandaport.v1.ConfigureAlertsRequest"];

fn main() -> Result<(), Box<dyn Error>> {
    // Without a line like this cargo reruns this script, and rebuilds all that depends on it,
    // after any change in the repository.
    println!("cargo::rerun-if-changed={ROOT}");

    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(contract_files(PACKAGE.as_ref())?, [ROOT])?;
    fs::write(out_dir.join("pandaport_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(WITH_SECRETS).compile_fds(descriptors)?;
    Ok(())
}

/// The `.proto` files of a folder, sorted, so that the generated code is the same on every machine.
fn contract_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
