//! What the four programs have in common: how they begin and how they end.

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context as _;
use pandaport_runtime::settings::reject_unknown_env;
use pandaport_runtime::{RuntimeError, install_crypto_provider};

use crate::error::Error;

/// Settings that only client commands read.
const CLIENT_SETTINGS: [&str; 4] =
    ["PANDAPORT_TOKEN_FILE", "PANDAPORT_CA", "PANDAPORT_CLIENT_CERT", "PANDAPORT_CLIENT_KEY"];

/// Runs a program: reads its arguments (`--help` works whatever the environment holds), refuses settings that nobody
/// knows, and turns an error into a line on standard error and an exit code.
pub(crate) fn run<A>(parse: impl FnOnce() -> A, program: impl FnOnce(A) -> Result<(), Error>) -> ExitCode {
    install_crypto_provider();
    let args = parse();
    let result =
        reject_unknown_env(std::env::vars_os(), &CLIENT_SETTINGS).map_err(Error::from).and_then(|()| program(args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            if code != 0 {
                eprintln!("error: {error}");
            }
            ExitCode::from(code)
        }
    }
}

/// Runs a future on a runtime of its own. When it is done, whatever is still running is left where it stands: a process
/// that must end at once can't wait for a thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't start")?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Setting { .. } | RuntimeError::UnknownSettings(_) => Self::Input(error.to_string()),
            _ => Self::Process(error.into()),
        }
    }
}
