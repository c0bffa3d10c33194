//! Google's well-known types in their JSON forms.

use pandaport_api::v1;
use prost_types::value::Kind;
use prost_types::{Duration, Timestamp, Value};
use serde_json::{Map, Number};

use crate::show;

/// `2026-11-20T09:14:02.5Z`; `None` where it is unset.
pub(super) fn time(it: Option<&Timestamp>) -> Option<String> {
    it.and_then(show::time::timestamp).map(|it| it.to_string())
}

/// `900s`, `0.25s`.
pub(super) fn length(it: Option<&Duration>) -> Option<String> {
    it.map(|it| {
        let sign = if it.seconds < 0 || it.nanos < 0 { "-" } else { "" };
        let seconds = it.seconds.unsigned_abs();
        let fraction = format!("{:09}", it.nanos.unsigned_abs());
        match fraction.trim_end_matches('0') {
            "" => format!("{sign}{seconds}s"),
            fraction => format!("{sign}{seconds}.{fraction}s"),
        }
    })
}

/// Any JSON value.
pub(super) fn value(it: &Value) -> serde_json::Value {
    match &it.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(it)) => (*it).into(),
        Some(Kind::StringValue(it)) => it.clone().into(),
        Some(Kind::NumberValue(it)) => number(*it),
        Some(Kind::ListValue(it)) => it.values.iter().map(value).collect(),
        Some(Kind::StructValue(it)) => {
            it.fields.iter().map(|(key, it)| (key.clone(), value(it))).collect::<Map<_, _>>().into()
        }
    }
}

/// Whole numbers without a fraction, as protobuf's JSON has them.
fn number(it: f64) -> serde_json::Value {
    // Every whole double up to 2^53 is exactly one i64.
    #[allow(clippy::cast_possible_truncation)]
    if it.fract() == 0.0 && it.abs() <= 9_007_199_254_740_992.0 {
        return (it as i64).into();
    }
    Number::from_f64(it).map_or(serde_json::Value::Null, Into::into)
}

/// The name of a schedule's kind with its own fields.
pub(super) fn schedule(it: &v1::Schedule) -> serde_json::Value {
    match &it.kind {
        None => serde_json::json!({}),
        Some(v1::schedule::Kind::Interval(it)) => {
            serde_json::json!({ "interval": length(Some(it)) })
        }
        Some(v1::schedule::Kind::Cron(it)) => serde_json::json!({
            "cron": { "expression": it.expression, "timeZone": it.time_zone }
        }),
        Some(v1::schedule::Kind::Manual(_)) => serde_json::json!({ "manual": {} }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_have_the_forms_of_protobuf() {
        let of = |seconds, nanos| length(Some(&Duration { seconds, nanos }));
        assert_eq!(of(900, 0).as_deref(), Some("900s"));
        assert_eq!(of(0, 250_000_000).as_deref(), Some("0.25s"));
        assert_eq!(of(-1, -500_000_000).as_deref(), Some("-1.5s"));
        assert_eq!(value(&Value::from(12.0)).to_string(), "12");
        assert_eq!(value(&Value::from(0.5)).to_string(), "0.5");
    }
}
