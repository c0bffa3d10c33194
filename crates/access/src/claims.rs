//! What a token says that was shown to be its issuer's.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::NotProven;
use crate::identity::{Role, is_tenant};

/// How far the clocks of the issuer and of this machine may differ, in seconds.
const SKEW: i64 = 60;
/// The longest name of a caller, in bytes.
const NAME_LENGTH: usize = 256;

/// The claims of a token.
pub(crate) struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    /// Checks that the token is of this issuer, for one of these audiences, and holds now. Gives the name of its holder.
    pub(crate) fn check(&self, issuer: &str, audiences: &[String], now: Timestamp) -> Result<String, NotProven> {
        let now = now.as_second();
        let expires = self.time("exp")?.ok_or(NotProven::Claim("exp"))?;
        if now > expires.saturating_add(SKEW) {
            return Err(NotProven::Expired(timestamp(expires)));
        }
        if let Some(begins) = self.time("nbf")?
            && begins > now.saturating_add(SKEW)
        {
            return Err(NotProven::TooEarly(timestamp(begins)));
        }
        let found = self.0.get("iss").and_then(Value::as_str).ok_or(NotProven::Claim("iss"))?;
        if found != issuer {
            return Err(NotProven::Issuer { found: short(found), expected: issuer.to_owned() });
        }
        let found = texts(self.0.get("aud"));
        if found.is_empty() {
            return Err(NotProven::Claim("aud"));
        }
        if !found.iter().any(|it| audiences.iter().any(|ours| ours == it)) {
            let found = found.into_iter().take(5).map(short).collect();
            return Err(NotProven::Audience { found, expected: audiences.join(" or ") });
        }
        let name = self.0.get("sub").and_then(Value::as_str).filter(|name| is_name(name));
        name.map(str::to_owned).ok_or(NotProven::Claim("sub"))
    }

    /// The tenant that a claim names.
    pub(crate) fn tenant(&self, claim: &str) -> Option<String> {
        self.get(claim).and_then(Value::as_str).filter(|it| is_tenant(it)).map(str::to_owned)
    }

    /// The role that a claim names; of several the one that may most. What is no role of ours is somebody else's.
    pub(crate) fn role(&self, claim: &str) -> Option<Role> {
        // A text holds several, as `scope` does. An item of a list is one name, also if there are spaces in it.
        let names = match self.get(claim) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            other => texts(other),
        };
        names.into_iter().filter_map(|it| it.parse().ok()).max()
    }

    /// A claim by its name or, where none is called so, by the names on the way to it with dots between them.
    fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim).or_else(|| {
            let (first, rest) = claim.split_once('.')?;
            rest.split('.').try_fold(self.0.get(first)?, |inside, name| inside.get(name))
        })
    }

    /// A time in seconds since 1970, which may have a fraction.
    fn time(&self, claim: &'static str) -> Result<Option<i64>, NotProven> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        // A time beyond what an i64 holds would be no time of any clock.
        #[allow(clippy::cast_possible_truncation)]
        let time = value.as_i64().or_else(|| value.as_f64().filter(|it| it.is_finite()).map(|it| it.floor() as i64));
        time.map(Some).ok_or(NotProven::Claim(claim))
    }
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a text can name a caller in logs and in the database.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_LENGTH && !text.chars().any(char::is_control)
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check(change: &Value) -> Result<String, String> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": ["pandaport", "other"], "sub": "ann", "exp": NOW + 300, "nbf": NOW - 300
        });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let Value::Object(claims) = claims else { panic!("no object") };
        let now = Timestamp::from_second(NOW).unwrap();
        let checked = Claims(claims).check("https://issuer.example", &["pandaport".to_owned()], now);
        checked.map_err(|error| error.to_string())
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"aud": "pandaport"}))]
    #[case(json!({"nbf": null}))]
    #[case(json!({"exp": NOW - 60}))]
    #[case(json!({"exp": 1_800_000_300.5}))]
    #[case(json!({"nbf": NOW + 60}))]
    fn a_good_token_passes_also_where_clocks_differ_by_a_minute(#[case] change: Value) {
        assert_eq!(check(&change), Ok("ann".to_owned()));
    }

    #[rstest]
    #[case(json!({"exp": NOW - 61}), "The token expired at 2027-01-15T07:58:59Z: get a new one.")]
    #[case(json!({"exp": null}), "no claim `exp`")]
    #[case(json!({"exp": "tomorrow"}), "no claim `exp`")]
    #[case(json!({"exp": -1e300}), "expired")]
    #[case(json!({"nbf": NOW + 61}), "not valid before 2027-01-15T08:01:01Z")]
    #[case(json!({"nbf": "now"}), "no claim `nbf`")]
    #[case(json!({"iss": "https://other.example"}), "issuer is \"https://other.example\": \"https://issuer.example\" is expected")]
    #[case(json!({"iss": null}), "no claim `iss`")]
    #[case(json!({"aud": ["other"]}), "for the audience [\"other\"]: \"pandaport\" is expected")]
    #[case(json!({"aud": "pandaport2"}), "is expected")]
    #[case(json!({"aud": null}), "no claim `aud`")]
    #[case(json!({"aud": []}), "no claim `aud`")]
    #[case(json!({"sub": ""}), "no claim `sub`")]
    #[case(json!({"sub": "a\nb"}), "no claim `sub`")]
    #[case(json!({"sub": null}), "no claim `sub`")]
    fn a_token_that_does_not_hold_is_refused_with_what_is_wrong(#[case] change: Value, #[case] said: &str) {
        let error = check(&change).unwrap_err();
        assert!(error.contains(said), "{error}");
    }

    #[rstest]
    #[case(json!({"pandaport_roles": ["viewer", "admin", "billing"]}), "pandaport_roles", Some(Role::Admin))]
    #[case(json!({"pandaport_roles": "operator"}), "pandaport_roles", Some(Role::Operator))]
    #[case(json!({"scope": "openid viewer"}), "scope", Some(Role::Viewer))]
    #[case(json!({"realm_access": {"roles": ["operator"]}}), "realm_access.roles", Some(Role::Operator))]
    #[case(json!({"https://example.org/roles": ["viewer"]}), "https://example.org/roles", Some(Role::Viewer))]
    #[case(json!({"pandaport_roles": ["Admin", "administrator", 1]}), "pandaport_roles", None)]
    #[case(json!({"roles": ["admin"]}), "pandaport_roles", None)]
    #[case(json!({"groups": ["billing admin"]}), "groups", None)]
    fn a_role_stands_in_the_claim_that_was_set(#[case] claims: Value, #[case] claim: &str, #[case] role: Option<Role>) {
        let Value::Object(claims) = claims else { panic!("no object") };
        assert_eq!(Claims(claims).role(claim), role);
    }

    #[test]
    fn a_tenant_is_a_plain_name_or_none() {
        let claims = |value: Value| Claims([("t".to_owned(), value)].into_iter().collect());
        assert_eq!(claims(json!("acme")).tenant("t"), Some("acme".to_owned()));
        assert_eq!(claims(json!("a b")).tenant("t"), None);
        assert_eq!(claims(json!(["acme"])).tenant("t"), None);
        assert_eq!(claims(json!("acme")).tenant("other"), None);
    }
}
