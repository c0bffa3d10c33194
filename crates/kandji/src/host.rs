//! The customer's API host, from whatever an admin pasted (contract 1.1).

use std::fmt;

use pandaport_outbound::AllowedHosts;
use url::{Host, Url};

/// The hosts that serve the API (contract 1), each with the customer's name before it.
pub const API_HOSTS: &[&str] = &[".api.kandji.io", ".api.eu.kandji.io", ".api.iru.com", ".api.eu.iru.com"];

/// Where the web app lives, and the API host that belongs to it. The longer endings come first.
const WEB_HOSTS: [(&str, &str); 3] =
    [(".eu.kandji.io", ".api.eu.kandji.io"), (".kandji.io", ".api.kandji.io"), (".iru.com", ".api.iru.com")];

/// What admins type in place of a host, after the customer's name.
const SHORT_FORMS: [(&str, &str); 3] =
    [(".api.eu", ".api.eu.kandji.io"), (".api", ".api.kandji.io"), ("", ".api.kandji.io")];

/// Parts of the vendor's own host names: never a customer's name.
const NO_CUSTOMER: [&str; 8] = ["api", "eu", "www", "docs", "support", "status", "app", "clients"];

/// A customer's API host. Exists only in valid form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KandjiHost {
    api_url: Url,
    customer_key: String,
    region_guessed: bool,
}

/// Why a text names no Kandji API host. The message says what to enter instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing was entered.
    #[error("enter the API URL, such as https://yourcompany.api.kandji.io (in Kandji: Settings > Access > API tokens)")]
    Empty,
    /// What was entered looks like a token. It is not repeated here.
    #[error("this looks like an API token: enter the API URL here, such as https://yourcompany.api.kandji.io")]
    LooksLikeToken,
    /// It is not a URL or a host name.
    #[error("this is not a URL ({reason}): enter the API URL, such as https://yourcompany.api.kandji.io")]
    NotAUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// It is a Kandji or Iru host without a customer's name.
    #[error("`{host}` names no customer: enter the whole API URL, such as https://yourcompany.api.kandji.io")]
    NoCustomer {
        /// The host that was entered.
        host: String,
    },
    /// It is a host that the token must not go to.
    #[error(
        "`{host}` is not a Kandji API host: enter https://yourcompany.api.kandji.io, .api.eu.kandji.io, .api.iru.com or \
         .api.eu.iru.com; any other host (a sandbox, a proxy) has to be in PANDAPORT_ALLOWED_HOSTS as `{host}`"
    )]
    NotAllowed {
        /// Host and port that were entered.
        host: String,
    },
}

impl KandjiHost {
    /// Reads what an admin entered: a customer's name, the web app's or the API's URL, or a host the operator allowed.
    pub fn parse(input: &str, allowed: &AllowedHosts) -> Result<Self, HostError> {
        let input = input.trim();
        if input.is_empty() {
            return Err(HostError::Empty);
        }
        if looks_like_token(input) {
            return Err(HostError::LooksLikeToken);
        }
        let entered = entered_url(input)?;
        if let Some(url) = operator_allowed(&entered, input, allowed) {
            return Ok(Self::allowed(&url));
        }

        let host = entered.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
        if entered.port().is_some() || !matches!(entered.host(), Some(Host::Domain(_))) || host == "localhost" {
            return Err(not_allowed(&entered));
        }
        if let Some(suffix) = API_HOSTS.iter().find(|suffix| host.ends_with(**suffix)) {
            return Self::known(&host, &host[..host.len() - suffix.len()], suffix, false);
        }
        if let Some((web, api)) = WEB_HOSTS.iter().find(|(web, _)| host.ends_with(web)) {
            // The web app has one form for all regions at iru.com, so the region cannot be told from it.
            return Self::known(&host, &host[..host.len() - web.len()], api, *web == ".iru.com");
        }
        if ["kandji.io", "iru.com"].contains(&host.as_str()) {
            return Err(HostError::NoCustomer { host });
        }
        for (short, api) in SHORT_FORMS {
            if let Some(customer) = host.strip_suffix(short)
                && !customer.contains('.')
            {
                return Self::known(&host, customer, api, false);
            }
        }
        Err(not_allowed(&entered))
    }

    /// Base of the API: `https://acme.api.kandji.io/`, always with a slash at its end. `/api/v1` is not part of it.
    pub fn api_url(&self) -> &Url {
        &self.api_url
    }

    /// Whether the region could not be read from what was entered (`https://acme.iru.com`). If the host does not answer,
    /// say so and ask for the API URL.
    pub fn region_guessed(&self) -> bool {
        self.region_guessed
    }

    /// The same for every spelling of one customer's host, before and after the move to iru.com. The budget's key.
    pub fn customer_key(&self) -> String {
        self.customer_key.clone()
    }

    fn known(entered: &str, customer: &str, api: &str, region_guessed: bool) -> Result<Self, HostError> {
        if customer.is_empty() || NO_CUSTOMER.contains(&customer) {
            return Err(HostError::NoCustomer { host: entered.to_owned() });
        }
        if customer.contains('.') {
            return Err(HostError::NotAllowed { host: entered.to_owned() });
        }
        if !is_label(customer) {
            return Err(HostError::NotAUrl { reason: format!("`{customer}` is no name of a customer") });
        }
        let api_url = Url::parse(&format!("https://{customer}{api}/"))
            .map_err(|error| HostError::NotAUrl { reason: error.to_string() })?;
        let customer_key = format!("{customer}{}", api.replace(".iru.com", ".kandji.io"));
        Ok(Self { api_url, customer_key, region_guessed })
    }

    fn allowed(entered: &Url) -> Self {
        let mut api_url = entered.clone();
        api_url.set_query(None);
        api_url.set_fragment(None);
        let path = entered.path().trim_end_matches('/');
        let path = path.strip_suffix("/api/v1").unwrap_or(path).trim_end_matches('/');
        api_url.set_path(&format!("{path}/"));
        let host = api_url.host_str().unwrap_or_default();
        let port = api_url.port_or_known_default().unwrap_or_default();
        let customer_key = format!("{host}:{port}{path}");
        Self { api_url, customer_key, region_guessed: false }
    }
}

/// As an admin would write it: `https://acme.api.kandji.io`.
impl fmt::Display for KandjiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.api_url.as_str().trim_end_matches('/'))
    }
}

/// What was entered, as a URL; https where nothing is said.
fn entered_url(input: &str) -> Result<Url, HostError> {
    let not_a_url = |reason: &str| HostError::NotAUrl { reason: reason.to_owned() };
    let url = match input.contains("://") {
        true => Url::parse(input),
        false => Url::parse(&format!("https://{input}")),
    };
    let url = url.map_err(|error| not_a_url(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(not_a_url("only https is spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(not_a_url("a user name or password has no place in it"));
    }
    Ok(url)
}

/// The URL as the operator allowed it: as it was entered, else by https, else, with no scheme entered, by http.
fn operator_allowed(entered: &Url, input: &str, allowed: &AllowedHosts) -> Option<Url> {
    let by_scheme = |scheme: &str| {
        let rest = entered.as_str().split_once("://")?.1;
        Url::parse(&format!("{scheme}://{rest}")).ok()
    };
    let mut forms = vec![Some(entered.clone()), by_scheme("https")];
    if !input.contains("://") {
        // Plain http is allowed for loopback entries only, and those are sandboxes, which speak nothing else.
        forms.insert(0, by_scheme("http"));
    }
    forms.into_iter().flatten().find(|url| allowed.contains(url))
}

fn not_allowed(url: &Url) -> HostError {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    HostError::NotAllowed { host: format!("{host}:{port}") }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Kandji's tokens are UUIDs (contract 2.1).
fn looks_like_token(input: &str) -> bool {
    let groups: Vec<usize> = input.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && input.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    fn parse(input: &str) -> Result<KandjiHost, HostError> {
        KandjiHost::parse(input, &AllowedHosts::default())
    }

    #[rstest]
    #[case("yourcompany", "https://yourcompany.api.kandji.io/")]
    #[case("yourcompany.api", "https://yourcompany.api.kandji.io/")]
    #[case("yourcompany.api.eu", "https://yourcompany.api.eu.kandji.io/")]
    #[case("https://yourcompany.kandji.io", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.kandji.io/devices/all?x=1#top", "https://yourcompany.api.kandji.io/")]
    #[case("yourcompany.kandji.io", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.eu.kandji.io/anything", "https://yourcompany.api.eu.kandji.io/")]
    #[case("https://yourcompany.api.kandji.io", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.api.kandji.io/", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.api.kandji.io/api/v1", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.api.eu.kandji.io/api/v1/", "https://yourcompany.api.eu.kandji.io/")]
    #[case("https://yourcompany.api.iru.com/api/v1", "https://yourcompany.api.iru.com/")]
    #[case("https://yourcompany.api.eu.iru.com", "https://yourcompany.api.eu.iru.com/")]
    #[case("https://yourcompany.iru.com", "https://yourcompany.api.iru.com/")]
    #[case("http://yourcompany.api.kandji.io", "https://yourcompany.api.kandji.io/")]
    #[case("http://yourcompany.kandji.io/", "https://yourcompany.api.kandji.io/")]
    #[case("  https://YourCompany.API.Kandji.io \n", "https://yourcompany.api.kandji.io/")]
    #[case("HTTPS://yourcompany.kandji.io", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.api.kandji.io:443/", "https://yourcompany.api.kandji.io/")]
    #[case("https://yourcompany.api.kandji.io./", "https://yourcompany.api.kandji.io/")]
    #[case("your-company2", "https://your-company2.api.kandji.io/")]
    fn what_admins_paste(#[case] input: &str, #[case] expected: &str) {
        let host = parse(input).unwrap();
        assert_eq!(host.api_url().as_str(), expected, "{input}");
        assert_eq!(host.region_guessed(), input.ends_with("yourcompany.iru.com"), "{input}");
    }

    #[rstest]
    #[case("https://yourcompany.example.com", "yourcompany.example.com:443")]
    #[case("https://api.kandji.io.example.com", "api.kandji.io.example.com:443")]
    #[case("https://yourcompany.api.kandji.io:8443", "yourcompany.api.kandji.io:8443")]
    #[case("https://a.b.kandji.io", "a.b.kandji.io")]
    #[case("https://yourcompany.clients.us-1.kandji.io", "yourcompany.clients.us-1.kandji.io")]
    #[case("http://127.0.0.1:8081", "127.0.0.1:8081")]
    #[case("localhost", "localhost:443")]
    #[case("10.0.0.1", "10.0.0.1:443")]
    #[case("[::1]:80", "[::1]:80")]
    #[case("evilkandji.io", "evilkandji.io:443")]
    fn rule_18_other_hosts_are_refused_by_name(#[case] input: &str, #[case] host: &str) {
        let error = parse(input).unwrap_err();
        assert_eq!(error, HostError::NotAllowed { host: host.to_owned() });
        assert!(error.to_string().contains("PANDAPORT_ALLOWED_HOSTS"), "{error}");
    }

    #[rstest]
    #[case("")]
    #[case("  \n")]
    #[case("5ec2e700-dead-4bad-9a55-00c0ffee0001")]
    #[case("https://")]
    #[case("https://api.kandji.io/api/v1")]
    #[case("https://www.kandji.io")]
    #[case("https://kandji.io")]
    #[case("eu.kandji.io")]
    #[case("iru.com")]
    #[case("ftp://yourcompany.kandji.io")]
    #[case("https://me:secretword@yourcompany.kandji.io")]
    #[case("your company")]
    #[case("your_company")]
    #[case("-company")]
    #[case("/api/v1/devices")]
    fn other_mistakes_say_what_to_enter(#[case] input: &str) {
        let text = parse(input).unwrap_err().to_string();
        assert!(text.contains("https://yourcompany.api.kandji.io"), "{text}");
        assert!(!text.contains("5ec2e700") && !text.contains("secretword"), "{text}");
    }

    #[rstest]
    #[case("127.0.0.1:8081", "http://127.0.0.1:8081", "http://127.0.0.1:8081/")]
    #[case("127.0.0.1:8081", "http://127.0.0.1:8081/api/v1/", "http://127.0.0.1:8081/")]
    #[case("127.0.0.1:8081", "127.0.0.1:8081", "http://127.0.0.1:8081/")]
    #[case("localhost:8081", "http://localhost:8081/kandji/api/v1", "http://localhost:8081/kandji/")]
    #[case("gate.example.com:443", "https://gate.example.com", "https://gate.example.com/")]
    #[case("gate.example.com:443", "gate.example.com", "https://gate.example.com/")]
    #[case("gate.example.com:8443", "http://gate.example.com:8443/", "https://gate.example.com:8443/")]
    #[case("acme.kandji.io:443", "https://acme.kandji.io/x?y=1", "https://acme.kandji.io/x/")]
    fn hosts_the_operator_allowed_are_kept(#[case] allowed: &str, #[case] input: &str, #[case] expected: &str) {
        let host = KandjiHost::parse(input, &allowed.parse().unwrap()).unwrap();
        assert_eq!(host.api_url().as_str(), expected);
        assert_eq!(host.to_string(), expected.trim_end_matches('/'));
    }

    #[test]
    fn one_customer_has_one_key() {
        let key = |input| parse(input).unwrap().customer_key();
        assert_eq!(key("acme"), key("https://ACME.api.iru.com/api/v1"));
        assert_eq!(key("https://acme.eu.kandji.io"), key("https://acme.api.eu.iru.com"));
        assert_ne!(key("acme"), key("https://acme.eu.kandji.io"));
        assert_ne!(key("acme"), key("other"));
    }
}
