//! A 2xx answer, whole.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::de::DeserializeOwned;

use crate::redact::Redactor;
use crate::target::Target;
use crate::{Effect, ErrorKind, SendError, text};

/// A 2xx answer with its whole body, decompressed.
#[derive(Clone)]
pub struct Answer {
    /// The status, 200 to 299.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    pub(crate) target: Target,
    pub(crate) redactor: Redactor,
}

/// Without the body, which holds people's data.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("target", &self.target.to_string())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// A web page is [`ErrorKind::NotJson`]; broken JSON, or JSON of another shape, [`ErrorKind::Unreadable`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, SendError> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_json(&error))
    }

    /// The error for a body that is not the JSON it should be: tells a web page from broken or unexpected JSON.
    pub fn not_json(&self, error: &serde_json::Error) -> SendError {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if text::is_html(content_type, &self.body) {
            let page = text::excerpt(self.redactor.clean(&String::from_utf8_lossy(self.start())).as_bytes());
            return self.error(ErrorKind::NotJson, &format!("a web page came back: {page}"));
        }
        if self.body.trim_ascii().is_empty() {
            return self.unreadable("the body is empty");
        }
        self.unreadable(&error.to_string())
    }

    /// The error for a 2xx whose body is not what the contract says, for reasons the caller found.
    pub fn unreadable(&self, reason: &str) -> SendError {
        self.error(ErrorKind::Unreadable, reason)
    }

    fn error(&self, kind: ErrorKind, message: &str) -> SendError {
        // A read that cannot be read has done nothing; a write that answers 2xx most likely has.
        let effect = match self.target.method {
            Method::GET => Effect::NotApplied,
            _ => Effect::Unclear,
        };
        SendError {
            status: Some(self.status),
            target: self.target.to_string(),
            ..SendError::new(kind, effect, text::tidy(&self.redactor.clean(message)))
        }
    }

    fn start(&self) -> &[u8] {
        &self.body[..self.body.len().min(16 * 1024)]
    }
}
