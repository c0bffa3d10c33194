//! The send loop.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;
use url::Url;

use crate::attempt::attempt;
use crate::body::AskingBody;
use crate::hosts::is_loopback;
use crate::pause::Pauses;
use crate::redact::Redactor;
use crate::resolve::SystemResolver;
use crate::target::Target;
use crate::{Answer, Effect, ErrorKind, HostPolicy, HttpSettings, Permit, SendError};

/// Shorter than the idle limit of common servers (Kandji's and Asset Panda's are not known): a connection that the
/// server is just closing would turn a create into an unclear one.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// The one way out. Cheap to clone; share one per process, so that connections are reused.
#[derive(Debug, Clone)]
pub struct Outbound {
    remote: reqwest::Client,
    /// For this machine's own ports: never through a proxy, which would see the token of a plain http call.
    loopback: reqwest::Client,
    settings: HttpSettings,
}

/// The HTTP client could not be set up, for example because the system's certificates could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct StartError(#[source] reqwest::Error);

/// One call.
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: Url,
    /// Where the headers' secrets may go.
    pub policy: &'a HostPolicy,
    /// Headers, all of them treated as secret. `Accept` and, with a body, `Content-Type` are JSON unless given here.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// The body. Never logged.
    pub body: Option<Bytes>,
    /// Whether it may be sent more than once.
    pub retry: Retry,
    /// Asked before each attempt, and again when its body is taken.
    pub permit: &'a Arc<dyn Permit>,
}

/// Whether a call may be sent more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Sending it again does no harm.
    Idempotent,
    /// One attempt, whatever happens: for creates.
    Never,
}

impl Outbound {
    /// A client with these settings.
    pub fn new(settings: HttpSettings) -> Result<Self, StartError> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(&settings.user_agent)
                .timeout(settings.timeout)
                .connect_timeout(settings.connect_timeout)
                .redirect(reqwest::redirect::Policy::none())
                // Every attempt needs a permit of its own, so none is made behind our back.
                .retry(reqwest::retry::never())
                .dns_resolver(SystemResolver)
                .pool_idle_timeout(POOL_IDLE)
                .tcp_keepalive(Duration::from_secs(30))
                .gzip(true)
        };
        Ok(Self {
            remote: builder().https_only(true).build().map_err(StartError)?,
            loopback: builder().no_proxy().build().map_err(StartError)?,
            settings,
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends a call, and again where that is allowed and may help, and returns the first 2xx.
    ///
    /// Dropping the future abandons the call; what was sent by then is unclear.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, SendError> {
        let target = Target::new(&call.method, &call.url);
        let redactor = Redactor::new(&call.headers);
        let span = tracing::info_span!(
            "http.call",
            otel.kind = "client",
            http.request.method = %target.method,
            server.address = target.host,
            url.path = target.path,
            http.response.status_code = tracing::field::Empty,
        );
        let sent = Box::pin(self.repeat(&call, &target, &redactor)).instrument(span.clone()).await;
        let status = match &sent {
            Ok(answer) => Some(answer.status),
            Err(error) => error.status,
        };
        span.record("http.response.status_code", status);
        sent.map_err(|error| SendError { target: target.to_string(), message: redactor.clean(&error.message), ..error })
    }

    async fn repeat(&self, call: &Call<'_>, target: &Target, redactor: &Redactor) -> Result<Answer, SendError> {
        call.policy
            .check(&call.url)
            .map_err(|error| SendError::new(ErrorKind::HostNotAllowed, Effect::NotSent, error.to_string()))?;
        let headers = header_map(call)?;
        let http = if is_loopback(&call.url) { &self.loopback } else { &self.remote };
        let mut pauses = Pauses::new(&self.settings, call.retry, None);
        let mut before: Option<SendError> = None;
        loop {
            if let Err(denied) = call.permit.acquire().await {
                return Err(after(before, SendError::denied(denied)));
            }
            let mut request = reqwest::Request::new(call.method.clone(), call.url.clone());
            *request.headers_mut() = headers.clone();
            let body = call.body.clone().map(|bytes| AskingBody::new(bytes, Arc::clone(call.permit)));
            *request.body_mut() = body.map(reqwest::Body::wrap);
            let error = match attempt(http, request, &self.settings, &**call.permit, target, redactor).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = pauses.after(&error);
            let error = after(before, error);
            let Some(pause) = pause else {
                return Err(error);
            };
            tracing::debug!(kind = ?error.kind, status = error.status, ?pause, "call failed, will be repeated");
            tokio::time::sleep(pause).await;
            before = Some(error);
        }
    }
}

/// An error in the light of the attempts before it: what was unclear once stays so, and its cause is kept.
fn after(before: Option<SendError>, mut error: SendError) -> SendError {
    let Some(before) = before else { return error };
    if before.effect == Effect::Unclear || error.effect == Effect::NotSent {
        error.effect = before.effect;
    }
    if error.message.is_empty() {
        error.message = format!("the attempt before failed: {}", before.message);
    }
    error
}

fn header_map(call: &Call<'_>) -> Result<HeaderMap, SendError> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(header::ACCEPT, json.clone())]);
    if call.body.is_some() {
        headers.insert(header::CONTENT_TYPE, json);
    }
    for (name, value) in &call.headers {
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
            let message = format!("the value for the header `{name}` has characters that no header can carry");
            SendError::new(ErrorKind::Unauthorized, Effect::NotSent, message)
        })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}
