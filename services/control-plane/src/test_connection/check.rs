//! One check, and the list of them.

use std::future::Future;
use std::time::{Duration, Instant};

use pandaport_api::v1 as proto;
use pandaport_outbound::{Effect, ErrorKind, SendError};
use pandaport_store::connections::ConnectionState;

use crate::{convert, reason};

/// The longest that one question may take with all its retries: a test is to end in a few seconds.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// What does not go away by itself: someone has to change the connection, or something at the other end.
const LASTING: [&str; 5] = [
    reason::TOKEN_REFUSED,
    reason::PERMISSION_MISSING,
    reason::NOT_AN_API,
    reason::HOST_NOT_ALLOWED,
    reason::TLS_FAILED,
];

/// One thing that a test looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: proto::CheckStatus,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) latency: Option<Duration>,
    /// Whether it could not be looked at for want of a call of our own budget: it says nothing of the connection.
    pub(crate) undecided: bool,
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

    /// An error of a question whose answer an import needs. If it was our own budget that kept it from being asked, that
    /// is no failure of the connection.
    pub(crate) fn failed_by(
        name: &'static str,
        reason: &'static str,
        error: &SendError,
        hint: impl Into<String>,
    ) -> Self {
        if error.kind == ErrorKind::BudgetEmpty {
            let hint = hint_for(error, "");
            return Self { undecided: true, ..Self::warning(name, reason::RATE_LIMITED, error.to_string(), hint) };
        }
        Self::failed(name, reason, error.to_string(), hint)
    }

    fn new(
        name: &'static str,
        status: proto::CheckStatus,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { name, status, reason, message: message.into(), hint: hint.into(), latency: None, undecided: false }
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

    /// Whether everything that an import needs was looked at and found good.
    pub(crate) fn passed(&self) -> bool {
        self.first_failed().is_none() && !self.0.iter().any(|check| check.undecided)
    }

    /// Why a test that did not pass makes a connection in this state FAILING; `None` leaves the state alone. A connection
    /// that worked does not fail because a host is out or asks to wait: that passes by itself, and a sync waits for it.
    pub(crate) fn reason_to_fail(&self, state: ConnectionState) -> Option<&'static str> {
        if state != ConnectionState::Verified {
            // What is only not chosen yet is no failure: the connection stays as new as it is.
            let failed = self.first_failed().map(|check| check.reason);
            return failed.filter(|reason| !reason.is_empty());
        }
        let lasting = |check: &&Check| check.status == proto::CheckStatus::Failed && LASTING.contains(&check.reason);
        self.0.iter().find(lasting).map(|check| check.reason)
    }

    pub(crate) fn result(&self) -> proto::TestResult {
        if !self.passed() {
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
pub(super) async fn probe<T>(
    host: &str,
    question: impl Future<Output = Result<T, SendError>>,
) -> (Result<T, SendError>, Duration) {
    within(LONGEST_PROBE, host, question).await
}

async fn within<T>(
    most: Duration,
    host: &str,
    question: impl Future<Output = Result<T, SendError>>,
) -> (Result<T, SendError>, Duration) {
    let begun = Instant::now();
    let answer = tokio::time::timeout(most, question).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", most.as_secs_f64());
        let error = SendError::new(ErrorKind::Timeout, Effect::NotApplied, message);
        Err(SendError { target: host.to_owned(), ..error })
    });
    (answer, begun.elapsed())
}

/// The host of a URL, with its port if it has one.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// What to do about a host that gives no answer of its API.
pub(super) fn hint_for(error: &SendError, url_field: &str) -> String {
    match error.kind {
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
        ErrorKind::BudgetEmpty => {
            let wait = error.retry_after.map_or(60, |wait| wait.as_secs_f64().ceil().max(1.0) as u64);
            format!("Syncs of yours use the calls that are allowed now; try again in {wait} s.")
        }
        ErrorKind::RateLimited => {
            "Wait, then test again. If it stays so, another program uses up the limit.".to_owned()
        }
        _ => format!("Check {url_field}: something answers there, but not the API."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(of: impl IntoIterator<Item = Check>) -> Checks {
        Checks(of.into_iter().collect())
    }

    #[test]
    fn only_what_lasts_takes_verified_from_a_connection() {
        for (reason, lasts) in [
            (reason::TOKEN_REFUSED, true),
            (reason::PERMISSION_MISSING, true),
            (reason::NOT_AN_API, true),
            (reason::HOST_NOT_ALLOWED, true),
            (reason::TLS_FAILED, true),
            (reason::RATE_LIMITED, false),
            (reason::HOST_UNREACHABLE, false),
        ] {
            let failed = checks([Check::failed("a", reason, "It failed.", "")]);
            assert_eq!(failed.reason_to_fail(ConnectionState::Verified), lasts.then_some(reason), "{reason}");
            assert_eq!(failed.reason_to_fail(ConnectionState::Unverified), Some(reason), "{reason}");
        }
        let out = Check::failed("a", reason::HOST_UNREACHABLE, "It is out.", "");
        let refused = Check::failed("b", reason::TOKEN_REFUSED, "It was refused.", "");
        let both = checks([out, refused]);
        assert_eq!(both.reason_to_fail(ConnectionState::Verified), Some(reason::TOKEN_REFUSED));
    }

    #[test]
    fn an_empty_budget_of_ours_neither_passes_a_test_nor_fails_the_connection() {
        let mut error = SendError::new(ErrorKind::BudgetEmpty, Effect::NotSent, "");
        error.retry_after = Some(Duration::from_millis(41_200));
        let check = Check::failed_by("a", reason::RATE_LIMITED, &error, "");
        assert_eq!(check.status, proto::CheckStatus::Warning);
        assert_eq!(check.hint, "Syncs of yours use the calls that are allowed now; try again in 42 s.");
        let checks = checks([check]);
        assert!(!checks.passed());
        assert_eq!(checks.result(), proto::TestResult::Failed);
        for state in [ConnectionState::Unverified, ConnectionState::Verified, ConnectionState::Failing] {
            assert_eq!(checks.reason_to_fail(state), None);
        }
    }

    #[tokio::test]
    async fn a_host_that_does_not_answer_is_named() {
        let never = std::future::pending::<Result<(), SendError>>();
        let (answer, _) = within(Duration::from_millis(1), "yourcompany.api.kandji.io", never).await;
        let said = answer.map_err(|error| error.to_string());
        assert_eq!(
            said,
            Err("yourcompany.api.kandji.io: no complete answer in time: no answer within 0.001 s.".to_owned())
        );
    }
}
