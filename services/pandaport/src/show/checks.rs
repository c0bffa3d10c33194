//! The checks of a connection test, each with a tick.

use pandaport_api::v1::{Check, CheckStatus, TestResult};

use super::time::{duration, length};
use crate::console::{Console, Ink};

/// A line for each check, and one below it for what to do where there is something to do.
#[must_use]
pub fn checks(console: &Console, checks: &[Check]) -> String {
    let label_width = checks.iter().map(|it| label(it).chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        let (mark, ink) = mark(check.status());
        let label = format!("{:<label_width$}", label(check));
        let latency = check.latency.as_ref().map(|it| length(duration(it))).unwrap_or_default();
        let mut line = format!(
            "  {} {}  {}",
            console.ink(ink, mark),
            console.ink(label_ink(check.status()), &label),
            console.ink(Ink::Dim, &format!("{latency:>8}")),
        );
        for part in [&check.message, &check.reason] {
            if !part.is_empty() {
                line.push_str("  ");
                line.push_str(&console.ink(Ink::Dim, part));
            }
        }
        lines.push(line.trim_end().to_owned());
        if !check.hint.is_empty() && check.status() != CheckStatus::Passed {
            lines.push(format!("    {}", console.ink(ink, &format!("→ {}", check.hint))));
        }
    }
    lines.join("\n")
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

fn label_ink(status: CheckStatus) -> Ink {
    match status {
        CheckStatus::Skipped | CheckStatus::Unspecified => Ink::Dim,
        _ => Ink::Bold,
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
        ✓ Kandji answers             12 ms  https://acme.api.kandji.io
        ✗ Kandji takes the token            Kandji answered 401.  TOKEN_REFUSED
          → Make a new token and configure the connection with it.
        ! Users can be listed               PERMISSION_MISSING
          → Only User Active needs it.
        – Records can be written            Only a first sync can show it.
        ✓ a_newer_check
        "#);
    }
}
