//! Who calls, and what they may do.
//!
//! Two questions are kept apart. *Who is it?* is answered by a client certificate ([`ServerTls`], checked at the handshake)
//! or by a token (a JWT, checked at each call). *What may they do?* is answered by the policy file, and for a token that no
//! rule of it fits by the token's own claims. [`Access::identify`] asks both and gives an [`Identity`]: a tenant and a
//! [`Role`]. Which role a call needs is not known here.
//!
//! Certificates, keys and the policy are read again when their files change ([`Access::keep_fresh`],
//! [`ServerTls::keep_fresh`]): what is new and can't be used leaves the old in place, with a warning.

mod access;
mod certificate;
mod claims;
mod error;
mod fetched;
mod identity;
mod incoming;
mod jwks;
mod pattern;
mod policy;
mod tls;
mod token;
mod watched;

pub use access::{Access, AccessSettings};
pub use certificate::Certificate;
pub use error::{AccessError, Refused};
pub use fetched::KeysUrl;
pub use identity::{Identity, Proof, Role};
pub use incoming::{Connection, Peer, incoming};
pub use jwks::KeysFrom;
pub use tls::{ServerTls, TlsFiles};
pub use token::TokenSettings;
