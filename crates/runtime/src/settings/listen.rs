//! Where and for whom the control plane listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::auth::{Auth, JwtSettings};
use super::effective::Effective;
use super::texts::Malformed;
use crate::RuntimeError;

const LISTEN: &str = "PANDAPORT_GRPC_LISTEN";
const AUTH: &str = "PANDAPORT_AUTH";
const TLS: &str = "PANDAPORT_TLS";
const CERT: &str = "PANDAPORT_TLS_CERT";
const KEY: &str = "PANDAPORT_TLS_KEY";
const CLIENT_CA: &str = "PANDAPORT_TLS_CLIENT_CA";
const POLICY: &str = "PANDAPORT_POLICY_FILE";

/// Where and for whom the control plane listens.
#[derive(Args, Clone, Debug)]
pub struct ListenSettings {
    /// Where gRPC is served
    #[arg(
        long,
        env = LISTEN,
        default_value = "127.0.0.1:50051",
        value_parser = address,
        value_name = "ADDRESS"
    )]
    pub grpc_listen: SocketAddr,

    /// How callers prove who they are: none (for loopback only), jwt, mtls, or jwt,mtls (either proves it)
    #[arg(long, env = AUTH, default_value = "none", value_name = "KINDS")]
    pub auth: Auth,

    /// Who encrypts what comes from other machines: this process (required), or something in front of it (by-proxy)
    #[arg(long, env = TLS, default_value = "required", value_enum, value_name = "WHO")]
    pub tls: TlsBy,

    /// The server's certificate with those between it and its authority, PEM; read again when it changes
    #[arg(long, env = CERT, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The key of that certificate, PEM
    #[arg(long, env = KEY, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// The authorities of client certificates, PEM, for PANDAPORT_AUTH=mtls
    #[arg(long, env = CLIENT_CA, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// How tokens are checked.
    #[command(flatten)]
    pub jwt: JwtSettings,

    /// Which callers are of which tenant and what they may do (TOML); read again when it changes
    #[arg(long, env = POLICY, value_name = "FILE")]
    pub policy_file: Option<PathBuf>,
}

/// Who encrypts what comes from other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsBy {
    /// This process: beyond loopback it needs a certificate.
    Required,
    /// Something in front of it, such as the sidecar of a service mesh.
    ByProxy,
}

impl ListenSettings {
    /// For whoever reaches this address, whatever the environment says.
    #[must_use]
    pub fn open(grpc_listen: SocketAddr) -> Self {
        Self {
            grpc_listen,
            auth: Auth::NONE,
            tls: TlsBy::Required,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            jwt: JwtSettings::default(),
            policy_file: None,
        }
    }

    /// Where to serve gRPC, once it is clear that the settings go together.
    ///
    /// # Errors
    /// [`RuntimeError::Setting`] where it would be open to other machines without authentication, or tokens would travel in
    /// the clear; where a setting is missing that another needs; and where one is set that has no effect, since whoever set it
    /// counts on it.
    pub fn checked_grpc_listen(&self) -> Result<SocketAddr, RuntimeError> {
        self.check_certificates()?;
        self.jwt.check(self.auth)?;
        if !self.auth.asks() && self.policy_file.is_some() {
            return refused(POLICY, "is set, but PANDAPORT_AUTH is none, which asks nobody who they are: set that too");
        }
        if self.auth.mtls && self.policy_file.is_none() {
            return refused(
                POLICY,
                "is needed with PANDAPORT_AUTH=mtls: a certificate says who calls, and the policy what they may do",
            );
        }
        if self.grpc_listen.ip().to_canonical().is_loopback() {
            return Ok(self.grpc_listen);
        }
        if !self.auth.asks() {
            return Err(RuntimeError::setting(
                LISTEN,
                format!(
                    "{} can be reached from other machines, and with PANDAPORT_AUTH=none anyone there could \
                     use the stored credentials; listen on 127.0.0.1 or [::1], or set PANDAPORT_AUTH",
                    self.grpc_listen
                ),
            ));
        }
        if self.tls_cert.is_none() && self.tls == TlsBy::Required {
            return Err(RuntimeError::setting(
                LISTEN,
                format!(
                    "{} can be reached from other machines, and without TLS tokens would travel in the clear; set {CERT} and \
                     {KEY}, or {TLS}=by-proxy if something in front of this process encrypts, such as a service mesh",
                    self.grpc_listen
                ),
            ));
        }
        Ok(self.grpc_listen)
    }

    fn check_certificates(&self) -> Result<(), RuntimeError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return refused(KEY, "is needed beside PANDAPORT_TLS_CERT: the key of that certificate"),
            (None, Some(_)) => return refused(CERT, "is needed beside PANDAPORT_TLS_KEY: the certificate of that key"),
            _ => {}
        }
        if self.tls == TlsBy::ByProxy && self.tls_cert.is_some() {
            return refused(TLS, "is by-proxy, and PANDAPORT_TLS_CERT is set: choose one of them");
        }
        match (self.auth.mtls, &self.tls_client_ca) {
            (true, None) => {
                refused(CLIENT_CA, "is needed with PANDAPORT_AUTH=mtls: the authorities of client certificates")
            }
            (false, Some(_)) => {
                refused(CLIENT_CA, "is set, but mtls is not in PANDAPORT_AUTH: no certificate would be asked for")
            }
            (true, Some(_)) if self.tls_cert.is_none() => {
                refused(CERT, "is needed with PANDAPORT_AUTH=mtls: only who encrypts sees the client's certificate")
            }
            _ => Ok(()),
        }
    }

    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        out.add(LISTEN, self.grpc_listen);
        out.add(AUTH, self.auth);
        let tls = match self.tls {
            TlsBy::Required => "required",
            TlsBy::ByProxy => "by-proxy",
        };
        out.add(TLS, tls);
        out.add_path(CERT, self.tls_cert.as_deref());
        out.add_path(KEY, self.tls_key.as_deref());
        out.add_path(CLIENT_CA, self.tls_client_ca.as_deref());
        self.jwt.describe(out);
        out.add_path(POLICY, self.policy_file.as_deref());
    }
}

pub(super) fn refused<T>(setting: &'static str, message: &str) -> Result<T, RuntimeError> {
    Err(RuntimeError::setting(setting, message))
}

/// An address to listen on. Names are not looked up: what a name means may change, and with it who can
/// reach the process.
pub(super) fn address(text: &str) -> Result<SocketAddr, Malformed> {
    text.parse().map_err(|_| Malformed::new("write an IP address and a port, such as 127.0.0.1:50051 or [::1]:50051"))
}

#[cfg(test)]
mod tests;
