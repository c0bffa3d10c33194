//! Whoever calls, once it is known.

use std::fmt;
use std::str::FromStr;

/// What a caller may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also runs what is set up: tests connections, starts and cancels syncs, pauses mappings, approves what is held.
    Operator,
    /// Also sets up: connections with their credentials, mappings, alerts; and reads the audit log.
    Admin,
}

impl Role {
    /// Every role, the one that may least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name, as it stands in claims, policies and the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no role: write viewer, operator or admin"))
    }
}

/// How a caller has shown who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Not at all: with `PANDAPORT_AUTH=none` whoever reaches the loopback address is the admin.
    None,
    /// By a client certificate.
    Certificate,
    /// By a token.
    Token,
}

impl Proof {
    /// Its name in the settings and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Certificate => "mtls",
            Self::Token => "jwt",
        }
    }
}

/// A caller that is known, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name: the token's `sub`, or the certificate's SPIFFE id or `CN=<common name>`. Empty where nothing was asked.
    pub name: String,
    /// How it was shown.
    pub proof: Proof,
    /// Whose rows it sees.
    pub tenant: String,
    /// What it may do.
    pub role: Role,
}

/// The longest name of a tenant.
const TENANT_LENGTH: usize = 64;

/// Whether a text can be the name of a tenant: 1 to 64 letters, digits, dots, hyphens and underscores of ASCII.
pub(crate) fn is_tenant(text: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    !text.is_empty() && text.len() <= TENANT_LENGTH && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_written_in_small_letters() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for wrong in ["", "Admin", "root", "admin "] {
            assert!(wrong.parse::<Role>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_tenant_is_a_plain_name() {
        for name in ["default", "acme-2.eu", "A_b"] {
            assert!(is_tenant(name), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", &"a".repeat(65), "a\n"] {
            assert!(!is_tenant(name), "{name:?}");
        }
    }
}
