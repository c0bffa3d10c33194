//! From the settings of the listener to the door that it keeps.

use anyhow::Context as _;
use pandaport_access::{Access, AccessError, AccessSettings, KeysFrom, KeysUrl, ServerTls, TlsFiles, TokenSettings};
use pandaport_control_plane::Listening;
use pandaport_runtime::bind;
use pandaport_runtime::settings::{JwtSettings, ListenSettings};

use crate::error::Error;

/// Opens the listener, with what it needs to let callers in. Done before anything else: an address that is taken is the most
/// frequent reason not to start, and a certificate that can't be read comes next.
pub(crate) async fn listen(settings: &ListenSettings) -> Result<Listening, Error> {
    let address = settings.checked_grpc_listen()?;
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Some(ServerTls::load(TlsFiles {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: settings.tls_client_ca.clone(),
        })?),
        _ => None,
    };
    let access = if settings.auth.asks() {
        let tokens = if settings.auth.jwt { Some(tokens(&settings.jwt)?) } else { None };
        Access::new(AccessSettings { tokens, certificates: settings.auth.mtls, policy: settings.policy_file.clone() })?
    } else {
        Access::open()
    };
    let listener = bind(address, "PANDAPORT_GRPC_LISTEN").await?;
    Ok(Listening { listener, tls, access })
}

fn tokens(settings: &JwtSettings) -> Result<TokenSettings, Error> {
    let keys = match (&settings.jwt_jwks_file, &settings.jwt_jwks_url) {
        (Some(path), _) => KeysFrom::File(path.clone()),
        (None, url) => {
            let url = url.as_deref().context("the address of the issuer's keys is checked before")?;
            let (ca, token_file) = (settings.jwt_jwks_ca.clone(), settings.jwt_jwks_token_file.clone());
            KeysFrom::Url(KeysUrl::new(url, ca, token_file)?)
        }
    };
    Ok(TokenSettings {
        issuer: settings.jwt_issuer.clone().unwrap_or_default(),
        audiences: settings.audiences(),
        keys,
        tenant_claim: settings.tenant_claim().to_owned(),
        roles_claim: settings.roles_claim().to_owned(),
    })
}

/// Where gRPC is served, for people.
pub(crate) fn shown(listening: &Listening, address: std::net::SocketAddr) -> String {
    let scheme = if listening.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        Self::Input(error.to_string())
    }
}
