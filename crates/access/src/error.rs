//! What keeps a process from starting, and a caller from being let in.

use std::path::PathBuf;

use jiff::Timestamp;

/// Why the door can't be set up. Messages name the setting to change, and never hold a key or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file that a setting names can't be read or used.
    #[error("{setting}: {} {message}", .path.display())]
    File {
        /// The environment variable.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A setting has a value that can't be used.
    #[error("{setting}: {message}")]
    Setting {
        /// The environment variable.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// Why a caller is not let in. Messages say what is wrong and never repeat a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has shown nothing. What it could have shown.
    #[error("{0}")]
    NothingShown(&'static str),
    /// What it has shown does not hold.
    #[error("{0}")]
    NotProven(NotProven),
    /// The keys that its token would be checked with can't be had now: it may come again.
    #[error("The issuer's keys can't be had now, so no token can be checked; the server's log says why.")]
    KeysAway,
    /// It is known, and nothing says what it may do.
    #[error("{0}")]
    NoRole(NoRole),
}

/// What is wrong with a token or a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The header is there, and is not `Bearer <token>`.
    #[error("The authorization header must be `Bearer <token>`, once.")]
    Header,
    /// It is no token at all.
    #[error("The token is no JWT: {0}.")]
    Malformed(&'static str),
    /// It is signed in a way that is not taken.
    #[error(
        "The token is signed by {0}: only RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA are taken."
    )]
    Algorithm(String),
    /// The issuer has no such key.
    #[error("The token is signed by a key ({0}) that is not among the issuer's keys.")]
    Key(String),
    /// The signature does not fit.
    #[error("The token's signature is not the issuer's.")]
    Signature,
    /// A claim that is needed is missing or of another kind.
    #[error("The token has no claim `{0}` of the kind that is needed.")]
    Claim(&'static str),
    /// It is over.
    #[error("The token expired at {0}: get a new one.")]
    Expired(Timestamp),
    /// It has not begun.
    #[error("The token is not valid before {0}: is the clock of its issuer right?")]
    TooEarly(Timestamp),
    /// It is from somebody else.
    #[error("The token's issuer is {found:?}: {expected:?} is expected.")]
    Issuer {
        /// What it says.
        found: String,
        /// PANDAPORT_JWT_ISSUER.
        expected: String,
    },
    /// It is for somebody else.
    #[error("The token is for the audience {found:?}: {expected:?} is expected.")]
    Audience {
        /// What it says.
        found: Vec<String>,
        /// PANDAPORT_JWT_AUDIENCE.
        expected: String,
    },
    /// The certificate is over since the connection was made.
    #[error("The client certificate expired at {0}: connect with a new one.")]
    CertificateExpired(Timestamp),
    /// The certificate names nobody.
    #[error("The client certificate names nobody: {0}.")]
    CertificateName(&'static str),
}

/// Who is known and may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({proof}) is known, but {why}.")]
pub struct NoRole {
    /// Its name.
    pub name: String,
    /// `jwt` or `mtls`.
    pub proof: &'static str,
    /// What is missing, and who gives it.
    pub why: String,
}

impl From<NotProven> for Refused {
    fn from(what: NotProven) -> Self {
        Self::NotProven(what)
    }
}
