//! Opening a listening socket, with an error that says what to do.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::RuntimeError;

/// Listens on `address`, which came from `setting` (such as `PANDAPORT_GRPC_LISTEN`).
///
/// # Errors
/// [`RuntimeError::Bind`], which names the setting to change.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, RuntimeError> {
    TcpListener::bind(address).await.map_err(|cause| {
        let hint = match cause.kind() {
            ErrorKind::AddrInUse => {
                format!("another process listens there: stop it, or set {setting} to a free address")
            }
            ErrorKind::PermissionDenied => {
                format!("set {setting} to a port of 1024 or above")
            }
            ErrorKind::AddrNotAvailable => {
                format!("set {setting} to an address of this machine")
            }
            _ => format!("set {setting} to another address"),
        };
        RuntimeError::Bind { address, cause, hint }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn an_address_in_use_names_the_setting_to_change() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "PANDAPORT_GRPC_LISTEN").await.unwrap();
        let taken = first.local_addr().unwrap();

        let error = bind(taken, "PANDAPORT_GRPC_LISTEN").await.unwrap_err();

        let text = error.to_string();
        assert!(text.contains(&taken.to_string()), "{text}");
        assert!(text.contains("set PANDAPORT_GRPC_LISTEN to a free address"), "{text}");
        // Whoever prints the chain would say the same twice.
        assert!(std::error::Error::source(&error).is_none());
    }
}
