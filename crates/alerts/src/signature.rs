//! What shows a receiver that an alert is ours.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The value of `Pandaport-Signature`: `v1=`, and in hex the HMAC-SHA256 of `<timestamp>.<body>` under the secret.
///
/// The timestamp is in it, so that what was once overheard can't be sent again much later.
pub(crate) fn signature(secret: &SecretString, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes any key");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by `printf '1700000000.{"kind":"TEST"}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
    #[test]
    fn the_signature_is_what_openssl_works_out() {
        let secret = SecretString::from("0123456789abcdef".to_owned());
        let expected = "v1=17ef19e75c6ee6d38b4f444d959a0229ece203ab8216836796cccf65af5d8b05";
        assert_eq!(signature(&secret, 1_700_000_000, r#"{"kind":"TEST"}"#), expected);
    }
}
