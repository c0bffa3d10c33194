//! One attempt: send, read, classify. By status only.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use jiff::Timestamp;
use reqwest::Response;
use url::Url;

use crate::fault;
use crate::redact::Redactor;
use crate::target::Target;
use crate::{Answer, Effect, ErrorKind, HttpSettings, Permit, RateSignal, SendError, text};

/// Enough of an error's body for its message.
const MOST_OF_AN_ERROR: usize = 64 * 1024;

/// Sends one request once. The error's message is not yet redacted, and its target not yet set.
pub(crate) async fn attempt(
    http: &reqwest::Client,
    request: reqwest::Request,
    settings: &HttpSettings,
    permit: &dyn Permit,
    target: &Target,
    redactor: &Redactor,
) -> Result<Answer, SendError> {
    let mut response = http.execute(request).await.map_err(fault::transport)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let signal = RateSignal::read(status, &headers, Timestamp::now());
    permit.observe(&signal);

    if (200..300).contains(&status) {
        let body = whole_body(&mut response, settings.max_body_bytes)
            .await
            .map_err(|error| SendError { status: Some(status), ..error })?;
        let body = text::without_nul(body);
        return Ok(Answer { status, headers, body, target: target.clone(), redactor: redactor.clone() });
    }

    let (kind, effect) = classify(status);
    let message = match kind {
        ErrorKind::Redirect => redirect_message(&headers, response.url()),
        // Cleaned before it is cut short, so that no half of a token is left at the cut.
        _ => text::said(redactor.clean(&String::from_utf8_lossy(&start_of_body(&mut response).await)).as_bytes()),
    };
    Err(SendError { status: Some(status), retry_after: signal.retry_after, ..SendError::new(kind, effect, message) })
}

/// What a status that is not 2xx means (kandji-api 2.3 and 2.4, asset-panda-pro-api 6).
fn classify(status: u16) -> (ErrorKind, Effect) {
    match status {
        300..400 => (ErrorKind::Redirect, Effect::Unclear),
        401 => (ErrorKind::Unauthorized, Effect::NotApplied),
        403 => (ErrorKind::Forbidden, Effect::NotApplied),
        404 | 410 => (ErrorKind::NotFound, Effect::NotApplied),
        408 => (ErrorKind::Timeout, Effect::NotApplied),
        429 => (ErrorKind::RateLimited, Effect::NotApplied),
        400..500 => (ErrorKind::Refused, Effect::NotApplied),
        _ => (ErrorKind::ServerError, Effect::Unclear),
    }
}

/// The whole body, or an error as soon as it is seen to be larger than allowed.
async fn whole_body(response: &mut Response, most: usize) -> Result<Bytes, SendError> {
    let too_large = || {
        let message = format!("more than the {most} bytes that are read at most");
        SendError::new(ErrorKind::BodyTooLarge, Effect::Unclear, message)
    };
    // The length that is told is a hint: a server may lie, and for a compressed body none is told.
    let told = response.content_length().unwrap_or(0);
    if told > most as u64 {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(usize::try_from(told).unwrap_or(0).min(1024 * 1024));
    while let Some(chunk) = response.chunk().await.map_err(fault::transport)? {
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What can be had of an error's body. The status decides, so a failure while reading changes nothing.
async fn start_of_body(response: &mut Response) -> BytesMut {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MOST_OF_AN_ERROR - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MOST_OF_AN_ERROR {
            break;
        }
    }
    body
}

/// Names the host only: a redirect's path and query can carry anything.
fn redirect_message(headers: &HeaderMap, from: &Url) -> String {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    match location.and_then(|location| from.join(location).ok()) {
        Some(to) => format!("it points to {}://{}", to.scheme(), to.host_str().unwrap_or("?")),
        None => "it does not say where to".to_owned(),
    }
}
