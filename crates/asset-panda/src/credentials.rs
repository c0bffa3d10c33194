//! An API key and its secret.

use std::fmt;

use http::HeaderName;
use pandaport_outbound::SendError;
use secrecy::{ExposeSecret as _, SecretString};

use crate::assumptions::{KEY_ID_HEADER, KEY_SECRET_HEADER, is_credentials_status};

/// An API key, made in Asset Panda under Settings > API Configuration. Neither half is ever printed.
#[derive(Clone)]
pub struct Credentials {
    /// The key's id.
    pub key_id: String,
    /// The key's secret.
    pub secret: SecretString,
}

impl Credentials {
    /// The headers that carry the key. Space around it, as left by pasting or by a file's last line, is no part of it.
    pub(crate) fn headers(&self) -> [(HeaderName, SecretString); 2] {
        let secret = self.secret.expose_secret().trim();
        [
            (HeaderName::from_static(KEY_ID_HEADER), SecretString::from(self.key_id.trim())),
            (HeaderName::from_static(KEY_SECRET_HEADER), SecretString::from(secret)),
        ]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Whether the first call with a key, [`accounts`](crate::AssetPandaClient::accounts), failed because of the key.
///
/// How the API answers a bad key is not known: 400, 401 and 403 all count. Use it on that first call only;
/// elsewhere a 400 is about the request, and a 403 may be about one permission.
#[must_use]
pub fn refused_credentials(error: &SendError) -> bool {
    error.status.is_some_and(is_credentials_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_key_is_printed() {
        let credentials =
            Credentials { key_id: "key-visible".to_owned(), secret: SecretString::from("secret-visible") };
        assert!(!format!("{credentials:?}").contains("visible"));
    }

    #[test]
    fn pasted_space_is_no_part_of_a_key() {
        let credentials = Credentials { key_id: " key \n".to_owned(), secret: SecretString::from("secret\n") };
        let [(_, key), (_, secret)] = credentials.headers();
        assert_eq!(key.expose_secret(), "key");
        assert_eq!(secret.expose_secret(), "secret");
    }
}
