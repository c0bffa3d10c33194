//! Answers of both stand-ins, and what comes instead of one.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Serialize;

use crate::faults::RetryAfter;
use crate::server::Connection;
use crate::traffic::Call;

const PAGE: &str = "<!doctype html><html lang=\"en\"><head><title>Sign in</title></head>\
    <body><h1>Sign in</h1><p>Please enable JavaScript to run this app.</p></body></html>";

/// How a call ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// The connection ends without an answer: by a close, or by a reset.
    Cut {
        reset: bool,
    },
    /// Nothing ever comes.
    Hang,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: &'static str,
    headers: HeaderMap,
    body: Bytes,
    truncated: bool,
}

impl Answer {
    /// JSON.
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::bytes(status, "application/json", body)
    }

    /// JSON that is written already.
    pub(crate) fn written(body: impl Into<Bytes>) -> Self {
        Self::bytes(200, "application/json", body)
    }

    /// The HTML page of a web host.
    pub(crate) fn page() -> Self {
        Self::bytes(200, "text/html; charset=utf-8", PAGE)
    }

    /// A server error as gateways give it: no JSON.
    pub(crate) fn gateway_error(status: u16) -> Self {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let body = format!("<html><body><h1>{status} {reason}</h1></body></html>");
        Self::bytes(status, "text/html", body)
    }

    fn bytes(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: HeaderMap::new(), body: body.into(), truncated: false }
    }

    /// With one more header; a value that cannot be one is left out.
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// With `Retry-After` in the wanted form.
    pub(crate) fn retry_after(mut self, form: RetryAfter, seconds: u64) -> Self {
        let text = match form {
            RetryAfter::None => return self,
            RetryAfter::Seconds => seconds.to_string(),
            RetryAfter::Date => http_date(seconds),
        };
        if let Ok(value) = HeaderValue::from_str(&text) {
            self.headers.insert(RETRY_AFTER, value);
        }
        self
    }

    /// With `Retry-After` as a burst switch spells it.
    pub(crate) fn retry_after_text(self, text: Option<&str>) -> Self {
        match text {
            None => self,
            Some("date") => self.retry_after(RetryAfter::Date, 3),
            Some(text) => self.header("retry-after", text),
        }
    }

    /// Breaking off in the middle of its body.
    pub(crate) fn truncated(mut self) -> Self {
        self.truncated = true;
        self
    }

    /// With only the first `bytes` of its body, as if that were all.
    pub(crate) fn cut_to(mut self, bytes: usize) -> Self {
        self.body = self.body.slice(..bytes.min(self.body.len()));
        self
    }

    /// The body, to serve it again.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn into_response(self) -> Response {
        let length = self.body.len();
        let body = if self.truncated {
            let half = self.body.slice(..length / 2);
            let first = stream::once(async { Ok(half) });
            // The pause lets the first half leave; what breaks off at once is never sent at all.
            let then = stream::once(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Err(std::io::Error::other("the sandbox was told to break off"))
            });
            Body::from_stream(first.chain(then))
        } else {
            Body::from(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

/// An HTTP date so many seconds ahead.
fn http_date(seconds: u64) -> String {
    let time = Timestamp::now() + Duration::from_secs(seconds);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}

/// Brings a call to its end.
pub(crate) async fn conclude(outcome: Outcome, connection: &Connection, call: Call<'_>) -> Response {
    match outcome {
        Outcome::Answer(answer) => {
            call.answered(answer.status);
            answer.into_response()
        }
        Outcome::Cut { reset } => {
            drop(call);
            match connection.cut(reset).await {}
        }
        Outcome::Hang => std::future::pending().await,
    }
}
