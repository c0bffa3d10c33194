//! The door: from what a call shows to who makes it.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;

use crate::claims::Claims;
use crate::error::{AccessError, NoRole, NotProven, Refused};
use crate::identity::{Identity, Proof, Role};
use crate::incoming::Peer;
use crate::jwks::Keys;
use crate::policy::{Grant, Policy};
use crate::token::{TokenSettings, Tokens};
use crate::watched::{Named, Watched, keep_looking};

const POLICY: &str = "PANDAPORT_POLICY_FILE";
/// The tenant of a process that asks for no credentials.
const ONLY_TENANT: &str = "default";

/// How callers are known.
#[derive(Clone, Debug, Default)]
pub struct AccessSettings {
    /// Takes tokens.
    pub tokens: Option<TokenSettings>,
    /// Takes client certificates.
    pub certificates: bool,
    /// The policy file (`PANDAPORT_POLICY_FILE`).
    pub policy: Option<PathBuf>,
}

/// Knows callers. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Door>);

enum Door {
    /// Whoever can reach it is the admin of the one tenant.
    Open,
    Kept {
        tokens: Option<Tokens>,
        certificates: bool,
        policy: Option<Arc<Watched<Policy>>>,
    },
}

impl Access {
    /// For loopback alone: whoever calls is the admin of the tenant `default`.
    #[must_use]
    pub fn open() -> Self {
        Self(Arc::new(Door::Open))
    }

    /// Lets in whom these settings let in. Keys that have to be fetched are fetched by [`Access::keep_fresh`], or with the
    /// first token.
    ///
    /// # Errors
    /// [`AccessError`] for a file or a setting that can't be used.
    pub fn new(settings: AccessSettings) -> Result<Self, AccessError> {
        let tokens = settings.tokens.map(Tokens::new).transpose()?;
        let policy = settings.policy.map(|path| {
            let file = Named::new(POLICY, path);
            let named = file.clone();
            let build = move |contents: &[Vec<u8>]| Policy::parse(&contents[0]).map_err(|why| named.wrong(why));
            Watched::load(vec![file], build).map(Arc::new)
        });
        let policy = policy.transpose()?;
        Ok(Self(Arc::new(Door::Kept { tokens, certificates: settings.certificates, policy })))
    }

    /// Fetches keys and looks for changed files, for ever.
    pub async fn keep_fresh(self) {
        let Door::Kept { tokens, policy, .. } = &*self.0 else { return };
        let keys = async {
            match tokens.as_ref().map(|it| &it.keys) {
                Some(Keys::File(watched)) => keep_looking(watched.clone()).await,
                Some(Keys::Url(fetched)) => fetched.clone().keep_fresh().await,
                None => {}
            }
        };
        let policy = async {
            if let Some(policy) = policy {
                keep_looking(policy.clone()).await;
            }
        };
        futures::join!(keys, policy);
    }

    /// Who calls. Where both kinds are taken, a token decides if there is one, whatever certificate the connection has: a
    /// proxy has one too, and passes on what its callers show. A token that does not hold is refused, and not made up for by
    /// a certificate.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        now: Timestamp,
    ) -> Result<Identity, Refused> {
        let (tokens, certificates, policy) = match &*self.0 {
            Door::Open => {
                let tenant = ONLY_TENANT.to_owned();
                return Ok(Identity { name: String::new(), proof: Proof::None, tenant, role: Role::Admin });
            }
            Door::Kept { tokens, certificates, policy } => (tokens.as_ref(), *certificates, policy.as_ref()),
        };
        let policy = policy.map(|it| it.current());
        if let Some(tokens) = tokens
            && let Some(token) = bearer(headers)?
        {
            let (name, claims) = tokens.check(token, now).await?;
            let claimed = Claimed { claims: &claims, tenant: &tokens.tenant_claim, roles: &tokens.roles_claim };
            return granted(policy.as_deref(), Proof::Token, name, Some(&claimed));
        }
        if certificates && let Some(certificate) = peer.and_then(|it| it.certificate.as_ref()) {
            let name = certificate.check(now)?;
            return granted(policy.as_deref(), Proof::Certificate, name, None);
        }
        Err(Refused::NothingShown(match (tokens.is_some(), certificates) {
            (true, false) => "A token is needed: send it as the header `authorization: Bearer <token>`.",
            (false, _) => "A client certificate is needed: connect with one.",
            (true, true) => {
                "A token or a client certificate is needed: send the header `authorization: Bearer <token>`, or connect with \
                 a certificate."
            }
        }))
    }
}

/// The one token of a call.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, NotProven> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| NotProven::Header)?;
    let (scheme, token) = text.split_once(' ').ok_or(NotProven::Header)?;
    if given.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(NotProven::Header);
    }
    Ok(Some(token.trim()))
}

/// What a token says of what its holder may do.
struct Claimed<'a> {
    claims: &'a Claims,
    tenant: &'a str,
    roles: &'a str,
}

/// The first rule of the policy that fits decides; where none does, the claims of a token do.
fn granted(
    policy: Option<&Policy>,
    proof: Proof,
    name: String,
    claimed: Option<&Claimed<'_>>,
) -> Result<Identity, Refused> {
    let no_role = |name, why| Err(Refused::NoRole(NoRole { name, proof: proof.as_str(), why }));
    match policy.and_then(|policy| policy.of(proof, &name)) {
        Some(Grant::Role(tenant, role)) => return Ok(Identity { name, proof, tenant: tenant.clone(), role: *role }),
        Some(Grant::Nothing) => return no_role(name, "a rule of the server's policy gives it no role".to_owned()),
        None => {}
    }
    let Some(it) = claimed else {
        let why = "no rule of the server's policy (PANDAPORT_POLICY_FILE) gives it a role: ask the operator for one";
        return no_role(name, why.to_owned());
    };
    match (it.claims.role(it.roles), it.claims.tenant(it.tenant)) {
        (Some(role), Some(tenant)) => Ok(Identity { name, proof, tenant, role }),
        (None, _) => no_role(
            name,
            format!(
                "its token names no role (viewer, operator or admin) in the claim `{}`, and no rule of the server's policy \
                 (PANDAPORT_POLICY_FILE) gives it one: ask the operator, or the issuer, for one",
                it.roles
            ),
        ),
        (Some(_), None) => no_role(
            name,
            format!(
                "its token names no tenant in the claim `{}`, and no rule of the server's policy (PANDAPORT_POLICY_FILE) gives \
                 it one: ask the operator, or the issuer, for one",
                it.tenant
            ),
        ),
    }
}

#[cfg(test)]
mod tests;
