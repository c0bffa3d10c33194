//! The address of the API: what an operator types, made into the one form that is stored and compared.

use std::fmt;

use pandaport_outbound::{AllowedHosts, HostNotAllowed, HostPolicy};
use url::Url;

use crate::assumptions::{DEFAULT_BASE_URL, KNOWN_HOSTS};

/// An API address that the credentials may be sent to: without a trailing slash, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// It is not an address at all.
    #[error("'{input}' is not an address ({reason}); use {DEFAULT_BASE_URL}")]
    Malformed {
        /// What was given.
        input: String,
        /// What the parser says.
        reason: String,
    },
    /// It names a user, a password, a query or a fragment, which might be secrets: none is repeated here.
    #[error(
        "the address of Asset Panda must be only scheme and host, without a user, '?' or '#'; use {DEFAULT_BASE_URL}"
    )]
    MoreThanAnAddress,
    /// The vendor's host with a path: its endpoints are directly under the host.
    #[error("Asset Panda's API has no path such as '{path}' before its endpoints; use {DEFAULT_BASE_URL}")]
    UnexpectedPath {
        /// The path that was given.
        path: String,
    },
    /// The credentials may not go there.
    #[error("{0}")]
    HostNotAllowed(#[from] HostNotAllowed),
}

impl BaseUrl {
    /// Reads what an operator typed; blank means the vendor's own address, a missing scheme means https.
    ///
    /// # Errors
    /// If it is no plain address, or of a host that may not have the credentials: see [`BaseUrlError`].
    pub fn parse(input: &str, allowed: &AllowedHosts) -> Result<Self, BaseUrlError> {
        let input = input.trim();
        let full = match input {
            "" => DEFAULT_BASE_URL.to_owned(),
            _ if input.contains("://") => input.to_owned(),
            _ => format!("https://{input}"),
        };
        let url = Url::parse(&full).map_err(|error| malformed(&full, &error.to_string()))?;
        Self::check(url, allowed)
    }

    /// Checks and normalises an address that is already a [`Url`].
    ///
    /// # Errors
    /// As [`BaseUrl::parse`].
    pub fn check(mut url: Url, allowed: &AllowedHosts) -> Result<Self, BaseUrlError> {
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::MoreThanAnAddress);
        }
        policy(allowed).check(&url)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.is_empty() && is_vendors(&url) {
            return Err(BaseUrlError::UnexpectedPath { path });
        }
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The address as a [`Url`]. (A `Url` of a host alone always ends in a slash.)
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The address of an endpoint: `path` and then `id` as one encoded segment, if given.
    pub(crate) fn endpoint(&self, path: &str, id: Option<&str>) -> Url {
        let mut url = self.0.clone();
        url.path_segments_mut()
            .expect("http and https addresses have path segments: the host policy refuses others")
            .pop_if_empty()
            .extend(path.split('/'))
            .extend(id);
        url
    }
}

/// Without the trailing slash: the form to store and to show.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Where the credentials may go.
pub(crate) fn policy(allowed: &AllowedHosts) -> HostPolicy {
    HostPolicy::new(KNOWN_HOSTS, allowed.clone())
}

fn is_vendors(url: &Url) -> bool {
    url.host_str().is_some_and(|host| KNOWN_HOSTS.contains(&host))
}

fn malformed(full: &str, reason: &str) -> BaseUrlError {
    // What stands before an `@` may be a password.
    let input = match full.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => full.to_owned(),
    };
    BaseUrlError::Malformed { input, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::*;

    fn allowed() -> AllowedHosts {
        "127.0.0.1:8080,panda.example.com:443".parse().unwrap()
    }

    #[rstest]
    #[case("", "https://api.assetpanda.app")]
    #[case("  https://api.assetpanda.app/ \n", "https://api.assetpanda.app")]
    #[case("https://api.assetpanda.app//", "https://api.assetpanda.app")]
    #[case("API.AssetPanda.app", "https://api.assetpanda.app")]
    #[case("http://127.0.0.1:8080/", "http://127.0.0.1:8080")]
    #[case("http://127.0.0.1:8080/panda/", "http://127.0.0.1:8080/panda")]
    #[case("https://panda.example.com", "https://panda.example.com")]
    fn addresses_have_one_form(#[case] typed: &str, #[case] stored: &str) {
        assert_eq!(BaseUrl::parse(typed, &allowed()).unwrap().to_string(), stored);
    }

    #[rstest]
    #[case::plain_http("http://api.assetpanda.app")]
    #[case::other_host("https://api.assetpanda.com")]
    #[case::look_alike("https://api.assetpanda.app.evil.example")]
    #[case::subdomain("https://x.api.assetpanda.app")]
    #[case::other_port("https://api.assetpanda.app:8443")]
    #[case::loopback_not_listed("http://127.0.0.1:8081")]
    #[case::plain_http_of_allowed("http://panda.example.com:443")]
    #[case::other_scheme("ftp://api.assetpanda.app")]
    fn other_hosts_are_refused(#[case] typed: &str) {
        let error = BaseUrl::parse(typed, &allowed()).unwrap_err();
        assert!(matches!(error, BaseUrlError::HostNotAllowed(_)), "{error}");
    }

    #[rstest]
    #[case("https://key:hush@api.assetpanda.app")]
    #[case("https://api.assetpanda.app/?secret=hush")]
    #[case("https://api.assetpanda.app/#hush")]
    #[case("https://key:hush@api.assetpanda.app:port")]
    fn secrets_in_an_address_are_refused_and_not_repeated(#[case] typed: &str) {
        let error = BaseUrl::parse(typed, &allowed()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }

    #[test]
    fn the_vendors_host_takes_no_path() {
        let error = BaseUrl::parse("https://api.assetpanda.app/v1/", &allowed()).unwrap_err();
        assert!(error.to_string().contains("'/v1'"), "{error}");
    }

    #[test]
    fn endpoints_keep_ids_in_one_segment() {
        let base = BaseUrl::parse("http://127.0.0.1:8080/panda", &allowed()).unwrap();
        assert_eq!(
            base.endpoint("collection-record", Some("a/b?c")).as_str(),
            "http://127.0.0.1:8080/panda/collection-record/a%2Fb%3Fc"
        );
        let vendors = BaseUrl::parse("", &allowed()).unwrap();
        assert_eq!(
            vendors.endpoint("collection-records/search", None).as_str(),
            "https://api.assetpanda.app/collection-records/search"
        );
    }
}
