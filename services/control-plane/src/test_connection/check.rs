//! One check, and the list of them.

use std::future::Future;
use std::time::{Duration, Instant};

use pandaport_api::v1 as proto;
use pandaport_outbound::{Effect, ErrorKind, SendError};

use crate::convert;

/// The longest that one question may take with all its retries: a test is to end in a few seconds.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// One thing that a test looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: proto::CheckStatus,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) latency: Option<Duration>,
}

impl Check {
    pub(crate) fn passed(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, proto::CheckStatus::Passed, "", message, "")
    }

    pub(crate) fn warning(
        name: &'static str,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(name, proto::CheckStatus::Warning, reason, message, hint)
    }

    pub(crate) fn failed(
        name: &'static str,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(name, proto::CheckStatus::Failed, reason, message, hint)
    }

    pub(crate) fn skipped(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, proto::CheckStatus::Skipped, "", message, "")
    }

    fn new(
        name: &'static str,
        status: proto::CheckStatus,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { name, status, reason, message: message.into(), hint: hint.into(), latency: None }
    }

    pub(crate) fn took(self, latency: Duration) -> Self {
        Self { latency: Some(latency), ..self }
    }
}

/// Checks in the order they ran.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    pub(crate) fn push(&mut self, check: Check) {
        self.0.push(check);
    }

    pub(crate) fn append(&mut self, others: Checks) {
        self.0.extend(others.0);
    }

    /// Skips whichever of `names` has no check yet.
    pub(crate) fn skip_rest(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            if !self.0.iter().any(|check| check.name == *name) {
                self.0.push(Check::skipped(name, why));
            }
        }
    }

    pub(crate) fn first_failed(&self) -> Option<&Check> {
        self.0.iter().find(|check| check.status == proto::CheckStatus::Failed)
    }

    pub(crate) fn result(&self) -> proto::TestResult {
        if self.first_failed().is_some() {
            proto::TestResult::Failed
        } else if self.0.iter().any(|check| check.status == proto::CheckStatus::Warning) {
            proto::TestResult::PassedWithWarnings
        } else {
            proto::TestResult::Passed
        }
    }

    pub(crate) fn into_proto(self) -> Vec<proto::Check> {
        self.0
            .into_iter()
            .map(|check| proto::Check {
                name: check.name.to_owned(),
                status: check.status.into(),
                reason: check.reason.to_owned(),
                message: check.message,
                hint: check.hint,
                latency: check.latency.map(convert::duration),
            })
            .collect()
    }
}

/// Asks an API one thing, and measures how long that takes.
pub(super) async fn probe<T>(question: impl Future<Output = Result<T, SendError>>) -> (Result<T, SendError>, Duration) {
    let begun = Instant::now();
    let answer = tokio::time::timeout(LONGEST_PROBE, question).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", LONGEST_PROBE.as_secs());
        Err(SendError::new(ErrorKind::Timeout, Effect::NotApplied, message))
    });
    (answer, begun.elapsed())
}

/// What to do about a host that gives no answer of its API.
pub(super) fn hint_for(kind: ErrorKind, url_field: &str) -> String {
    match kind {
        ErrorKind::HostNotAllowed => {
            "Enter the API's own URL, or ask the operator to allow the host (PANDAPORT_ALLOWED_HOSTS).".to_owned()
        }
        ErrorKind::Dns => format!("Check {url_field} for a typing mistake, and this server's name resolution."),
        ErrorKind::Connect => {
            format!("Check {url_field}, and that this server may reach the host (firewall, proxy).")
        }
        ErrorKind::Timeout | ErrorKind::ConnectionLost => {
            "Try again; if it stays so, check the way from this server to the host (firewall, proxy).".to_owned()
        }
        ErrorKind::Tls => "Check whether a proxy on the way replaces certificates, that this server's clock is \
                           right, and that the URL names the API's own host."
            .to_owned(),
        ErrorKind::ServerError => {
            "The API itself has a problem: try again later, and look at its status page.".to_owned()
        }
        ErrorKind::RateLimited | ErrorKind::BudgetEmpty => {
            "Wait, then test again. If it stays so, another program uses up the limit.".to_owned()
        }
        _ => format!("Check {url_field}: something answers there, but not the API."),
    }
}
