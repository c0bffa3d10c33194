//! Where a token may go: the API hosts of the contracts, and what the operator allowed besides.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// `host:port` entries the operator allows besides the known API hosts (`PANDAPORT_ALLOWED_HOSTS`).
///
/// An entry without a port means 443. Entries are reached by https; loopback ones by plain http too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    host: String,
    port: u16,
    loopback: bool,
}

/// An entry of `PANDAPORT_ALLOWED_HOSTS` that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{entry}` is not an allowed-hosts entry: write `host:port`, such as `127.0.0.1:8081`, without a scheme or a path"
)]
pub struct AllowedHostsError {
    /// The entry as it was given.
    pub entry: String,
}

impl AllowedHosts {
    /// Whether this URL's scheme, host and port are allowed by an entry.
    pub fn contains(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        self.entries.iter().any(|entry| {
            entry.host == host
                && entry.port == port
                && (url.scheme() == "https" || (url.scheme() == "http" && entry.loopback))
        })
    }

    /// Whether no host is allowed besides the known ones.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromStr for AllowedHosts {
    type Err = AllowedHostsError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let entries =
            list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }
}

impl fmt::Display for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", entry.host, entry.port)?;
        }
        Ok(())
    }
}

fn entry(text: &str) -> Result<Entry, AllowedHostsError> {
    let bad = || AllowedHostsError { entry: text.to_owned() };
    if text.contains(['/', '@', '?', '#', '\\', '*']) || text.contains(char::is_whitespace) {
        return Err(bad());
    }
    // The URL parser settles the spelling (case, IPv6, punycode), so that entries compare with URLs as they are.
    let url = Url::parse(&format!("https://{text}/")).map_err(|_| bad())?;
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or_else(bad)?;
    let host = url.host_str().ok_or_else(bad)?.to_owned();
    Ok(Entry { host, port, loopback: is_loopback(&url) })
}

/// Whether the URL names this machine itself: `localhost`, 127.0.0.0/8 or ::1.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which hosts one kind of token may go to.
///
/// Known hosts by https on port 443 only; operator-allowed ones as [`AllowedHosts`] says.
#[derive(Debug, Clone)]
pub struct HostPolicy {
    known: &'static [&'static str],
    allowed: AllowedHosts,
}

/// A URL that a token must not be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{origin} is not a host this token may be sent to{why}. If that host is right, add `{entry}` to PANDAPORT_ALLOWED_HOSTS"
)]
pub struct HostNotAllowed {
    /// Scheme, host and port of the URL.
    pub origin: String,
    /// What the operator would add to allow it: `host:port`.
    pub entry: String,
    /// What else is wrong with the URL, as ` over plain http`; or empty.
    pub why: &'static str,
}

impl HostPolicy {
    /// `known`: `.api.kandji.io` is a suffix with exactly one label before it, `api.assetpanda.app` is one exact host.
    pub fn new(known: &'static [&'static str], allowed: AllowedHosts) -> Self {
        Self { known, allowed }
    }

    /// Whether a token may go to this URL.
    pub fn check(&self, url: &Url) -> Result<(), HostNotAllowed> {
        let plain_origin = url.username().is_empty() && url.password().is_none();
        if plain_origin && (self.allowed.contains(url) || self.is_known(url)) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let why = match url.scheme() {
            _ if !plain_origin => " with a user name or password in its URL",
            "http" if !is_loopback(url) => " over plain http",
            _ => "",
        };
        Err(HostNotAllowed {
            origin: format!("{}://{host}:{port}", url.scheme()),
            entry: format!("{host}:{port}"),
            why,
        })
    }

    fn is_known(&self, url: &Url) -> bool {
        let Some(Host::Domain(host)) = url.host() else {
            return false;
        };
        url.scheme() == "https"
            && url.port().is_none()
            && self.known.iter().any(|known| match known.starts_with('.') {
                true => host.strip_suffix(known).is_some_and(is_label),
                false => host == *known,
            })
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    const KNOWN: &[&str] = &[".api.kandji.io", ".api.eu.kandji.io", "api.assetpanda.app"];

    fn may_go(allowed: &str, url: &str) -> bool {
        let policy = HostPolicy::new(KNOWN, allowed.parse().unwrap());
        policy.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[rstest]
    #[case::one_label("https://acme.api.kandji.io/api/v1/devices", true)]
    #[case::upper_case("https://ACME.API.KANDJI.IO/", true)]
    #[case::explicit_443("https://acme.api.kandji.io:443/", true)]
    #[case::exact("https://api.assetpanda.app/accounts", true)]
    #[case::web_host("https://acme.kandji.io/", false)]
    #[case::two_labels("https://a.b.api.kandji.io/", false)]
    #[case::no_label("https://api.kandji.io/", false)]
    #[case::below_exact("https://evil.api.assetpanda.app/", false)]
    #[case::look_alike("https://acme.api.kandji.io.example.com/", false)]
    #[case::no_dot("https://evilapi.kandji.io/", false)]
    #[case::plain_http("http://acme.api.kandji.io/", false)]
    #[case::other_port("https://acme.api.kandji.io:8443/", false)]
    #[case::user_info("https://user@acme.api.kandji.io/", false)]
    #[case::user_info_decoy("https://acme.api.kandji.io@evil.example/", false)]
    #[case::trailing_dot("https://acme.api.kandji.io./", false)]
    #[case::loopback("http://127.0.0.1:8081/", false)]
    fn rule_18_known_hosts_by_https_only(#[case] url: &str, #[case] expected: bool) {
        assert_eq!(may_go("", url), expected, "{url}");
    }

    #[rstest]
    #[case("127.0.0.1:8081", "http://127.0.0.1:8081/api", true)]
    #[case("127.0.0.1:8081", "https://127.0.0.1:8081/api", true)]
    #[case("127.0.0.1:8081", "http://127.0.0.1:8082/api", false)]
    #[case("127.0.0.1:8081", "http://user@127.0.0.1:8081/", false)]
    #[case("localhost:80", "http://localhost/", true)]
    #[case("[::1]:9000", "http://[::1]:9000/", true)]
    #[case("proxy.example.com:8443", "https://proxy.example.com:8443/", true)]
    #[case("proxy.example.com:8443", "http://proxy.example.com:8443/", false)]
    #[case("Proxy.Example.COM", "https://proxy.example.com/", true)]
    #[case(" a.example:1 , b.example:2 ,", "https://b.example:2/", true)]
    fn rule_18_operator_allowed_hosts(#[case] allowed: &str, #[case] url: &str, #[case] expected: bool) {
        assert_eq!(may_go(allowed, url), expected, "{allowed} {url}");
    }

    #[rstest]
    #[case("http://127.0.0.1:8081")]
    #[case("127.0.0.1:99999")]
    #[case("127.0.0.1:0")]
    #[case("*.example.com:443")]
    #[case("user@host:1")]
    #[case("a b:1")]
    #[case(":8080")]
    fn a_bad_entry_is_named(#[case] entry: &str) {
        let list = format!("good.example:443,{entry}");
        let error = list.parse::<AllowedHosts>().unwrap_err();
        assert_eq!(error.entry, entry);
        assert!(error.to_string().contains(entry), "{error}");
    }

    #[test]
    fn the_refusal_says_what_to_allow() {
        let policy = HostPolicy::new(KNOWN, AllowedHosts::default());
        let error = policy.check(&Url::parse("https://mdm.example.com/api").unwrap()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`mdm.example.com:443`") && text.contains("PANDAPORT_ALLOWED_HOSTS"), "{text}");
    }
}
