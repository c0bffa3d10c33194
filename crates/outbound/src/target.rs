//! What a call was for, in the words of errors and logs.

use std::fmt;

use http::Method;
use url::Url;

/// Method, host and path. Never the query, which can carry identifiers and cursors.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Target {
    pub(crate) fn new(method: &Method, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Self { method: method.clone(), host, path: url.path().to_owned() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)
    }
}
