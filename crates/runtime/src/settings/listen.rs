//! Where and for whom the control plane listens.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args;

use super::effective::Effective;
use super::texts::Malformed;
use crate::RuntimeError;

/// Where and for whom the control plane listens.
#[derive(Args, Clone, Debug)]
pub struct ListenSettings {
    /// Where gRPC is served
    #[arg(
        long,
        env = "PANDAPORT_GRPC_LISTEN",
        default_value = "127.0.0.1:50051",
        value_parser = address,
        value_name = "ADDRESS"
    )]
    pub grpc_listen: SocketAddr,

    /// How callers prove who they are: none, which is for loopback only
    #[arg(long, env = "PANDAPORT_AUTH", default_value = "none", value_name = "KIND")]
    pub auth: Auth,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// Not at all: whoever can reach the address is the tenant `default`.
    None,
}

impl ListenSettings {
    /// Where to serve gRPC.
    ///
    /// # Errors
    /// [`RuntimeError::Setting`] where it would be open to other machines without authentication.
    pub fn checked_grpc_listen(&self) -> Result<SocketAddr, RuntimeError> {
        let Auth::None = self.auth;
        if self.grpc_listen.ip().to_canonical().is_loopback() {
            return Ok(self.grpc_listen);
        }
        Err(RuntimeError::setting(
            "PANDAPORT_GRPC_LISTEN",
            format!(
                "{} can be reached from other machines, and with PANDAPORT_AUTH=none anyone there could \
                 use the stored credentials; listen on 127.0.0.1 or [::1]",
                self.grpc_listen
            ),
        ))
    }

    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        out.add("PANDAPORT_GRPC_LISTEN", self.grpc_listen);
        out.add("PANDAPORT_AUTH", self.auth);
    }
}

impl FromStr for Auth {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "none" {
            return Ok(Self::None);
        }
        let known = |kind: &str| matches!(kind.trim(), "jwt" | "mtls" | "none");
        if text.split(',').all(known) {
            return Err(Malformed::new("not built yet in this version: use none, and listen on loopback"));
        }
        Err(Malformed::new("write none"))
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none")
    }
}

/// An address to listen on. Names are not looked up: what a name means may change, and with it who can
/// reach the process.
pub(super) fn address(text: &str) -> Result<SocketAddr, Malformed> {
    text.parse().map_err(|_| Malformed::new("write an IP address and a port, such as 127.0.0.1:50051 or [::1]:50051"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(listen: &str) -> ListenSettings {
        ListenSettings { grpc_listen: address(listen).unwrap(), auth: Auth::None }
    }

    #[test]
    fn without_authentication_only_loopback_is_listened_on() {
        for listen in ["127.0.0.1:50051", "127.8.8.8:0", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(settings(listen).checked_grpc_listen().is_ok(), "{listen}");
        }
        for listen in ["0.0.0.0:50051", "[::]:50051", "10.0.0.5:1", "[::ffff:10.0.0.5]:1"] {
            let error = settings(listen).checked_grpc_listen().unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("PANDAPORT_GRPC_LISTEN: "), "{text}");
            assert!(text.contains("PANDAPORT_AUTH=none"), "{text}");
        }
    }

    #[test]
    fn what_is_not_built_is_refused_as_such() {
        assert_eq!("none".parse(), Ok(Auth::None));
        for text in ["jwt", "mtls", "jwt,mtls"] {
            let error = text.parse::<Auth>().unwrap_err().to_string();
            assert!(error.contains("not built yet"), "{error}");
        }
        let error = "basic".parse::<Auth>().unwrap_err().to_string();
        assert!(!error.contains("not built yet"), "{error}");
    }

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        for text in ["", "localhost:50051", "127.0.0.1", ":50051", "50051"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
