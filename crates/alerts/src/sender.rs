//! One alert, signed and sent once.

use std::sync::Arc;
use std::time::Duration;

use pandaport_outbound::{
    AllowedHosts, Bytes, Call, ErrorKind, HeaderName, Method, Outbound, Permit, Retry, SendError, Unlimited,
};
use pandaport_store::{AlertId, Micros};
use secrecy::{ExposeSecret as _, SecretString};

use crate::destination::{Destination, DestinationError, policy};
use crate::signature::signature;

const ALERT_ID: HeaderName = HeaderName::from_static("pandaport-alert-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("pandaport-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("pandaport-signature");

/// Sends alerts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    http: Outbound,
    allowed: AllowedHosts,
}

/// The receiver has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The status it answered with, 200 to 299.
    pub status: u16,
}

/// The receiver does not have it, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// A reason of the contract's list.
    pub reason: &'static str,
    /// What happened, in a sentence.
    pub message: String,
    /// What to do about it, in a sentence.
    pub hint: &'static str,
    /// The status that came back, if one did.
    pub status: Option<u16>,
    /// The pause that the receiver asked for.
    pub retry_after: Option<Duration>,
}

impl Undelivered {
    /// Whether it is this alert that the receiver will not take, and not that the receiver is out or asks to wait: others
    /// may fare better.
    pub(crate) fn is_of_this_alert(&self) -> bool {
        self.status
            .is_some_and(|status| (400..500).contains(&status) && !matches!(status, 401 | 403 | 404 | 408 | 410 | 429))
    }
}

impl Sender {
    /// A sender that reaches the hosts of `allowed` over `http`.
    #[must_use]
    pub fn new(http: Outbound, allowed: AllowedHosts) -> Self {
        Self { http, allowed }
    }

    /// The longest that [`Sender::send`] takes.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.http.settings().timeout
    }

    /// Signs an alert with the time `now` and sends it, once. The host is checked again each time: the operator may have
    /// taken its leave back.
    ///
    /// # Errors
    /// [`Undelivered`]: it may have arrived all the same.
    pub async fn send(
        &self,
        url: &str,
        secret: &SecretString,
        alert_id: AlertId,
        body: &str,
        now: Micros,
    ) -> Result<Delivered, Undelivered> {
        let destination = Destination::parse(url, &self.allowed).map_err(|error| not_allowed(&error))?;
        let timestamp = now.timestamp().as_second();
        let headers = vec![
            (ALERT_ID, SecretString::from(alert_id.to_string())),
            (TIMESTAMP, SecretString::from(timestamp.to_string())),
            (SIGNATURE, SecretString::from(signature(secret, timestamp, body))),
        ];
        let unlimited: Arc<dyn Permit> = Arc::new(Unlimited);
        let call = Call {
            method: Method::POST,
            url: destination.as_url().clone(),
            policy: &policy(&self.allowed),
            headers,
            body: Some(Bytes::from(body.to_owned())),
            retry: Retry::Never,
            permit: &unlimited,
        };
        match self.http.send(call).await {
            Ok(answer) => Ok(Delivered { status: answer.status }),
            Err(error) => match error.status {
                // It said 2xx; that its answer could not be read to its end does not matter.
                Some(status @ 200..300) => Ok(Delivered { status }),
                _ => Err(undelivered(&error, secret)),
            },
        }
    }
}

fn not_allowed(error: &DestinationError) -> Undelivered {
    Undelivered {
        reason: "HOST_NOT_ALLOWED",
        message: format!("{error}."),
        hint: "Configure another URL, or have the operator allow this host by PANDAPORT_ALLOWED_HOSTS.",
        status: None,
        retry_after: None,
    }
}

fn undelivered(error: &SendError, secret: &SecretString) -> Undelivered {
    let (reason, what, hint) = match (error.kind, error.status) {
        (ErrorKind::HostNotAllowed, _) => (
            "HOST_NOT_ALLOWED",
            "The host may not be called".to_owned(),
            "Have the operator allow this host by PANDAPORT_ALLOWED_HOSTS.",
        ),
        (ErrorKind::Redirect, Some(status)) => (
            "ALERT_REFUSED",
            format!("The receiver answered {status}, a redirect, which is not followed"),
            "Configure the URL that it leads to.",
        ),
        (_, Some(status @ (401 | 403))) => (
            "ALERT_REFUSED",
            format!("The receiver answered {status}"),
            "Check that the receiver has the same secret, that its clock is right, and that it needs no login.",
        ),
        (_, Some(status @ (404 | 405 | 410))) => (
            "ALERT_REFUSED",
            format!("The receiver answered {status}"),
            "Check the path of the URL: nothing takes a POST there.",
        ),
        (_, Some(status)) => {
            ("ALERT_REFUSED", format!("The receiver answered {status}"), "The receiver's own log says why.")
        }
        (ErrorKind::Tls, None) => (
            "TLS_FAILED",
            "No secure connection came about".to_owned(),
            "Check the receiver's certificate, whether a proxy replaces it, and this server's clock.",
        ),
        (ErrorKind::Dns, None) => (
            "HOST_UNREACHABLE",
            "The host's name could not be resolved".to_owned(),
            "Check the URL for a typing mistake, and this server's name resolution.",
        ),
        (ErrorKind::Timeout, None) => (
            "HOST_UNREACHABLE",
            "No answer came in time".to_owned(),
            "The receiver should answer at once and work afterwards; it may have taken the alert.",
        ),
        _ => (
            "HOST_UNREACHABLE",
            "No connection came about, or it broke".to_owned(),
            "Check that the receiver runs, and that this server may reach it (firewall, proxy).",
        ),
    };
    // A receiver may repeat what it knows, in whatever it says.
    let said = error.message.replace(secret.expose_secret(), "[redacted]");
    let said = said.trim_end_matches('.');
    let message = if said.is_empty() { format!("{what}.") } else { format!("{what}: {said}.") };
    Undelivered { reason, message, hint, status: error.status, retry_after: error.retry_after }
}
