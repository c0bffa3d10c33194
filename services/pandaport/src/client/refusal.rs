//! What a control plane answers when it can't do what it was asked: the message, each violation with its path, the
//! reason, and a way out.

use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::show::text::clean;
use crate::show::time::length;

/// A call that was refused, or that reached nobody.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    message: String,
    reason: String,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    endpoint: String,
    /// Nothing that speaks gRPC answered.
    unreached: bool,
}

#[derive(Debug)]
struct Violation {
    field: String,
    reason: String,
    message: String,
}

impl Refusal {
    /// Reads a status with its details. `endpoint` is where the call went.
    #[must_use]
    pub fn new(endpoint: &str, status: &Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map_or_else(Vec::new, |it| {
            it.field_violations
                .iter()
                .map(|it| Violation {
                    field: it.field.clone(),
                    reason: it.reason.clone(),
                    message: it.description.clone(),
                })
                .collect()
        });
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: details.error_info().map(|it| it.reason.clone()).unwrap_or_default(),
            violations,
            retry_after: details.retry_info().and_then(|it| it.retry_delay),
            endpoint: endpoint.to_owned(),
            unreached: is_transport(status),
        }
    }

    /// Nobody answered at the endpoint.
    #[must_use]
    pub fn unreached(endpoint: &str, cause: &dyn std::error::Error) -> Self {
        Self {
            code: Code::Unavailable,
            message: innermost(cause),
            reason: String::new(),
            violations: Vec::new(),
            retry_after: None,
            endpoint: endpoint.to_owned(),
            unreached: true,
        }
    }

    /// The status code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What to do, where that is known.
    fn way_out(&self) -> Option<String> {
        if self.unreached {
            return Some(unreached_hint(&self.message).to_owned());
        }
        let reasons = self.violations.iter().map(|it| it.reason.as_str()).chain([self.reason.as_str()]);
        if let Some(hint) = reasons.filter_map(by_reason).next() {
            return Some(hint.to_owned());
        }
        if let Some(wait) = self.retry_after {
            return Some(format!("Try again in {}.", length(wait)));
        }
        let hint = match self.code {
            Code::NotFound => "The `list` commands show what there is.",
            Code::Unauthenticated => "Give a token with --token-file, or a certificate with --client-cert.",
            Code::PermissionDenied => "The caller's role does not allow it: ask the operator.",
            Code::Unavailable => "Try again in a moment.",
            Code::Unimplemented => "This version can't do that yet; leave it out, or use a newer control plane.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unreached {
            write!(f, "no control plane answers at {}: {}", clean(&self.endpoint), clean(&self.message))?;
        } else {
            // A message that only repeats the first violation has said enough there.
            let repeats = self.violations.first().is_some_and(|it| self.message.contains(&it.message));
            let message = match self.message.as_str() {
                "" => self.code.description(),
                _ if repeats => "the request was refused",
                message => message,
            };
            let name = if self.reason.is_empty() { canonical(self.code) } else { clean(&self.reason).into_owned() };
            write!(f, "{} ({name})", clean(message))?;
        }
        for it in &self.violations {
            write!(f, "\n  {}: {}", clean(&it.field), clean(&it.message))?;
            if !it.reason.is_empty() {
                write!(f, " ({})", clean(&it.reason))?;
            }
        }
        if let Some(way_out) = self.way_out() {
            write!(f, "\n→ {way_out}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The way out of each reason that has one worth saying beside the message.
fn by_reason(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "CREDENTIALS_MISSING" => {
            "Give a token with --token-file, or a certificate with --client-cert and --client-key, as the message says."
        }
        "CREDENTIALS_REFUSED" => "Get a new token, or certificate, from whoever issued this one.",
        "ROLE_MISSING" => "The operator gives roles, by the policy file or by claims of the token: docs/security.md.",
        "HOST_NOT_ALLOWED" => {
            "If the host is yours, add it as host:port to PANDAPORT_ALLOWED_HOSTS of the control plane and the worker."
        }
        "CONNECTION_NOT_VERIFIED" => "Run `pandaport connections test` with its id first.",
        "IDENTIFIER_UNFIT" => "`pandaport fields list` shows which fields can identify a device.",
        "COLUMN_UNKNOWN" | "COLUMN_NOT_UNIQUE" | "COLUMN_REFERENCED" | "TYPE_MISMATCH" => {
            "`pandaport columns list` shows the collection's columns as they are now."
        }
        "COLUMN_REPEATED" => "Leave out all but one of the pairs that name the column.",
        "CONNECTION_IN_USE" => "`pandaport mappings list --connection` with its id shows its mappings.",
        "ETAG_MISMATCH" => "Read it again, and repeat the command with the etag that it has now.",
        "COLLECTION_ALREADY_MAPPED" => "`pandaport mappings list` shows the mapping that has it.",
        "SYNC_ACTIVE_OTHER_MODE" => "Wait for the active sync (`pandaport syncs list`), or cancel it.",
        "SYNC_ACTIVE" => "Wait for the active sync (`pandaport syncs watch`), or cancel it.",
        "HELD_MOVED" => "`pandaport mappings approve` without --digest shows what is held now.",
        "PLAN_MOVED" => "Make a new plan: `pandaport syncs trigger --dry-run`, then `pandaport syncs records`.",
        "REQUEST_ID_REUSED" => "Use a new --request-id for another request.",
        "TOKEN_REFUSED" | "PERMISSION_MISSING" => {
            "`pandaport connections test` says which end refuses; `connections configure` takes new credentials."
        }
        _ => return None,
    })
}

/// What to look at when nobody answered, by what the connection died of.
fn unreached_hint(message: &str) -> &'static str {
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if says(&["UnknownIssuer", "unknown CA", "UnknownCA"]) {
        return "The certificate is of another authority: --ca names the one to trust for the server; --client-cert must be of \
                the server's client authority.";
    }
    if says(&["NotValidForName"]) {
        return "The server's certificate is for other names: write one of them in --endpoint.";
    }
    if says(&["Expired", "NotValidYet"]) {
        return "A certificate is not valid at this time: renew it, or set the clock of this machine.";
    }
    if says(&["certificate", "InvalidContentType", "corrupt message", "tls", "Tls", "TLS"]) {
        return "TLS failed: is it an https endpoint, and are --ca, --client-cert and --client-key the right files?";
    }
    "Is it running? `pandaport up` starts one; --endpoint names another, with https:// where it encrypts."
}

/// A code by its name in the contract: `INVALID_ARGUMENT`.
fn canonical(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// Whether the status was made on this side because nothing that speaks gRPC answered.
fn is_transport(status: &Status) -> bool {
    status.code() == Code::Unavailable && std::error::Error::source(status).is_some()
}

/// The deepest cause, which says what happened: `Connection refused`.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn a_refusal_lists_every_violation_and_a_way_out() {
        let violation = |field: &str, reason: &str, description: &str| FieldViolation {
            reason: reason.to_owned(),
            ..FieldViolation::new(field, description)
        };
        let details = ErrorDetails::with_bad_request([
            violation("mapping.identifier.source_field", "IDENTIFIER_UNFIT", "Model is shared by many devices."),
            violation("mapping.fields[3].column_id", "COLUMN_UNKNOWN", "The collection has no column 01HW_9."),
        ]);
        let status =
            Status::with_error_details(Code::InvalidArgument, "the mapping can't be created as it is", details);
        insta::assert_snapshot!(Refusal::new("http://127.0.0.1:50051", &status), @r#"
        the mapping can't be created as it is (INVALID_ARGUMENT)
          mapping.identifier.source_field: Model is shared by many devices. (IDENTIFIER_UNFIT)
          mapping.fields[3].column_id: The collection has no column 01HW_9. (COLUMN_UNKNOWN)
        → `pandaport fields list` shows which fields can identify a device.
        "#);
    }

    #[test]
    fn what_the_violations_say_is_not_said_twice() {
        let details = ErrorDetails::with_bad_request([FieldViolation::new("sync_id", "This is no UUID.")]);
        let status = Status::with_error_details(Code::InvalidArgument, "sync_id: This is no UUID.", details);
        insta::assert_snapshot!(Refusal::new("http://127.0.0.1:50051", &status), @r#"
        the request was refused (INVALID_ARGUMENT)
          sync_id: This is no UUID.
        "#);
    }

    #[test]
    fn a_reason_stands_beside_the_message() {
        let details = ErrorDetails::with_error_info("CONNECTION_NOT_VERIFIED", "pandaport", HashMap::new());
        let status = Status::with_error_details(
            Code::FailedPrecondition,
            "connection c-1 has not passed a test since it was changed",
            details,
        );
        insta::assert_snapshot!(Refusal::new("http://127.0.0.1:50051", &status), @r#"
        connection c-1 has not passed a test since it was changed (CONNECTION_NOT_VERIFIED)
        → Run `pandaport connections test` with its id first.
        "#);
    }

    #[test]
    fn where_it_is_known_when_to_come_back_it_is_said() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(90)));
        let status = Status::with_error_details(Code::ResourceExhausted, "no calls are left at Asset Panda", details);
        insta::assert_snapshot!(Refusal::new("http://127.0.0.1:50051", &status), @r#"
        no calls are left at Asset Panda (RESOURCE_EXHAUSTED)
        → Try again in 1 min 30 s.
        "#);
    }

    #[test]
    fn where_tls_fails_it_is_said_which_file_to_look_at() {
        for (message, hint) in [
            ("invalid peer certificate: UnknownIssuer", "--ca names the one to trust"),
            ("received fatal alert: UnknownCA", "--client-cert must be"),
            ("invalid peer certificate: NotValidForName", "for other names"),
            ("invalid peer certificate: Expired", "renew it"),
            ("received corrupt message of type InvalidContentType", "is it an https endpoint"),
        ] {
            let refusal = Refusal::unreached("https://panda.example:443", &std::io::Error::other(message));
            assert!(refusal.to_string().contains(hint), "{refusal}");
        }
    }

    #[test]
    fn where_nobody_answers_the_endpoint_is_named() {
        let cause = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        insta::assert_snapshot!(Refusal::unreached("http://127.0.0.1:50051", &cause), @r#"
        no control plane answers at http://127.0.0.1:50051: connection refused
        → Is it running? `pandaport up` starts one; --endpoint names another, with https:// where it encrypts.
        "#);
    }
}
