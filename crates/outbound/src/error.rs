//! What can go wrong with a call, and what a caller may do about it.

use std::time::Duration;

use crate::Denied;

/// A call that brought no usable answer.
///
/// `kind` says what happened, `effect` whether the other side may have acted on it, `retry_after` when it is worth
/// trying again. No field ever holds a token, a query string or a request body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct SendError {
    /// What happened.
    pub kind: ErrorKind,
    /// Whether the other side may have acted on the call. Over all attempts of it: one unclear attempt makes it unclear.
    pub effect: Effect,
    /// The HTTP status, where one came back.
    pub status: Option<u16>,
    /// The wait that the other side, or the budget, asked for.
    pub retry_after: Option<Duration>,
    /// What was said about it: the API's own text, or the cause of the failure.
    pub message: String,
    /// Method, host and path of the call. Empty if it is not known.
    pub target: String,
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The URL is not one the token may go to.
    HostNotAllowed,
    /// The budget has no call left for now.
    BudgetEmpty,
    /// The slice of work this call belongs to is over.
    DeadlinePassed,
    /// The host name could not be resolved.
    Dns,
    /// No connection came about: refused, unreachable or not in time.
    Connect,
    /// The TLS handshake failed, or the certificate is not trusted.
    Tls,
    /// No complete answer in time.
    Timeout,
    /// The connection broke before the answer was complete.
    ConnectionLost,
    /// 429.
    RateLimited,
    /// 401, or credentials that no header can carry.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404 or 410.
    NotFound,
    /// Any other 4xx.
    Refused,
    /// 5xx.
    ServerError,
    /// A 2xx whose body is a web page or other text, not JSON: most likely the wrong URL.
    NotJson,
    /// A 2xx whose body is broken, or JSON of another shape than the contract's.
    Unreadable,
    /// A body larger than the limit.
    BodyTooLarge,
    /// 3xx. Redirects are never followed.
    Redirect,
    /// It could not be found out whether the call may leave.
    Unavailable,
}

/// Whether the other side may have acted on a call. For reads it carries no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The request never left.
    NotSent,
    /// It was refused: nothing was applied.
    NotApplied,
    /// It may have been applied.
    Unclear,
}

impl SendError {
    /// An error with no status, wait or target.
    pub fn new(kind: ErrorKind, effect: Effect, message: impl Into<String>) -> Self {
        Self { kind, effect, status: None, retry_after: None, message: message.into(), target: String::new() }
    }

    /// Whether the API as a whole seems to be out, or not to be the API: wait with growing pauses and try again.
    pub fn is_outage(&self) -> bool {
        use ErrorKind::*;
        matches!(
            self.kind,
            Dns | Connect
                | Tls
                | Timeout
                | ConnectionLost
                | ServerError
                | NotJson
                | Unreadable
                | BodyTooLarge
                | Redirect
        )
    }

    /// Whether the credentials were refused (401 or 403).
    pub fn is_credentials(&self) -> bool {
        matches!(self.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden)
    }

    pub(crate) fn denied(denied: Denied) -> Self {
        let (kind, retry_after, message) = match denied {
            Denied::BudgetEmpty { retry_after } => (ErrorKind::BudgetEmpty, Some(retry_after), String::new()),
            Denied::DeadlinePassed => (ErrorKind::DeadlinePassed, None, String::new()),
            Denied::Unavailable { message } => (ErrorKind::Unavailable, None, message),
        };
        Self { retry_after, ..Self::new(kind, Effect::NotSent, message) }
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        if !self.target.is_empty() {
            text = format!("{}: ", self.target);
        }
        text += self.kind.what();
        if let Some(status) = self.status {
            text += &format!(" (HTTP {status})");
        }
        if !self.message.is_empty() {
            text += &format!(": {}", self.message.trim_end_matches('.'));
        }
        text.push('.');
        if let Some(wait) = self.retry_after {
            text += &format!(" Try again in {} s.", wait.as_secs_f64().ceil());
        }
        if let Some(hint) = self.kind.hint() {
            text += &format!(" {hint}");
        }
        text
    }
}

impl ErrorKind {
    fn what(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "not sent",
            Self::BudgetEmpty => "no call is left in the budget",
            Self::DeadlinePassed => "not sent, because this piece of work is over",
            Self::Dns => "the host name could not be resolved",
            Self::Connect => "no connection",
            Self::Tls => "no secure connection",
            Self::Timeout => "no complete answer in time",
            Self::ConnectionLost => "the connection broke",
            Self::RateLimited => "the rate limit is reached",
            Self::Unauthorized => "the credentials were refused",
            Self::Forbidden => "permission was refused",
            Self::NotFound => "not found",
            Self::Refused => "the request was refused",
            Self::ServerError => "the API failed",
            Self::NotJson => "the answer is not JSON",
            Self::Unreadable => "the answer could not be read",
            Self::BodyTooLarge => "the answer is too large",
            Self::Redirect => "the API redirects, which is not followed",
            Self::Unavailable => "the call budget could not be asked",
        }
    }

    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Dns => "Check the host name in the connection's base URL, and this machine's DNS.",
            Self::Connect => "Check that this machine may reach that host and port (firewall, proxy).",
            Self::Tls => "Check that nothing on the way replaces the host's certificate, and this machine's clock.",
            Self::Unauthorized => "Check the token or key; a missing permission can look the same.",
            Self::Forbidden => "Give the token or key the permission for this call.",
            Self::NotJson | Self::Redirect => "Check that the base URL is the API's, not the web app's.",
            _ => return None,
        })
    }
}
