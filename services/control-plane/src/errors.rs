//! What a call may answer instead of its result, and the one place that turns it into a gRPC status.

use std::time::Duration;

use pandaport_access::{Refused, Role};
use pandaport_outbound::{ErrorKind, SendError};
use pandaport_queue::QueueError;
use pandaport_store::{Conflict, StoreError};
use pandaport_upstream::OpenError;
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, FieldViolation, RetryInfo, StatusExt as _};

use crate::reason;
use crate::validate::Violation;

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: &str = "pandaport";

/// How long a caller should wait before it asks again when the database is busy or out.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// The same when this server is.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How many bytes the violations of a call may take: they go in a header, of which many clients take 8 KiB at most, and
/// which is a third longer than what it holds.
const MAX_VIOLATIONS: usize = 5_000;
/// The same when an outside API is out and did not say.
const API_PAUSE: Duration = Duration::from_secs(10);

/// Why a call has no result. Each kind says what its caller may do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The request can never be right as it is.
    #[error("the request has {} violations", .0.len())]
    Invalid(Vec<Violation>),
    /// No such thing for this tenant.
    #[error("there is no {what} {id}")]
    NotFound { what: &'static str, id: String },
    /// Something with this name is there already.
    #[error("{message}")]
    Exists { reason: &'static str, message: String },
    /// No such collection, which a mapping names.
    #[error("there is no collection {0}")]
    NoCollection(String),
    /// A connection with mappings stays where it leads; these fields would change that.
    #[error("{message}")]
    ConnectionInUse { message: String, fields: Vec<&'static str> },
    /// The state does not allow it now.
    #[error("{message}")]
    Precondition { reason: &'static str, message: String },
    /// It changed since it was read.
    #[error("{message}")]
    Moved { reason: &'static str, message: String },
    /// Kandji did not answer as it should, and nothing is stored that could do instead.
    #[error("Kandji: {0}")]
    Kandji(SendError),
    /// Asset Panda did not answer as it should.
    #[error("Asset Panda: {0}")]
    AssetPanda(SendError),
    /// The database did not.
    #[error(transparent)]
    Store(StoreError),
    /// Another call with the same `request_id` was faster: its answer is this one's.
    #[error("another call with this request_id was faster")]
    Repeated,
    /// Who calls is not known, or has no role.
    #[error(transparent)]
    NotLetIn(Refused),
    /// Who calls is known, and its role does not allow this.
    #[error("the role {has} does not allow this: {needs} is needed")]
    RoleTooLow { has: Role, needs: Role },
    /// Too many calls are at work, or too many syncs watched.
    #[error("too many calls are at work")]
    Busy,
    /// The time that the caller gave is over. Nothing was changed, or all of it.
    #[error("the time that the caller gave is over")]
    DeadlinePassed,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// A mistake in this program.
    #[error("{0}")]
    Internal(String),
}

/// What a function on the way of a call answers with.
pub(crate) type Result<T, E = CallError> = std::result::Result<T, E>;

impl From<Vec<Violation>> for CallError {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Invalid(violations)
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, id } => Self::NotFound { what, id },
            StoreError::Conflict { what, message } => {
                let message = message.into_owned();
                match what {
                    Conflict::CollectionAlreadyMapped => {
                        Self::Exists { reason: reason::COLLECTION_ALREADY_MAPPED, message }
                    }
                    Conflict::VersionMoved => Self::Moved { reason: reason::ETAG_MISMATCH, message },
                    Conflict::ConnectionInUse => Self::ConnectionInUse { message, fields: Vec::new() },
                    Conflict::AlreadyExists => Self::Exists { reason: "", message },
                    Conflict::SyncActive => Self::Precondition { reason: reason::SYNC_ACTIVE, message },
                }
            }
            other => Self::Store(other),
        }
    }
}

impl From<QueueError> for CallError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Store(error) => error.into(),
            QueueError::Queue(message) => Self::Internal(message),
        }
    }
}

impl From<OpenError> for CallError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::ModuleNotChosen => {
                Self::Precondition { reason: reason::MODULE_NOT_CHOSEN, message: error.to_string() }
            }
            OpenError::Kandji(_) | OpenError::AssetPanda(_) => {
                Self::Precondition { reason: reason::HOST_NOT_ALLOWED, message: error.to_string() }
            }
        }
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(violations) => invalid(violations),
            CallError::NotFound { what, id } => Status::not_found(format!("There is no {what} {id}.")),
            CallError::NoCollection(id) => {
                let message = format!("The module has no collection {id}, or it is not active: see ListCollections.");
                let field = FieldViolation::new("mapping.collection_id", message.clone());
                Status::with_error_details_vec(Code::NotFound, message, [BadRequest::new([field]).into()])
            }
            CallError::ConnectionInUse { message, fields } => in_use(message, fields),
            CallError::Exists { reason, message } => with_reason(Code::AlreadyExists, reason, message),
            CallError::Precondition { reason, message } => with_reason(Code::FailedPrecondition, reason, message),
            CallError::Moved { reason, message } => with_reason(Code::Aborted, reason, message),
            CallError::Kandji(error) => of_api("Kandji", &error),
            CallError::AssetPanda(error) => of_api("Asset Panda", &error),
            CallError::Store(error) => of_store(&error),
            CallError::Repeated => {
                retry_later(Code::Unavailable, "", "The same call is under way: repeat it.".to_owned(), DATABASE_PAUSE)
            }
            CallError::Busy => retry_later(
                Code::ResourceExhausted,
                reason::TOO_MANY_CALLS,
                "This server is at work on as many calls as it takes at once: repeat the call in a moment.".to_owned(),
                BUSY_PAUSE,
            ),
            CallError::DeadlinePassed => Status::deadline_exceeded(
                "The call was not done in the time that was given for it (grpc-timeout); give it more, and repeat it with \
                 the same request_id.",
            ),
            CallError::Stopping => retry_later(
                Code::Unavailable,
                "",
                "The server is stopping: call again, another one will answer.".to_owned(),
                DATABASE_PAUSE,
            ),
            CallError::NotLetIn(refused) => not_let_in(&refused),
            CallError::RoleTooLow { has, needs } => with_reason(
                Code::PermissionDenied,
                reason::ROLE_MISSING,
                format!("Your role is {has}, and this needs {needs}: ask the operator for it."),
            ),
            CallError::Internal(message) => {
                tracing::error!(%message, "a call failed on a mistake in this program");
                Status::internal("This is a mistake in the server; its log says more.")
            }
        }
    }
}

fn not_let_in(refused: &Refused) -> Status {
    let message = refused.to_string();
    match refused {
        Refused::NothingShown(_) => with_reason(Code::Unauthenticated, reason::CREDENTIALS_MISSING, message),
        Refused::NotProven(_) => with_reason(Code::Unauthenticated, reason::CREDENTIALS_REFUSED, message),
        Refused::KeysAway => retry_later(Code::Unavailable, "", message, API_PAUSE),
        Refused::NoRole(_) => with_reason(Code::PermissionDenied, reason::ROLE_MISSING, message),
    }
}

fn invalid(violations: Vec<Violation>) -> Status {
    let code = if violations.iter().all(|it| it.unimplemented) { Code::Unimplemented } else { Code::InvalidArgument };
    let plain = if code == Code::Unimplemented { reason::NOT_BUILT_YET } else { reason::INVALID_FIELD };
    let reason = violations.iter().map(|it| it.reason).find(|it| !it.is_empty()).unwrap_or(plain);
    let told = told_at_once(&violations);
    let more = violations.len() - told;
    let message = match violations.first() {
        Some(first) if violations.len() == 1 => format!("{}: {}", first.field, first.message),
        Some(first) if more == 0 => {
            format!("{}: {} ({} more in the details)", first.field, first.message, violations.len() - 1)
        }
        Some(first) => format!(
            "{}: {} ({} more in the details, and {more} that they have no room for: put these right first)",
            first.field,
            first.message,
            told - 1
        ),
        None => String::new(),
    };
    let fields = violations
        .into_iter()
        .take(told)
        .map(|it| FieldViolation { reason: it.reason.to_owned(), ..FieldViolation::new(it.field, it.message) })
        .collect::<Vec<_>>();
    let details = vec![ErrorDetail::from(BadRequest::new(fields)), info(reason)];
    Status::with_error_details_vec(code, message, details)
}

/// How many of the violations, from the first, have room in an answer. At least one.
fn told_at_once(violations: &[Violation]) -> usize {
    let mut room = MAX_VIOLATIONS;
    let fits = violations.iter().take_while(|it| {
        let length = it.field.len() + it.reason.len() + it.message.len() + 12;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    fits.count().max(1).min(violations.len())
}

fn in_use(message: String, fields: Vec<&'static str>) -> Status {
    let mut details = vec![info(reason::CONNECTION_IN_USE)];
    if !fields.is_empty() {
        let fixed = |field| FieldViolation {
            reason: reason::CONNECTION_IN_USE.to_owned(),
            ..FieldViolation::new(field, "This can't change while the connection has mappings.")
        };
        details.insert(0, BadRequest::new(fields.into_iter().map(fixed).collect::<Vec<_>>()).into());
    }
    Status::with_error_details_vec(Code::FailedPrecondition, message, details)
}

fn of_api(api: &'static str, error: &SendError) -> Status {
    let reason = api_reason(error);
    let message = format!("{api}: {error}");
    match error.kind {
        ErrorKind::HostNotAllowed | ErrorKind::Unauthorized | ErrorKind::Forbidden => {
            with_reason(Code::FailedPrecondition, reason, message)
        }
        ErrorKind::BudgetEmpty | ErrorKind::RateLimited => {
            retry_later(Code::ResourceExhausted, reason, message, error.retry_after.unwrap_or(API_PAUSE))
        }
        ErrorKind::Refused | ErrorKind::NotFound => with_reason(Code::FailedPrecondition, reason, message),
        _ => retry_later(Code::Unavailable, reason, message, error.retry_after.unwrap_or(API_PAUSE)),
    }
}

/// The reason of the contract's list that stands for an error of an outside API.
pub(crate) fn api_reason(error: &SendError) -> &'static str {
    match error.kind {
        ErrorKind::HostNotAllowed => reason::HOST_NOT_ALLOWED,
        ErrorKind::Unauthorized => reason::TOKEN_REFUSED,
        ErrorKind::Forbidden => reason::PERMISSION_MISSING,
        ErrorKind::BudgetEmpty | ErrorKind::RateLimited => reason::RATE_LIMITED,
        ErrorKind::Tls => reason::TLS_FAILED,
        ErrorKind::NotJson | ErrorKind::Redirect | ErrorKind::NotFound => reason::NOT_AN_API,
        ErrorKind::Unreadable | ErrorKind::BodyTooLarge => reason::NOT_AN_API,
        ErrorKind::Dns
        | ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::ConnectionLost
        | ErrorKind::ServerError => reason::HOST_UNREACHABLE,
        ErrorKind::DeadlinePassed | ErrorKind::Unavailable | ErrorKind::Refused => "",
    }
}

fn of_store(error: &StoreError) -> Status {
    if error.is_unavailable() {
        tracing::warn!(%error, "the database did not answer a call");
        let message = if error.is_disk_full() {
            "The database's disk is full: make room, then repeat the call."
        } else {
            "The database does not answer now: repeat the call."
        };
        return retry_later(Code::Unavailable, "", message.to_owned(), DATABASE_PAUSE);
    }
    tracing::error!(%error, "the database failed a call");
    match error {
        StoreError::Key(_) => Status::failed_precondition(
            "The server's encryption key does not open this connection's secrets: see its log, or enter them again.",
        ),
        _ => Status::internal("The database failed this call; the server's log says more."),
    }
}

fn with_reason(code: Code, reason: &str, message: String) -> Status {
    if reason.is_empty() {
        return Status::new(code, message);
    }
    Status::with_error_details_vec(code, message, [info(reason)])
}

fn retry_later(code: Code, reason: &str, message: String, after: Duration) -> Status {
    let mut details = vec![ErrorDetail::from(RetryInfo::new(Some(after)))];
    if !reason.is_empty() {
        details.insert(0, info(reason));
    }
    Status::with_error_details_vec(code, message, details)
}

fn info(reason: &str) -> ErrorDetail {
    ErrorDetail::from(ErrorInfo::new(reason, DOMAIN, []))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_outbound::Effect;

    use super::*;

    fn violation(field: &str, reason: &'static str, unimplemented: bool) -> Violation {
        Violation { field: field.into(), reason, message: "It is wrong.".into(), unimplemented }
    }

    #[test]
    fn all_violations_come_at_once_with_path_and_reason() {
        let status = Status::from(CallError::Invalid(vec![
            violation("mapping.display_name", "", false),
            violation("mapping.fields[3].column_id", "COLUMN_UNKNOWN", false),
            violation("mapping.filter", "", true),
        ]));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "mapping.display_name: It is wrong. (2 more in the details)");
        let fields: Vec<_> = status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .into_iter()
            .map(|it| (it.field, it.reason))
            .collect();
        assert_eq!(
            fields,
            [
                ("mapping.display_name".to_owned(), String::new()),
                ("mapping.fields[3].column_id".to_owned(), "COLUMN_UNKNOWN".to_owned()),
                ("mapping.filter".to_owned(), String::new()),
            ]
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("COLUMN_UNKNOWN", "pandaport"));
    }

    #[test]
    fn more_violations_than_a_header_holds_are_counted() {
        let many = (0..1_000).map(|at| violation(&format!("mapping.filter.tags_any[{at}]"), "", false)).collect();
        let status = Status::from(CallError::Invalid(many));
        let told = status.get_details_bad_request().unwrap().field_violations.len();
        assert!((50..200).contains(&told), "{told}");
        assert!(status.details().len() < 6_000, "{}", status.details().len());
        assert!(status.message().contains(&format!("and {} that they have no room for", 1_000 - told)), "{status}");
    }

    #[test]
    fn only_rules_that_are_not_built_are_unimplemented() {
        let status = Status::from(CallError::Invalid(vec![violation("mapping.brake", "", true)]));
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "mapping.brake");
        assert_eq!(status.get_details_error_info().unwrap().reason, "NOT_BUILT_YET");
        let mixed = vec![violation("mapping.brake", "", true), violation("mapping.display_name", "", false)];
        let status = Status::from(CallError::Invalid(mixed));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_FIELD");
    }

    #[test]
    fn an_outside_api_is_told_apart_by_what_the_caller_can_do() {
        use ErrorKind::*;
        for (kind, code, reason) in [
            (Unauthorized, Code::FailedPrecondition, "TOKEN_REFUSED"),
            (Forbidden, Code::FailedPrecondition, "PERMISSION_MISSING"),
            (RateLimited, Code::ResourceExhausted, "RATE_LIMITED"),
            (BudgetEmpty, Code::ResourceExhausted, "RATE_LIMITED"),
            (Tls, Code::Unavailable, "TLS_FAILED"),
            (NotJson, Code::Unavailable, "NOT_AN_API"),
            (Connect, Code::Unavailable, "HOST_UNREACHABLE"),
            (ServerError, Code::Unavailable, "HOST_UNREACHABLE"),
        ] {
            let mut error = SendError::new(kind, Effect::NotApplied, "said so");
            error.retry_after = Some(Duration::from_secs(7));
            let status = Status::from(CallError::AssetPanda(error));
            assert_eq!(status.code(), code, "{kind:?}");
            assert_eq!(status.get_details_error_info().unwrap().reason, reason, "{kind:?}");
            let wait = status.get_details_retry_info().map(|it| it.retry_delay.unwrap());
            let transient = code != Code::FailedPrecondition;
            assert_eq!(wait, transient.then_some(Duration::from_secs(7)), "{kind:?}");
        }
    }

    #[test]
    fn a_database_that_is_out_is_unavailable_and_one_that_fails_tells_callers_nothing_of_its_inside() {
        let out = StoreError::Unavailable { message: "timed out at /secret/path".into(), disk_full: false };
        let status = Status::from(CallError::from(out));
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_details_retry_info().is_some());
        assert!(!status.message().contains("secret"));

        let corrupt = StoreError::corrupt("spec", "expected `,` in /secret/path");
        let status = Status::from(CallError::from(corrupt));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("secret"));
    }

    #[test]
    fn conflicts_carry_their_reason() {
        let mapped = StoreError::conflict(Conflict::CollectionAlreadyMapped, "Taken.");
        let status = Status::from(CallError::from(mapped));
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(status.get_details_error_info().unwrap().reason, "COLLECTION_ALREADY_MAPPED");
        let status = Status::from(CallError::from(StoreError::conflict(Conflict::VersionMoved, "Moved.")));
        assert_eq!(status.code(), Code::Aborted);
        let status = Status::from(CallError::from(StoreError::conflict(Conflict::ConnectionInUse, "In use.")));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.get_details_error_info().unwrap().reason, "CONNECTION_IN_USE");
        let status = Status::from(CallError::from(StoreError::conflict(Conflict::SyncActive, "Active.")));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.get_details_error_info().unwrap().reason, "SYNC_ACTIVE");
    }
}
