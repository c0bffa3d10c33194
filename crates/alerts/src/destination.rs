//! Where alerts may go.

use pandaport_outbound::{AllowedHosts, HostPolicy, Url};

/// A URL that alerts may be sent to: its host is one that the operator allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Url);

/// A text that is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// It is no URL, or one that no alert can go to.
    #[error("{0}")]
    Malformed(String),
    /// The operator has not allowed its host.
    #[error(
        "{origin} is not a host that alerts may be sent to{why}. If that host is right, have the operator add `{entry}` to \
         PANDAPORT_ALLOWED_HOSTS"
    )]
    NotAllowed {
        /// Scheme, host and port of the URL.
        origin: String,
        /// What the operator would add.
        entry: String,
        /// What else is wrong with it, or empty.
        why: &'static str,
    },
}

impl Destination {
    /// Reads a URL. No host is known from the start: each must be allowed.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub fn parse(text: &str, allowed: &AllowedHosts) -> Result<Self, DestinationError> {
        let malformed = |why: &str| DestinationError::Malformed(why.to_owned());
        let url = Url::parse(text).map_err(|_| {
            malformed("This is not a URL; one such as https://alerts.example.com/pandaport is expected")
        })?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(malformed("Alerts are sent by https: the URL must begin with https://"));
        }
        if url.fragment().is_some() {
            return Err(malformed("A fragment (from # on) never reaches a server: leave it out"));
        }
        policy(allowed).check(&url).map_err(|refused| DestinationError::NotAllowed {
            origin: refused.origin,
            entry: refused.entry,
            why: refused.why,
        })?;
        Ok(Self(url))
    }

    /// The URL.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether both lead to the same host and port in the same way: only then may a stored secret be used for both.
    #[must_use]
    pub fn same_origin(&self, other: &str) -> bool {
        Url::parse(other).is_ok_and(|other| other.origin() == self.0.origin())
    }
}

pub(crate) fn policy(allowed: &AllowedHosts) -> HostPolicy {
    HostPolicy::new(&[], allowed.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::allowed("https://alerts.example.com/pandaport?team=it", "")]
    #[case::own_machine("http://127.0.0.1:8090/", "")]
    #[case::known_api_host("https://api.assetpanda.app/", "NotAllowed")]
    #[case::other_port("https://alerts.example.com:8443/", "NotAllowed")]
    #[case::plain_http("http://alerts.example.com:443/", "NotAllowed")]
    #[case::user_name("https://me@alerts.example.com/", "NotAllowed")]
    #[case::fragment("https://alerts.example.com/#a", "Malformed")]
    #[case::other_scheme("ftp://alerts.example.com/", "Malformed")]
    #[case::no_url("alerts.example.com/pandaport", "Malformed")]
    #[case::empty("", "Malformed")]
    fn alerts_go_only_where_the_operator_allowed_it(#[case] url: &str, #[case] error: &str) {
        let allowed = "alerts.example.com:443,127.0.0.1:8090".parse().unwrap();
        let found = match Destination::parse(url, &allowed) {
            Ok(_) => "",
            Err(DestinationError::Malformed(_)) => "Malformed",
            Err(DestinationError::NotAllowed { .. }) => "NotAllowed",
        };
        assert_eq!(found, error, "{url}");
    }

    #[test]
    fn a_refusal_says_what_the_operator_has_to_allow() {
        let refused = Destination::parse("https://hooks.example.com/x?token=1", &AllowedHosts::default()).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("`hooks.example.com:443` to PANDAPORT_ALLOWED_HOSTS"), "{text}");
        assert!(!text.contains("token"), "{text}");
    }

    #[test]
    fn another_path_is_the_same_receiver_and_another_port_is_not() {
        let allowed = "alerts.example.com,alerts.example.com:8443".parse().unwrap();
        let here = Destination::parse("https://alerts.example.com/a", &allowed).unwrap();
        assert!(here.same_origin("https://alerts.example.com:443/b"));
        assert!(!here.same_origin("https://alerts.example.com:8443/a"));
        assert!(!here.same_origin("http://alerts.example.com/a"));
    }
}
