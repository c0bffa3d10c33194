//! The checks of a connection test, each with a tick.

use pandaport_api::v1::{Check, CheckStatus, TestResult};

use super::text::clean;
use super::time::{duration, length};
use crate::console::{Console, Ink};

/// A line for each check, with how long the API took, and one below it where there is something to do.
#[must_use]
pub fn checks(console: &Console, checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let (mark, ink) = mark(check.status());
        let latency = check.latency.as_ref().map(|it| length(duration(it))).unwrap_or_default();
        let text = match check.status() {
            CheckStatus::Skipped | CheckStatus::Unspecified => console.ink(Ink::Dim, &said(check)),
            _ => clean(&said(check)).into_owned(),
        };
        let latency = console.ink(Ink::Dim, &format!("{latency:>7}"));
        lines.push(format!("  {} {latency}  {text}", console.ink(ink, mark)));
        if !check.hint.is_empty() && check.status() != CheckStatus::Passed {
            lines.push(format!("             {}", console.ink(ink, &format!("→ {}", check.hint))));
        }
    }
    lines.join("\n")
}

/// What was found. A check that did not pass is named too, as its message may say only what stood in its way.
fn said(check: &Check) -> String {
    let reason = if check.reason.is_empty() { String::new() } else { format!(" ({})", check.reason) };
    match (check.status(), check.message.is_empty()) {
        (CheckStatus::Passed, false) => check.message.clone(),
        (_, true) => format!("{}{reason}", label(check)),
        (_, false) => format!("{}: {}{reason}", label(check), check.message),
    }
}

/// What the checks come to, in a sentence.
#[must_use]
pub fn verdict(result: TestResult) -> &'static str {
    match result {
        TestResult::Passed => "The connection works.",
        TestResult::PassedWithWarnings => "The connection works, with warnings.",
        TestResult::Failed => "The connection does not work yet.",
        TestResult::Unspecified => "Nothing was tested.",
    }
}

fn mark(status: CheckStatus) -> (&'static str, Ink) {
    match status {
        CheckStatus::Passed => ("✓", Ink::Green),
        CheckStatus::Warning => ("!", Ink::Yellow),
        CheckStatus::Failed => ("✗", Ink::Red),
        CheckStatus::Skipped | CheckStatus::Unspecified => ("–", Ink::Dim),
    }
}

/// What was looked at, for people; the name itself where it is newer than this program.
fn label(check: &Check) -> &str {
    match check.name.as_str() {
        "kandji_reachable" => "Kandji answers",
        "kandji_token" => "Kandji takes the token",
        "kandji_devices" => "Devices can be listed",
        "kandji_device_details" => "Device details can be read",
        "kandji_users" => "Users can be listed",
        "asset_panda_reachable" => "Asset Panda answers",
        "asset_panda_key" => "Asset Panda takes the key",
        "asset_panda_account" => "The account is there",
        "asset_panda_module" => "The module is there",
        "asset_panda_collections" => "Collections can be listed",
        "asset_panda_write" => "Records can be written",
        "alert_delivered" => "The alert was delivered",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: CheckStatus) -> Check {
        Check { name: name.into(), status: status.into(), ..Check::default() }
    }

    #[test]
    fn each_check_has_its_tick_and_what_failed_says_what_to_do() {
        let given = [
            Check {
                latency: Some(prost_types::Duration { seconds: 0, nanos: 12_000_000 }),
                message: "https://acme.api.kandji.io".into(),
                ..check("kandji_reachable", CheckStatus::Passed)
            },
            Check {
                reason: "TOKEN_REFUSED".into(),
                message: "Kandji answered 401.".into(),
                hint: "Make a new token and configure the connection with it.".into(),
                ..check("kandji_token", CheckStatus::Failed)
            },
            Check {
                reason: "PERMISSION_MISSING".into(),
                hint: "Only User Active needs it.".into(),
                ..check("kandji_users", CheckStatus::Warning)
            },
            Check {
                message: "Only a first sync can show it.".into(),
                ..check("asset_panda_write", CheckStatus::Skipped)
            },
            check("a_newer_check", CheckStatus::Passed),
        ];
        let console = Console::plain(Box::new(std::io::sink()));
        insta::assert_snapshot!(checks(&console, &given), @r#"
        ✓   12 ms  https://acme.api.kandji.io
        ✗          Kandji takes the token: Kandji answered 401. (TOKEN_REFUSED)
                   → Make a new token and configure the connection with it.
        !          Users can be listed (PERMISSION_MISSING)
                   → Only User Active needs it.
        –          Records can be written: Only a first sync can show it.
        ✓          a_newer_check
        "#);
    }
}
