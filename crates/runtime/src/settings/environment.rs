//! Environment variables in our name that nobody reads.

use std::ffi::OsString;

use crate::RuntimeError;

const OURS: &str = "PANDAPORT_";

/// All variables of this version. One file of variables may serve all programs, so that each accepts what
/// another reads.
pub const KNOWN: [&str; 37] = [
    "PANDAPORT_DATABASE_URL",
    "PANDAPORT_DATABASE_CONNECTIONS",
    "PANDAPORT_DATABASE_STATEMENT_TIMEOUT",
    "PANDAPORT_DATABASE_LOCK_TIMEOUT",
    "PANDAPORT_GRPC_LISTEN",
    "PANDAPORT_ENDPOINT",
    "PANDAPORT_ADMIN_LISTEN",
    "PANDAPORT_ENCRYPTION_KEY",
    "PANDAPORT_ENCRYPTION_KEY_FILE",
    "PANDAPORT_ALLOWED_HOSTS",
    "PANDAPORT_AUTH",
    "PANDAPORT_TLS",
    "PANDAPORT_TLS_CERT",
    "PANDAPORT_TLS_KEY",
    "PANDAPORT_TLS_CLIENT_CA",
    "PANDAPORT_JWT_ISSUER",
    "PANDAPORT_JWT_AUDIENCE",
    "PANDAPORT_JWT_JWKS_URL",
    "PANDAPORT_JWT_JWKS_FILE",
    "PANDAPORT_JWT_JWKS_CA",
    "PANDAPORT_JWT_JWKS_TOKEN_FILE",
    "PANDAPORT_JWT_TENANT_CLAIM",
    "PANDAPORT_JWT_ROLES_CLAIM",
    "PANDAPORT_POLICY_FILE",
    "PANDAPORT_WORKER_SLOTS",
    "PANDAPORT_TENANT_SLOTS",
    "PANDAPORT_SLICE",
    "PANDAPORT_SETTLE",
    "PANDAPORT_HTTP_TIMEOUT",
    "PANDAPORT_SHUTDOWN_GRACE",
    "PANDAPORT_KANDJI_BUDGET",
    "PANDAPORT_KANDJI_SHARE",
    "PANDAPORT_ASSET_PANDA_BUDGET",
    "PANDAPORT_EGRESS_GROUP",
    "PANDAPORT_OUTAGE_LIMIT",
    "PANDAPORT_HISTORY_RETENTION",
    "PANDAPORT_AUDIT_RETENTION",
];

/// Refuses variables that begin with `PANDAPORT_` and are neither [`KNOWN`], nor in `also_known` (a
/// program's own), nor set by Kubernetes. `variables` is `std::env::vars_os()`.
///
/// # Errors
/// [`RuntimeError::UnknownSettings`] with all of them and the nearest known names. Values are not shown.
pub fn reject_unknown_env(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    also_known: &[&str],
) -> Result<(), RuntimeError> {
    let mut unknown: Vec<String> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            let rest = name.strip_prefix(OURS)?;
            let known = KNOWN.contains(&name.as_str()) || also_known.contains(&name.as_str());
            let accepted = known || is_from_kubernetes(rest, &value.to_string_lossy());
            (!accepted).then_some(name)
        })
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort();
    Err(RuntimeError::UnknownSettings(
        unknown
            .into_iter()
            .map(|name| {
                let hint = nearest(&name, also_known).map(|near| format!("did you mean {near}?"));
                let hint = hint.as_deref().unwrap_or("`pandaport up --help` lists those that exist");
                format!("{name} ({hint})")
            })
            .collect(),
    ))
}

/// Whether Kubernetes sets this for a Service named `pandaport` or `pandaport-<something>`; `rest` is
/// what follows `PANDAPORT_`. A `_PORT` holds an address there, so that a misspelt `PANDAPORT_GRPC_PORT=50051`
/// is still found.
fn is_from_kubernetes(rest: &str, value: &str) -> bool {
    let parts: Vec<&str> = rest.split('_').collect();
    let ends_with = |suffix: &[&str]| parts.ends_with(suffix);
    if ends_with(&["SERVICE", "HOST"]) || parts.windows(2).any(|it| it == ["SERVICE", "PORT"]) {
        return true;
    }
    if ends_with(&["PORT"]) {
        return value.contains("://");
    }
    parts.windows(3).any(|it| it[0] == "PORT" && !it[1].is_empty() && it[1].bytes().all(|digit| digit.is_ascii_digit()))
}

/// The known name that is most likely meant: the one with fewest letters changed, if that is at most a third of them, or
/// else one that goes on where this ends. A guess that is far off misleads more than none.
fn nearest<'a>(name: &str, also_known: &[&'a str]) -> Option<&'a str> {
    const LEAST: usize = 4;
    let own = name.len() - OURS.len();
    let known = || KNOWN.iter().chain(also_known).copied();
    let near = known().map(|it| (distance(name, it), it)).min().filter(|(letters, _)| *letters <= own / 3);
    near.map(|(_, it)| it).or_else(|| known().find(|it| own >= LEAST && it.starts_with(name)))
}

/// How many letters must be added, removed or changed to make one text the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<(), RuntimeError> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        reject_unknown_env(variables, &["PANDAPORT_OWN"])
    }

    #[test]
    fn a_misspelt_setting_is_refused_with_the_nearest_name_and_without_its_value() {
        let error =
            check(&[("PANDAPORT_SLICES", "30s"), ("PANDAPORT_ENCRYPTION_KEYS", "hunter2"), ("PANDAPORT_SLICE", "30s")])
                .unwrap_err()
                .to_string();
        assert_eq!(
            error,
            "unknown settings: PANDAPORT_ENCRYPTION_KEYS (did you mean PANDAPORT_ENCRYPTION_KEY?); \
             PANDAPORT_SLICES (did you mean PANDAPORT_SLICE?)"
        );
    }

    #[test]
    fn only_a_name_that_is_close_is_suggested() {
        for (name, near) in [
            ("PANDAPORT_FOO", None),
            ("PANDAPORT_X", None),
            ("PANDAPORT_", None),
            ("PANDAPORT_OWM", Some("PANDAPORT_OWN")),
            ("PANDAPORT_DATABSE_URL", Some("PANDAPORT_DATABASE_URL")),
            ("PANDAPORT_DATABASE", Some("PANDAPORT_DATABASE_URL")),
        ] {
            assert_eq!(nearest(name, &["PANDAPORT_OWN"]), near, "{name}");
        }
        let error = check(&[("PANDAPORT_FOO", "1")]).unwrap_err().to_string();
        assert_eq!(error, "unknown setting: PANDAPORT_FOO (`pandaport up --help` lists those that exist)");
    }

    #[test]
    fn what_is_known_or_not_ours_passes() {
        check(&[("PATH", "/bin"), ("PANDAPORTER", "x"), ("PANDAPORT_OWN", "x"), ("PANDAPORT_DATABASE_URL", "x")])
            .unwrap();
    }

    #[test]
    fn what_kubernetes_sets_passes() {
        check(&[
            ("PANDAPORT_SERVICE_HOST", "10.0.0.1"),
            ("PANDAPORT_SERVICE_PORT", "50051"),
            ("PANDAPORT_SERVICE_PORT_GRPC", "50051"),
            ("PANDAPORT_CONTROL_PLANE_SERVICE_HOST", "10.0.0.1"),
            ("PANDAPORT_CONTROL_PLANE_SERVICE_PORT_GRPC", "50051"),
            ("PANDAPORT_PORT", "tcp://10.0.0.1:50051"),
            ("PANDAPORT_CONTROL_PLANE_PORT", "tcp://10.0.0.1:50051"),
            ("PANDAPORT_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
            ("PANDAPORT_CONTROL_PLANE_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ])
        .unwrap();
    }

    #[test]
    fn what_only_looks_like_it_is_refused() {
        for name in [
            "PANDAPORT_GRPC_PORT",
            "PANDAPORT_PORT",
            "PANDAPORT_PORT_TCP_ADDR",
            "PANDAPORT_SERVICEHOST",
            "PANDAPORT_PORT_50051",
            "PANDAPORT_",
        ] {
            assert!(check(&[(name, "50051")]).is_err(), "{name}");
        }
    }

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
