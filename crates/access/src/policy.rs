//! The policy file: which callers are of which tenant, and what they may do there.

use serde::Deserialize;

use crate::identity::{Proof, Role, is_tenant};
use crate::pattern::Pattern;

/// The rules, in the order of the file: the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    proof: Proof,
    pattern: Pattern,
    grant: Grant,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Whose rows, and what may be done.
    Role(String, Role),
    /// Nothing may be done, whatever else says so.
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    jwt: Option<String>,
    mtls: Option<String>,
    tenant: Option<String>,
    role: String,
}

impl Policy {
    /// Reads the file's text; the error says where in it what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())?;
        let file: File = toml::from_str(text).map_err(|error| format!("is not as it should be: {error}"))?;
        if file.rule.is_empty() {
            return Err("has no rule: write at least one [[rule]]".to_owned());
        }
        let rules = file.rule.into_iter().enumerate();
        let rules = rules.map(|(at, rule)| rule.checked().map_err(|why| format!("rule {}: {why}", at + 1)));
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// What the first rule that fits says; `None`: none fits.
    pub(crate) fn of(&self, proof: Proof, name: &str) -> Option<&Grant> {
        self.0.iter().find(|rule| rule.proof == proof && rule.pattern.fits(name)).map(|rule| &rule.grant)
    }
}

impl Written {
    fn checked(self) -> Result<Rule, String> {
        let (proof, text) = match (self.jwt, self.mtls) {
            (Some(text), None) => (Proof::Token, text),
            (None, Some(text)) => (Proof::Certificate, text),
            _ => return Err("write either jwt = \"...\" or mtls = \"...\"".to_owned()),
        };
        if proof == Proof::Certificate && !["spiffe://", "CN=", "*"].iter().any(|begin| text.starts_with(begin)) {
            return Err(format!(
                "mtls = {text:?} fits no certificate: write spiffe://..., or CN=... for its common name"
            ));
        }
        let pattern = Pattern::parse(&text).ok_or_else(|| format!("{text:?} is no name and no pattern"))?;
        let grant = match (self.role.as_str(), self.tenant) {
            ("none", None) => Grant::Nothing,
            ("none", Some(_)) => return Err("role = \"none\" is of no tenant: leave the tenant out".to_owned()),
            (_, None) => return Err("the tenant is missing".to_owned()),
            (_, Some(tenant)) if !is_tenant(&tenant) => {
                return Err(format!(
                    "{tenant:?} is no tenant: write 1 to 64 letters, digits, dots, hyphens or underscores"
                ));
            }
            (role, Some(tenant)) => Grant::Role(tenant, role.parse().map_err(|why| format!("{why}, or none"))?),
        };
        Ok(Rule { proof, pattern, grant })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides_and_a_rule_is_for_one_kind_of_proof() {
        let policy = Policy::parse(
            br#"
            # Comments are allowed.
            [[rule]]
            jwt = "system:serviceaccount:inventory:intern"
            role = "none"

            [[rule]]
            jwt = "system:serviceaccount:inventory:*"
            tenant = "acme"
            role = "operator"

            [[rule]]
            mtls = "CN=backup"
            tenant = "acme"
            role = "viewer"
            "#,
        )
        .unwrap();
        let operator = Grant::Role("acme".to_owned(), Role::Operator);
        assert_eq!(policy.of(Proof::Token, "system:serviceaccount:inventory:intern"), Some(&Grant::Nothing));
        assert_eq!(policy.of(Proof::Token, "system:serviceaccount:inventory:reporter"), Some(&operator));
        assert_eq!(policy.of(Proof::Certificate, "system:serviceaccount:inventory:reporter"), None);
        assert_eq!(policy.of(Proof::Certificate, "CN=backup"), Some(&Grant::Role("acme".to_owned(), Role::Viewer)));
        assert_eq!(policy.of(Proof::Token, "CN=backup"), None);
    }

    #[rstest]
    #[case("", "at least one [[rule]]")]
    #[case("[[rule]]\njwt = \"a\"\nrole = \"admin\"", "rule 1: the tenant is missing")]
    #[case("[[rule]]\njwt = \"a\"\ntenant = \"t\"\nrole = \"root\"", "write viewer, operator or admin, or none")]
    #[case("[[rule]]\ntenant = \"t\"\nrole = \"admin\"", "either jwt")]
    #[case("[[rule]]\njwt = \"a\"\nmtls = \"CN=a\"\ntenant = \"t\"\nrole = \"admin\"", "either jwt")]
    #[case("[[rule]]\nmtls = \"backup\"\ntenant = \"t\"\nrole = \"admin\"", "CN=...")]
    #[case("[[rule]]\njwt = \"a\"\ntenant = \"a b\"\nrole = \"admin\"", "is no tenant")]
    #[case("[[rule]]\njwt = \"a\"\ntenant = \"t\"\nrole = \"none\"", "leave the tenant out")]
    #[case("[[rule]]\njwt = \"a\"\ntenants = \"t\"\nrole = \"admin\"", "unknown field")]
    #[case("[[rules]]\n", "unknown field")]
    fn what_is_wrong_is_said_with_its_rule(#[case] text: &str, #[case] said: &str) {
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
