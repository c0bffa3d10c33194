//! How callers prove who they are.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::effective::Effective;
use super::listen::refused;
use super::texts::Malformed;
use crate::RuntimeError;

const ISSUER: &str = "PANDAPORT_JWT_ISSUER";
const AUDIENCE: &str = "PANDAPORT_JWT_AUDIENCE";
const JWKS_URL: &str = "PANDAPORT_JWT_JWKS_URL";
const JWKS_FILE: &str = "PANDAPORT_JWT_JWKS_FILE";
const JWKS_CA: &str = "PANDAPORT_JWT_JWKS_CA";
const JWKS_TOKEN_FILE: &str = "PANDAPORT_JWT_JWKS_TOKEN_FILE";
const TENANT_CLAIM: &str = "PANDAPORT_JWT_TENANT_CLAIM";
const ROLES_CLAIM: &str = "PANDAPORT_JWT_ROLES_CLAIM";

const DEFAULT_TENANT_CLAIM: &str = "pandaport_tenant";
const DEFAULT_ROLES_CLAIM: &str = "pandaport_roles";

/// How callers prove who they are: `none`, `jwt`, `mtls` or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// By a token.
    pub jwt: bool,
    /// By a client certificate.
    pub mtls: bool,
}

impl Auth {
    /// Not at all: whoever can reach the address is the admin of the tenant `default`.
    pub const NONE: Self = Self { jwt: false, mtls: false };

    /// Whether callers are asked who they are.
    pub fn asks(self) -> bool {
        self.jwt || self.mtls
    }
}

/// How tokens are checked.
// Claims have no default of clap's, to tell whether they were set where no token is taken.
#[derive(Args, Clone, Debug, Default)]
pub struct JwtSettings {
    /// The issuer (iss) of the tokens that are taken
    #[arg(long, env = ISSUER, value_name = "TEXT")]
    pub jwt_issuer: Option<String>,

    /// The audience (aud) that a token must be for; several with commas between them: any of them
    #[arg(long, env = AUDIENCE, value_name = "TEXT")]
    pub jwt_audience: Option<String>,

    /// Where the issuer's keys are fetched from (a JSON Web Key Set): https, or http on this machine
    #[arg(long, env = JWKS_URL, value_name = "URL")]
    pub jwt_jwks_url: Option<String>,

    /// A file with the issuer's keys instead; read again when it changes
    #[arg(long, env = JWKS_FILE, value_name = "FILE")]
    pub jwt_jwks_file: Option<PathBuf>,

    /// The authorities to trust where the keys are fetched, PEM, instead of the system's
    #[arg(long, env = JWKS_CA, value_name = "FILE")]
    pub jwt_jwks_ca: Option<PathBuf>,

    /// A file with a token to send where the keys are fetched, as a Kubernetes API server asks for
    #[arg(long, env = JWKS_TOKEN_FILE, value_name = "FILE")]
    pub jwt_jwks_token_file: Option<PathBuf>,

    /// The claim that holds the caller's tenant [default: pandaport_tenant]
    #[arg(long, env = TENANT_CLAIM, value_name = "NAME")]
    pub jwt_tenant_claim: Option<String>,

    /// The claim that holds the caller's roles [default: pandaport_roles]
    #[arg(long, env = ROLES_CLAIM, value_name = "NAME")]
    pub jwt_roles_claim: Option<String>,
}

impl JwtSettings {
    /// The audiences, any of which a token must be for.
    pub fn audiences(&self) -> Vec<String> {
        let text = self.jwt_audience.as_deref().unwrap_or_default();
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    /// The claim that holds the tenant.
    pub fn tenant_claim(&self) -> &str {
        self.jwt_tenant_claim.as_deref().unwrap_or(DEFAULT_TENANT_CLAIM)
    }

    /// The claim that holds the roles.
    pub fn roles_claim(&self) -> &str {
        self.jwt_roles_claim.as_deref().unwrap_or(DEFAULT_ROLES_CLAIM)
    }

    pub(super) fn check(&self, auth: Auth) -> Result<(), RuntimeError> {
        if !auth.jwt {
            return match self.first_set() {
                Some(name) => refused(name, "is set, but jwt is not in PANDAPORT_AUTH: no token would be asked for"),
                None => Ok(()),
            };
        }
        if self.jwt_issuer.as_deref().is_none_or(str::is_empty) {
            return refused(ISSUER, "is needed with PANDAPORT_AUTH=jwt: the iss of the tokens to take");
        }
        if self.audiences().is_empty() {
            return refused(AUDIENCE, "is needed with PANDAPORT_AUTH=jwt: tokens for others must not be taken");
        }
        match (&self.jwt_jwks_url, &self.jwt_jwks_file) {
            (Some(_), Some(_)) => refused(JWKS_URL, "set either this or PANDAPORT_JWT_JWKS_FILE, not both"),
            (None, None) => refused(JWKS_URL, "is needed with PANDAPORT_AUTH=jwt, or PANDAPORT_JWT_JWKS_FILE"),
            (Some(_), None) => Ok(()),
            (None, Some(_)) => match (&self.jwt_jwks_ca, &self.jwt_jwks_token_file) {
                (Some(_), _) => refused(JWKS_CA, "is set, but the keys are from a file: nothing is fetched"),
                (None, Some(_)) => refused(JWKS_TOKEN_FILE, "is set, but the keys are from a file: nothing is fetched"),
                (None, None) => Ok(()),
            },
        }
    }

    fn first_set(&self) -> Option<&'static str> {
        [
            (ISSUER, self.jwt_issuer.is_some()),
            (AUDIENCE, self.jwt_audience.is_some()),
            (JWKS_URL, self.jwt_jwks_url.is_some()),
            (JWKS_FILE, self.jwt_jwks_file.is_some()),
            (JWKS_CA, self.jwt_jwks_ca.is_some()),
            (JWKS_TOKEN_FILE, self.jwt_jwks_token_file.is_some()),
            (TENANT_CLAIM, self.jwt_tenant_claim.is_some()),
            (ROLES_CLAIM, self.jwt_roles_claim.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_set)| is_set.then_some(name))
    }

    pub(super) fn describe(&self, out: &mut Effective) {
        let text = |it: &Option<String>| it.clone().unwrap_or_else(|| "(not set)".to_owned());
        out.add(ISSUER, text(&self.jwt_issuer));
        out.add(AUDIENCE, text(&self.jwt_audience));
        out.add(JWKS_URL, text(&self.jwt_jwks_url));
        out.add_path(JWKS_FILE, self.jwt_jwks_file.as_deref());
        out.add_path(JWKS_CA, self.jwt_jwks_ca.as_deref());
        out.add_path(JWKS_TOKEN_FILE, self.jwt_jwks_token_file.as_deref());
        out.add(TENANT_CLAIM, self.tenant_claim());
        out.add(ROLES_CLAIM, self.roles_claim());
    }
}

impl FromStr for Auth {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        let mut auth = Self::NONE;
        for kind in text.split(',') {
            match kind.trim() {
                "jwt" if !auth.jwt => auth.jwt = true,
                "mtls" if !auth.mtls => auth.mtls = true,
                _ => return Err(Malformed::new("write none, jwt, mtls, or jwt,mtls")),
            }
        }
        Ok(auth)
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.jwt, self.mtls) {
            (false, false) => "none",
            (true, false) => "jwt",
            (false, true) => "mtls",
            (true, true) => "jwt,mtls",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_once_and_none_stands_alone() {
        for (text, shown) in [("none", "none"), ("jwt", "jwt"), ("mtls", "mtls"), ("mtls, jwt", "jwt,mtls")] {
            assert_eq!(text.parse::<Auth>().map(|it| it.to_string()), Ok(shown.to_owned()));
        }
        for text in ["", "basic", "none,jwt", "jwt,", "jwt,jwt", "JWT"] {
            assert!(text.parse::<Auth>().is_err(), "{text:?}");
        }
    }
}
