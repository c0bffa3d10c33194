//! Where alerts go, and how their delivery stands.

use pandaport_api::v1::Alerts;

use super::table::sheet;
use super::text::number;
use super::time::moment;

/// The settings and the last deliveries, a line for each.
#[must_use]
pub fn alerts(width: Option<u16>, it: &Alerts) -> String {
    if it.url.is_empty() {
        return "No alerts are configured: `pandaport alerts configure` sets where they go.".to_owned();
    }
    let mut lines = vec![
        ("Alerts", if it.enabled { "on" } else { "off" }.to_owned()),
        ("URL", it.url.clone()),
        ("Secret", format!("ends in {}", it.secret_hint)),
        ("Waiting", number(it.waiting_count.into())),
        ("Delivered", moment(it.last_delivered_time.as_ref())),
    ];
    if !it.last_error.is_empty() {
        lines.push(("Failed", format!("{}  {}", moment(it.last_error_time.as_ref()), it.last_error)));
    }
    lines.push(("Changed", moment(it.update_time.as_ref())));
    lines.push(("Etag", it.etag.clone()));
    sheet(width, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_last_is_shown() {
        let failing = Alerts {
            url: "https://alerts.example.com/pandaport".into(),
            secret_hint: "9f3c".into(),
            enabled: true,
            waiting_count: 2,
            last_error: "The receiver answered 503.".into(),
            last_error_time: Some(prost_types::Timestamp { seconds: 1_795_166_042, nanos: 0 }),
            etag: "3".into(),
            ..Alerts::default()
        };
        insta::assert_snapshot!(alerts(None, &failing), @r#"
        Alerts     on
        URL        https://alerts.example.com/pandaport
        Secret     ends in 9f3c
        Waiting    2
        Delivered  -
        Failed     2026-11-20T09:14:02Z  The receiver answered 503.
        Changed    -
        Etag       3
        "#);
        assert!(alerts(None, &Alerts::default()).contains("pandaport alerts configure"));
    }
}
