//! Secrets at rest: sealed with AES-256-GCM, opened only to be used.
//!
//! An envelope is `1 | key id (8) | nonce (12) | ciphertext and tag`. The key id is the beginning of the key's SHA-256, so
//! keys need no names. Bound to it (as additional data) are the tenant, the connection if it is one of a connection, the
//! field and the key id: an envelope copied into another row, or another field of its row, does not open.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::dialect::on_read;
use crate::{ConnectionId, Result, Store, StoreError, Tenant};

const VERSION: u8 = 1;
const KEY_LENGTH: usize = 32;
const KEY_ID_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 12;
/// The bytes of an envelope that say how it was sealed, and with which key.
const HEAD_LENGTH: i32 = 1 + KEY_ID_LENGTH as i32;

/// The encryption keys of an installation: the first seals, all open.
pub struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID_LENGTH],
    cipher: Aes256Gcm,
}

/// Which secret an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Of a connection.
    KandjiToken,
    /// Of a connection.
    AssetPandaKey,
    /// Of a tenant's alerts. It belongs to no connection: [`NO_CONNECTION`].
    AlertSecret,
}

/// Stands for the connection of a secret that belongs to a tenant alone: no connection has this id.
pub(crate) const NO_CONNECTION: ConnectionId = ConnectionId(uuid::Uuid::nil());

impl Keyring {
    /// The keys as the operator set them: each 32 bytes in base64, the one that seals first.
    ///
    /// # Errors
    /// [`StoreError::Key`] naming the setting, never the value.
    pub fn new(keys: &[SecretString]) -> Result<Self> {
        if keys.is_empty() {
            return Err(no_key());
        }
        let keys = keys.iter().enumerate().map(|(n, key)| Key::parse(n, key)).collect::<Result<_>>()?;
        Ok(Self { keys })
    }

    /// A new random key, in the form [`Keyring::new`] takes.
    #[must_use]
    pub fn generate() -> SecretString {
        let mut bytes = Zeroizing::new([0_u8; KEY_LENGTH]);
        rand::rng().fill(&mut *bytes);
        STANDARD.encode(*bytes).into()
    }

    pub(crate) fn seal(&self, tenant: &Tenant, connection_id: ConnectionId, field: Field, secret: &str) -> Vec<u8> {
        let key = self.keys.first().expect("a keyring has at least one key");
        let nonce: [u8; NONCE_LENGTH] = rand::rng().random();
        let aad = bound_to(tenant, connection_id, field, &key.id);
        let sealed = key
            .cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: secret.as_bytes(), aad: &aad })
            .expect("AES-GCM seals any text shorter than 64 GiB");
        let mut envelope = Vec::with_capacity(1 + KEY_ID_LENGTH + NONCE_LENGTH + sealed.len());
        envelope.push(VERSION);
        envelope.extend_from_slice(&key.id);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(&sealed);
        envelope
    }

    pub(crate) fn open(
        &self,
        tenant: &Tenant,
        connection_id: ConnectionId,
        field: Field,
        envelope: &[u8],
    ) -> Result<SecretString> {
        let of = |why: &str| match field {
            Field::KandjiToken | Field::AssetPandaKey => format!("connection {connection_id}: {why}"),
            Field::AlertSecret => format!("alerts of {tenant}: {why}"),
        };
        let unreadable = |why: &str| StoreError::corrupt("secret", of(why));
        let (id, rest) = key_id(envelope).map_err(unreadable)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(|| unreadable(CUT_OFF))?;
        let key = self.key(id)?;
        let aad = bound_to(tenant, connection_id, field, id);
        let opened = key
            .cipher
            .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| unreadable("it was changed, or belongs to another row"))?;
        let text = std::str::from_utf8(&opened).map_err(|_| unreadable("it is not text"))?;
        Ok(text.to_owned().into())
    }
}

impl Keyring {
    fn key(&self, id: &[u8; KEY_ID_LENGTH]) -> Result<&Key> {
        self.keys.iter().find(|key| key.id == *id).ok_or_else(|| missing(id))
    }

    /// Whether the key is there that an envelope with this head was sealed with.
    fn knows(&self, head: &[u8]) -> Result<()> {
        let (id, _) = key_id(head).map_err(|why| StoreError::corrupt("secret", why))?;
        self.key(id).map(|_| ())
    }
}

const CUT_OFF: &str = "it is cut off";

/// The id of the key that an envelope was sealed with, and what follows it; or why there is none.
fn key_id(envelope: &[u8]) -> std::result::Result<(&[u8; KEY_ID_LENGTH], &[u8]), &'static str> {
    match envelope.split_first() {
        None => Err("it is empty"),
        Some((&VERSION, rest)) => rest.split_first_chunk::<KEY_ID_LENGTH>().ok_or(CUT_OFF),
        Some(_) => Err("it was sealed by a newer program"),
    }
}

/// Never the keys.
impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.keys.len()).finish()
    }
}

impl Key {
    fn parse(position: usize, text: &SecretString) -> Result<Self> {
        let wrong = || {
            StoreError::Key(format!(
                "PANDAPORT_ENCRYPTION_KEY: key {} is not 32 bytes in base64; `openssl rand -base64 32` makes one",
                position + 1
            ))
        };
        let bytes = Zeroizing::new(STANDARD.decode(text.expose_secret().trim()).map_err(|_| wrong())?);
        let key: &[u8; KEY_LENGTH] = bytes.as_slice().try_into().map_err(|_| wrong())?;
        let hash = Sha256::digest(key);
        let mut id = [0; KEY_ID_LENGTH];
        id.copy_from_slice(&hash[..KEY_ID_LENGTH]);
        Ok(Self { id, cipher: Aes256Gcm::new(key.into()) })
    }
}

impl Store {
    /// This store with the keys to its secrets.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it holds a secret that none of the keys opens, so that a wrong key is found at start and not
    /// at the next sync.
    pub async fn unlock(self, keyring: Keyring) -> Result<Self> {
        // What says which key sealed it, and each key once: there may be a million secrets.
        let sealed: Vec<(Vec<u8>,)> = on_read!(self, pool => sqlx::query_as(
            "SELECT substr(kandji_token, 1, $1) FROM connections UNION SELECT substr(asset_panda_key, 1, $1) FROM connections
             UNION SELECT substr(secret, 1, $1) FROM alert_targets")
            .bind(HEAD_LENGTH).fetch_all(pool).await)?;
        for (head,) in sealed {
            keyring.knows(&head)?;
        }
        Ok(self.with_keyring(keyring))
    }
}

pub(crate) fn no_key() -> StoreError {
    StoreError::Key(
        "there is no encryption key: set PANDAPORT_ENCRYPTION_KEY or PANDAPORT_ENCRYPTION_KEY_FILE (32 bytes, base64)"
            .into(),
    )
}

fn missing(id: &[u8; KEY_ID_LENGTH]) -> StoreError {
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    StoreError::Key(format!(
        "the database holds secrets sealed with a key (id {id}) that PANDAPORT_ENCRYPTION_KEY does not list: \
         set the key they were sealed with, or add it behind the new one"
    ))
}

fn bound_to(tenant: &Tenant, connection_id: ConnectionId, field: Field, key_id: &[u8; KEY_ID_LENGTH]) -> Vec<u8> {
    let field: &[u8] = match field {
        Field::KandjiToken => b"kandji_token",
        Field::AssetPandaKey => b"asset_panda_key",
        Field::AlertSecret => b"alert_secret",
    };
    // The tenant comes last: it is the only part without a fixed length, besides the field's few names.
    [key_id.as_slice(), connection_id.0.as_bytes(), field, b"\0", tenant.as_str().as_bytes()].concat()
}

/// What may be shown of a secret: its last four characters, if it has so many that this gives nothing away; else nothing.
pub(crate) fn hint(secret: &SecretString, shown_from: usize) -> String {
    let text = secret.expose_secret();
    match text.chars().count() {
        length if length >= shown_from => text.chars().skip(length - 4).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Micros;

    #[test]
    fn an_envelope_opens_only_where_it_was_sealed() {
        let keyring = Keyring::new(&[Keyring::generate()]).unwrap();
        let (tenant, id) = (Tenant::default(), ConnectionId::new(Micros::now()));
        let envelope = keyring.seal(&tenant, id, Field::KandjiToken, "s3cret");
        let opened = keyring.open(&tenant, id, Field::KandjiToken, &envelope).unwrap();
        assert_eq!(opened.expose_secret(), "s3cret");

        let other = ConnectionId::new(Micros::now());
        assert!(keyring.open(&tenant, other, Field::KandjiToken, &envelope).is_err());
        assert!(keyring.open(&Tenant::new("other"), id, Field::KandjiToken, &envelope).is_err());
        assert!(keyring.open(&tenant, id, Field::AssetPandaKey, &envelope).is_err());
        assert!(keyring.open(&tenant, id, Field::AlertSecret, &envelope).is_err());
        let mut changed = envelope.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(keyring.open(&tenant, id, Field::KandjiToken, &changed).is_err());
        for length in 0..envelope.len() {
            assert!(keyring.open(&tenant, id, Field::KandjiToken, &envelope[..length]).is_err());
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let (old, new) = (Keyring::generate(), Keyring::generate());
        let (tenant, id) = (Tenant::default(), ConnectionId::new(Micros::now()));
        let before = Keyring::new(std::slice::from_ref(&old)).unwrap();
        let after = Keyring::new(&[new.clone(), old]).unwrap();
        let envelope = before.seal(&tenant, id, Field::KandjiToken, "s3cret");
        assert!(after.open(&tenant, id, Field::KandjiToken, &envelope).is_ok());

        let envelope = after.seal(&tenant, id, Field::KandjiToken, "s3cret");
        assert!(Keyring::new(&[new]).unwrap().open(&tenant, id, Field::KandjiToken, &envelope).is_ok());
        let refused = before.open(&tenant, id, Field::KandjiToken, &envelope).unwrap_err();
        assert!(refused.to_string().contains("PANDAPORT_ENCRYPTION_KEY"), "{refused}");
    }

    #[test]
    fn a_key_of_the_wrong_form_is_refused_without_being_shown() {
        for wrong in ["", "short", "c2hvcnQ=", "not base64 at all, but quite long anyway....."] {
            let error = Keyring::new(&[wrong.to_owned().into()]).unwrap_err().to_string();
            assert!(error.contains("key 1 is not 32 bytes"), "{error}");
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
        assert!(Keyring::new(&[]).unwrap_err().to_string().contains("PANDAPORT_ENCRYPTION_KEY"));
    }

    #[test]
    fn a_hint_gives_nothing_away() {
        assert_eq!(hint(&"0123456789abcdef".to_owned().into(), 16), "cdef");
        assert_eq!(hint(&"0123456789abcde".to_owned().into(), 16), "");
    }
}
