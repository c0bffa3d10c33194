//! An issuer's keys, and the tokens that it signs.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

/// A key that an issuer signs with.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key for ES256.
    #[must_use]
    pub fn new(kid: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        // An uncompressed point: 4, x, y.
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        Self::of(kid, Algorithm::ES256, key, json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)}))
    }

    /// A new key for RS256.
    #[must_use]
    pub fn rsa(kid: &str) -> Self {
        Self::of_rsa(kid, Algorithm::RS256)
    }

    /// A new key for PS256.
    #[must_use]
    pub fn pss(kid: &str) -> Self {
        Self::of_rsa(kid, Algorithm::PS256)
    }

    fn of_rsa(kid: &str, algorithm: Algorithm) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        let jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
        Self::of(kid, algorithm, key, jwk)
    }

    /// A new key for `EdDSA`.
    #[must_use]
    pub fn ed25519(kid: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        let x = text(pair.public_key_raw());
        Self::of(kid, Algorithm::EdDSA, key, json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
    }

    /// A secret for HS256, which nobody should take.
    #[must_use]
    pub fn shared_secret(kid: &str, secret: &[u8]) -> Self {
        Self::of(kid, Algorithm::HS256, EncodingKey::from_secret(secret), json!({"kty": "oct", "k": text(secret)}))
    }

    fn of(kid: &str, algorithm: Algorithm, key: EncodingKey, mut jwk: Value) -> Self {
        jwk["kid"] = json!(kid);
        Self { kid: kid.to_owned(), algorithm, key, jwk }
    }

    /// Its public half, as it stands in a JSON Web Key Set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// The JSON Web Key Set of these keys.
#[must_use]
pub fn jwks(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The claims of a good token of `https://issuer.example` for `pandaport` that holds for an hour.
#[must_use]
pub fn claims(sub: &str) -> Value {
    let now = now();
    json!({
        "iss": "https://issuer.example", "aud": ["pandaport"], "sub": sub, "iat": now, "nbf": now, "exp": now + 3600
    })
}

/// The claims of the token that Kubernetes projects into a pod for its service account, but for the issuer, which is that of
/// [`claims`].
#[must_use]
pub fn kubernetes_claims(namespace: &str, account: &str) -> Value {
    let mut claims = claims(&format!("system:serviceaccount:{namespace}:{account}"));
    claims["jti"] = json!("5d4e0b3a-6f0e-4c0a-9a4a-1c8d3a1f5b7e");
    claims["kubernetes.io"] = json!({
        "namespace": namespace,
        "node": {"name": "node-1", "uid": "0b9f2c7e-3d5a-4c51-8a53-6a2f5b1d9e10"},
        "pod": {"name": format!("{account}-6c9f8b7d5-x2x7k"), "uid": "7e1d3c52-9b8f-4a0e-8f6b-2d7c4b5a6e91"},
        "serviceaccount": {"name": account, "uid": "c2a1b0d9-8e7f-4a6b-9c5d-3e2f1a0b9c8d"},
        "warnafter": claims["iat"].as_u64().unwrap() + 3607
    });
    claims
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
