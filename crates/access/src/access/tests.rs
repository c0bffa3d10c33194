#![allow(clippy::unwrap_used)]

use pandaport_test_identity::{Authority, SigningKey, Subject, claims, jwks, kubernetes_claims};
use serde_json::{Value, json};

use super::*;
use crate::certificate::Certificate;
use crate::jwks::KeysFrom;

const POLICY_TEXT: &str = r#"
[[rule]]
jwt = "fired"
role = "none"

[[rule]]
jwt = "system:serviceaccount:inventory:*"
tenant = "acme"
role = "operator"

[[rule]]
mtls = "spiffe://example.org/ns/*/sa/reporter"
tenant = "acme"
role = "viewer"
"#;

struct Door {
    access: Access,
    key: SigningKey,
    _folder: tempfile::TempDir,
}

impl Door {
    fn new(tokens: bool, certificates: bool, policy: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::new("k");
        std::fs::write(folder.path().join("jwks.json"), jwks(&[&key])).unwrap();
        let policy = policy.map(|text| {
            let path = folder.path().join("policy.toml");
            std::fs::write(&path, text).unwrap();
            path
        });
        let tokens = tokens.then(|| TokenSettings {
            issuer: "https://issuer.example".to_owned(),
            audiences: vec!["pandaport".to_owned()],
            keys: KeysFrom::File(folder.path().join("jwks.json")),
            tenant_claim: "pandaport_tenant".to_owned(),
            roles_claim: "pandaport_roles".to_owned(),
        });
        let access = Access::new(AccessSettings { tokens, certificates, policy }).unwrap();
        Self { access, key, _folder: folder }
    }

    async fn identify(&self, token: Option<&Value>, certificate: Option<&Subject<'_>>) -> Result<Identity, Refused> {
        let mut headers = HeaderMap::new();
        if let Some(claims) = token {
            headers.insert(AUTHORIZATION, format!("Bearer {}", self.key.token(claims)).parse().unwrap());
        }
        let certificate = certificate.map(|it| Arc::new(Certificate::of(&Authority::new("clients").client(it).der)));
        let peer = Peer { address: "127.0.0.1:1".parse().unwrap(), certificate };
        self.access.identify(&headers, Some(&peer), Timestamp::now()).await
    }
}

fn with(mut claims: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn reporter() -> Subject<'static> {
    Subject { uris: &["spiffe://example.org/ns/ops/sa/reporter"], ..Subject::default() }
}

fn identity(name: &str, proof: Proof, role: Role) -> Identity {
    Identity { name: name.to_owned(), proof, tenant: "acme".to_owned(), role }
}

#[tokio::test]
async fn without_authentication_everybody_is_the_admin_of_the_one_tenant() {
    let who = Access::open().identify(&HeaderMap::new(), None, Timestamp::now()).await.unwrap();
    assert_eq!((who.proof, who.tenant.as_str(), who.role), (Proof::None, "default", Role::Admin));
}

#[tokio::test]
async fn a_kubernetes_service_account_gets_its_role_from_the_policy() {
    let door = Door::new(true, false, Some(POLICY_TEXT));
    let who = door.identify(Some(&kubernetes_claims("inventory", "reporter")), None).await.unwrap();
    assert_eq!(who, identity("system:serviceaccount:inventory:reporter", Proof::Token, Role::Operator));
    let error = door.identify(Some(&kubernetes_claims("other", "reporter")), None).await.unwrap_err();
    assert!(matches!(&error, Refused::NoRole(it) if it.name == "system:serviceaccount:other:reporter"), "{error}");
    assert!(error.to_string().contains("PANDAPORT_POLICY_FILE"), "{error}");
}

#[tokio::test]
async fn where_no_rule_fits_the_claims_of_a_token_say_what_it_may_do() {
    let claimed = json!({"pandaport_tenant": "acme", "pandaport_roles": ["viewer"]});
    for policy in [None, Some(POLICY_TEXT)] {
        let door = Door::new(true, false, policy);
        let who = door.identify(Some(&with(claims("ann"), &claimed)), None).await.unwrap();
        assert_eq!(who, identity("ann", Proof::Token, Role::Viewer));
        for (missing, said) in [("pandaport_tenant", "names no tenant"), ("pandaport_roles", "names no role")] {
            let token = with(with(claims("ann"), &claimed), &json!({ missing: null }));
            let error = door.identify(Some(&token), None).await.unwrap_err().to_string();
            assert!(error.contains(said) && error.contains(missing), "{error}");
        }
    }
    let door = Door::new(true, false, Some(POLICY_TEXT));
    let admin = json!({"pandaport_tenant": "other", "pandaport_roles": "admin"});
    let error = door.identify(Some(&with(claims("fired"), &admin)), None).await.unwrap_err();
    assert!(matches!(error, Refused::NoRole(_)), "{error}");
    // Nor do claims go beyond what a rule says.
    let token = with(kubernetes_claims("inventory", "a"), &admin);
    assert_eq!(door.identify(Some(&token), None).await.unwrap().role, Role::Operator);
}

#[tokio::test]
async fn a_certificate_gets_its_role_from_the_policy_alone() {
    let door = Door::new(false, true, Some(POLICY_TEXT));
    let who = door.identify(None, Some(&reporter())).await.unwrap();
    assert_eq!(who, identity("spiffe://example.org/ns/ops/sa/reporter", Proof::Certificate, Role::Viewer));
    let error = door.identify(None, Some(&Subject::named("stranger"))).await.unwrap_err().to_string();
    assert!(error.contains("CN=stranger (mtls) is known, but no rule"), "{error}");
}

#[tokio::test]
async fn where_both_are_taken_either_proves_it_and_a_token_decides_if_there_is_one() {
    let door = Door::new(true, true, Some(POLICY_TEXT));
    let token = kubernetes_claims("inventory", "a");
    assert_eq!(door.identify(Some(&token), None).await.unwrap().proof, Proof::Token);
    assert_eq!(door.identify(None, Some(&reporter())).await.unwrap().proof, Proof::Certificate);
    assert_eq!(door.identify(Some(&token), Some(&reporter())).await.unwrap().proof, Proof::Token);
    let expired = with(token, &json!({"exp": 1}));
    let error = door.identify(Some(&expired), Some(&reporter())).await.unwrap_err().to_string();
    assert!(error.contains("expired at 1970-01-01T00:00:01Z"), "{error}");
}

#[tokio::test]
async fn who_shows_nothing_or_what_is_not_asked_for_is_told_what_is() {
    let token = kubernetes_claims("inventory", "a");
    for (tokens, certificates, said) in [
        (true, false, "A token is needed"),
        (false, true, "A client certificate is needed"),
        (true, true, "or a client"),
    ] {
        let door = Door::new(tokens, certificates, Some(POLICY_TEXT));
        let error = door.identify(None, None).await.unwrap_err();
        assert!(matches!(error, Refused::NothingShown(text) if text.contains(said)), "{error}");
    }
    let by_certificate = Door::new(false, true, Some(POLICY_TEXT)).identify(Some(&token), None).await;
    assert!(matches!(by_certificate, Err(Refused::NothingShown(_))), "{by_certificate:?}");
    let by_token = Door::new(true, false, Some(POLICY_TEXT)).identify(None, Some(&reporter())).await;
    assert!(matches!(by_token, Err(Refused::NothingShown(_))), "{by_token:?}");
}

#[tokio::test]
async fn a_header_that_holds_no_token_or_two_is_refused() {
    let door = Door::new(true, false, Some(POLICY_TEXT));
    let token = door.key.token(&kubernetes_claims("inventory", "a"));
    let bearer = format!("bearer {token}");
    let basic = format!("Basic {token}");
    for (values, fine) in [
        (vec![bearer.as_str()], true),
        (vec![bearer.as_str(), bearer.as_str()], false),
        (vec![basic.as_str()], false),
        (vec![token.as_str()], false),
        (vec![""], false),
    ] {
        let mut headers = HeaderMap::new();
        for value in &values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let known = door.access.identify(&headers, None, Timestamp::now()).await;
        assert_eq!(known.is_ok(), fine, "{known:?}");
    }
}
