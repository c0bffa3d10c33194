//! Tokens: JSON Web Tokens, signed by an issuer that the operator trusts.

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::AccessError;
use crate::claims::Claims;
use crate::error::{NotProven, Refused};
use crate::jwks::{ALLOWED, Keys, KeysFrom};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// Which tokens are taken.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The `iss` of the tokens (`PANDAPORT_JWT_ISSUER`).
    pub issuer: String,
    /// Any of these must be in their `aud` (`PANDAPORT_JWT_AUDIENCE`).
    pub audiences: Vec<String>,
    /// The issuer's keys.
    pub keys: KeysFrom,
    /// The claim that holds the tenant (`PANDAPORT_JWT_TENANT_CLAIM`).
    pub tenant_claim: String,
    /// The claim that holds the roles (`PANDAPORT_JWT_ROLES_CLAIM`).
    pub roles_claim: String,
}

/// What checks tokens.
pub(crate) struct Tokens {
    issuer: String,
    audiences: Vec<String>,
    pub(crate) keys: Keys,
    pub(crate) tenant_claim: String,
    pub(crate) roles_claim: String,
}

impl Tokens {
    pub(crate) fn new(settings: TokenSettings) -> Result<Self, AccessError> {
        let TokenSettings { issuer, audiences, keys, tenant_claim, roles_claim } = settings;
        Ok(Self { issuer, audiences, keys: Keys::load(keys)?, tenant_claim, roles_claim })
    }

    /// Checks a token at the time `now`. Gives its holder's name and its claims.
    pub(crate) async fn check(&self, token: &str, now: Timestamp) -> Result<(String, Claims), Refused> {
        let claims = Claims(self.verified(token).await?);
        let name = claims.check(&self.issuer, &self.audiences, now)?;
        Ok((name, claims))
    }

    /// What the token says, once its signature is known to be the issuer's. Nothing of it is looked at before.
    async fn verified(&self, token: &str) -> Result<Map<String, Value>, Refused> {
        if token.len() > LONGEST {
            return Err(NotProven::Malformed("it is longer than 16 KiB").into());
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(_) => {
                NotProven::Malformed("its header can't be read, or names an algorithm that is not taken, such as none")
            }
            _ => NotProven::Malformed("three parts with full stops between them are expected"),
        })?;
        if !ALLOWED.contains(&header.alg) {
            return Err(NotProven::Algorithm(format!("{:?}", header.alg)).into());
        }
        if header.crit.is_some() {
            return Err(NotProven::Malformed("its header asks for something (crit) that is not known here").into());
        }
        let kid = header.kid.as_deref();
        let keys = self.keys.find(kid, header.alg).await.map_err(|_| Refused::KeysAway)?;
        if keys.is_empty() {
            let kid = kid.map_or_else(|| "without kid".to_owned(), |kid| kid.chars().take(64).collect());
            return Err(NotProven::Key(format!("{}, {:?}", kid.escape_debug(), header.alg)).into());
        }
        let mut only_the_signature = Validation::new(header.alg);
        // The claims are checked by ours, which say what is wrong and go by a clock that is passed in.
        only_the_signature.validate_exp = false;
        only_the_signature.validate_aud = false;
        only_the_signature.required_spec_claims.clear();
        let mut wrong = NotProven::Signature;
        for key in keys {
            match decode::<Map<String, Value>>(token, &key, &only_the_signature) {
                Ok(token) => return Ok(token.claims),
                Err(error) if matches!(error.kind(), ErrorKind::Json(_) | ErrorKind::Utf8(_)) => {
                    wrong = NotProven::Malformed("what it says is no JSON object");
                }
                Err(_) => {}
            }
        }
        Err(wrong.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pandaport_test_identity::{SigningKey, claims, jwks};
    use serde_json::json;

    use super::*;

    /// Checks tokens by a file of these keys, which is left to the caller.
    fn tokens(keys: &[&SigningKey]) -> (Tokens, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), jwks(keys)).unwrap();
        let settings = TokenSettings {
            issuer: "https://issuer.example".to_owned(),
            audiences: vec!["pandaport".to_owned()],
            keys: KeysFrom::File(file.path().to_owned()),
            tenant_claim: "pandaport_tenant".to_owned(),
            roles_claim: "pandaport_roles".to_owned(),
        };
        (Tokens::new(settings).unwrap(), file)
    }

    async fn check(tokens: &Tokens, token: &str) -> Result<String, String> {
        tokens.check(token, Timestamp::now()).await.map(|it| it.0).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_token_holds_by_whatever_algorithm_is_taken_and_only_under_its_own_key() {
        let keys = [SigningKey::new("ec"), SigningKey::rsa("rsa"), SigningKey::pss("pss"), SigningKey::ed25519("ed")];
        let (tokens, _file) = tokens(&keys.iter().collect::<Vec<_>>());
        for key in &keys {
            assert_eq!(check(&tokens, &key.token(&claims("ann"))).await, Ok("ann".to_owned()), "{key:?}");
        }
        let impostor = SigningKey::new("ec");
        let error = check(&tokens, &impostor.token(&claims("ann"))).await.unwrap_err();
        assert_eq!(error, "The token's signature is not the issuer's.");
        let stranger = SigningKey::new("strange");
        let error = check(&tokens, &stranger.token(&claims("ann"))).await.unwrap_err();
        assert!(error.contains("strange, ES256"), "{error}");
    }

    #[tokio::test]
    async fn what_is_changed_or_unsigned_or_signed_by_a_shared_secret_is_refused() {
        let key = SigningKey::new("k");
        let (tokens, _file) = tokens(&[&key]);
        let good = key.token(&claims("ann"));
        let parts: Vec<&str> = good.split('.').collect();
        let json = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let other = json(claims("eve"));
        let (header, body, signature) = (parts[0], parts[1], parts[2]);
        let secret = jwks(&[&key]);
        for (token, said) in [
            (format!("{header}.{other}.{signature}"), "signature"),
            (format!("{header}.{body}."), "signature"),
            (format!("{header}.{body}"), "no JWT"),
            (format!("{}.{body}.", json(json!({"alg": "none", "kid": "k"}))), "such as none"),
            (format!("{}.{body}.{signature}", json(json!({"alg": "none", "kid": "k"}))), "such as none"),
            // Signed with what anyone can know as if it were a secret.
            (SigningKey::shared_secret("k", secret.as_bytes()).token(&claims("eve")), "signed by HS256"),
            (
                format!("{}.{body}.{signature}", json(json!({"alg": "RS256", "kid": "k"}))),
                "not among the issuer's keys",
            ),
            (format!("{}.{body}.{signature}", json(json!({"alg": "ES256", "kid": "k", "crit": ["b64"]}))), "crit"),
            (String::new(), "no JWT"),
            ("a.b.c".to_owned(), "no JWT"),
            ("x".repeat(LONGEST + 1), "longer than"),
        ] {
            let error = check(&tokens, &token).await.unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(token.len() < 20 || !error.contains(&token[..20]), "{error}");
        }
    }

    #[tokio::test]
    async fn keys_that_change_in_their_file_are_followed() {
        let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
        let (tokens, file) = tokens(&[&old]);
        let Keys::File(watched) = &tokens.keys else { panic!("no file") };
        let (by_old, by_new) = (old.token(&claims("ann")), new.token(&claims("ann")));
        assert!(check(&tokens, &by_old).await.is_ok() && check(&tokens, &by_new).await.is_err());
        // Both are there while an issuer changes over.
        std::fs::write(file.path(), jwks(&[&new, &old])).unwrap();
        watched.look();
        assert!(check(&tokens, &by_old).await.is_ok() && check(&tokens, &by_new).await.is_ok());
        std::fs::write(file.path(), jwks(&[&new])).unwrap();
        watched.look();
        assert!(check(&tokens, &by_old).await.is_err() && check(&tokens, &by_new).await.is_ok());
        std::fs::write(file.path(), "{}").unwrap();
        watched.look();
        assert!(check(&tokens, &by_new).await.is_ok());
    }
}
