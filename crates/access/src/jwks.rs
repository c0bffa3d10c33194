//! The keys that an issuer signs with.

use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::AccessError;
use crate::fetched::{Fetched, KeysUrl};
use crate::watched::{Named, Watched};

/// The algorithms that are taken. None of them works with a secret that both ends share: a server that could check such a
/// token could also make one.
pub(crate) const ALLOWED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Keys of a token without `kid` that are tried at most.
const TRIED_WITHOUT_KID: usize = 4;

/// Where the keys are from.
#[derive(Clone, Debug)]
pub enum KeysFrom {
    /// A file with a JSON Web Key Set (`PANDAPORT_JWT_JWKS_FILE`), read again when it changes.
    File(PathBuf),
    /// An address that gives one (`PANDAPORT_JWT_JWKS_URL`), asked again every few minutes and for a key that is not known.
    Url(KeysUrl),
}

/// The keys, wherever they are from.
pub(crate) enum Keys {
    File(Arc<Watched<KeySet>>),
    Url(Arc<Fetched>),
}

impl Keys {
    pub(crate) fn load(from: KeysFrom) -> Result<Self, AccessError> {
        match from {
            KeysFrom::File(path) => {
                let file = Named::new("PANDAPORT_JWT_JWKS_FILE", path);
                let named = file.clone();
                let build =
                    move |contents: &[Vec<u8>]| KeySet::parse(&contents[0]).map_err(|message| named.wrong(message));
                Ok(Self::File(Arc::new(Watched::load(vec![file], build)?)))
            }
            KeysFrom::Url(url) => Ok(Self::Url(Arc::new(Fetched::new(url)?))),
        }
    }

    /// The keys that may have signed a token with this header; none if the issuer has no such key. `Err`: there are no keys
    /// at all yet.
    pub(crate) async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Vec<DecodingKey>, KeysAway> {
        match self {
            Self::File(watched) => Ok(watched.current().find(kid, algorithm)),
            Self::Url(fetched) => fetched.find(kid, algorithm).await,
        }
    }
}

/// The keys were never fetched.
#[derive(Debug)]
pub(crate) struct KeysAway;

/// A set of keys: of a JSON Web Key Set, those that can check a signature that is taken.
pub(crate) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys that are for something else are left out; the error says why none is left.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
        let found = set.keys.len();
        let keys: Vec<Key> = set.keys.iter().filter_map(Key::of).collect();
        if keys.is_empty() {
            return Err(format!(
                "has no key to check signatures with ({found} of other kinds): RSA, P-256, P-384 or Ed25519"
            ));
        }
        Ok(Self(keys))
    }

    /// The keys that may have signed a token with this header.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        match kid {
            Some(kid) => fits.filter(|key| key.id.as_deref() == Some(kid)).map(|key| key.key.clone()).collect(),
            None => fits.take(TRIED_WITHOUT_KID).map(|key| key.key.clone()).collect(),
        }
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        let of_its_kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &ALLOWED[..6],
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P384 => &[Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => return None,
        };
        let algorithms: Vec<_> = match common.key_algorithm {
            Some(named) => {
                let named = Algorithm::try_from(named).ok()?;
                of_its_kind.iter().copied().filter(|it| *it == named).collect()
            }
            None => of_its_kind.to_vec(),
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (!algorithms.is_empty()).then(|| Self { id: common.key_id.clone(), algorithms, key })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_test_identity::SigningKey;
    use serde_json::json;

    use super::*;

    fn set(keys: &[serde_json::Value]) -> Result<KeySet, String> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_checks_only_signatures_of_its_own_kind() {
        let key = SigningKey::new("k1");
        let set = set(&[key.jwk()]).unwrap();
        assert_eq!(set.find(Some("k1"), Algorithm::ES256).len(), 1);
        assert_eq!(set.find(None, Algorithm::ES256).len(), 1);
        assert_eq!(set.find(Some("k2"), Algorithm::ES256).len(), 0);
        for other in [Algorithm::ES384, Algorithm::RS256, Algorithm::EdDSA, Algorithm::HS256] {
            assert_eq!(set.find(Some("k1"), other).len(), 0, "{other:?}");
        }
    }

    #[test]
    fn keys_for_something_else_and_shared_secrets_are_left_out() {
        let good = SigningKey::new("good").jwk();
        let changed = |name: &str, value: serde_json::Value| {
            let mut key = SigningKey::new("bad").jwk();
            key[name] = value;
            key
        };
        let others = [
            json!({"kty": "oct", "kid": "bad", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}),
            json!({"kty": "unheard of", "kid": "bad"}),
            changed("use", json!("enc")),
            changed("key_ops", json!(["sign"])),
            changed("alg", json!("HS256")),
            changed("alg", json!("ES384")),
            changed("crv", json!("secp256k1")),
        ];
        assert!(set(&others).err().unwrap().contains("7 of other kinds"));
        let mut all = others.to_vec();
        all.push(good);
        let set = set(&all).unwrap();
        assert_eq!(set.find(Some("good"), Algorithm::ES256).len(), 1);
        for algorithm in ALLOWED.into_iter().chain([Algorithm::HS256]) {
            assert_eq!(set.find(Some("bad"), algorithm).len(), 0, "{algorithm:?}");
        }
    }
}
