//! How a command can end other than well, and the exit code that says so to scripts.

use std::io;

use crate::client::refusal::Refusal;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given on the command line can't be used; nothing was done. Exit code 2, like an unknown flag.
    #[error("{0}")]
    Input(String),
    /// The control plane refused a call or can't be reached. Exit code 1.
    #[error("{0}")]
    Call(Box<Refusal>),
    /// The call went well, but what it brought is not good: a failed test, a failed sync. It has been shown already.
    /// Exit code 3.
    #[error("{0}")]
    NotGood(String),
    /// The answer can't be written.
    #[error("the answer can't be written: {0}")]
    Output(#[from] io::Error),
    /// A process can't start, or can't go on. Exit code 1.
    #[error("{0:#}")]
    Process(#[from] anyhow::Error),
}

impl Error {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // Whoever read our answer has seen enough (`pandaport syncs records ... | head`).
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Call(_) | Self::Output(_) | Self::Process(_) => 1,
            Self::Input(_) => 2,
            Self::NotGood(_) => 3,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Call(Box::new(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let closed = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed.exit_code(), 0);
        let full = Error::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit_code(), 1);
    }
}
