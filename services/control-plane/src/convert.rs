//! Between the contract and what is stored: one function each way for each thing, and nothing else.

mod alerts;
mod audit;
mod catalogue;
mod connection;
mod device;
mod held;
mod mapping;
mod record;
mod sync;

use std::time::Duration;

use pandaport_store::Micros;

pub(crate) use alerts::alerts;
pub(crate) use audit::audit_event;
pub(crate) use catalogue::{column, source_field};
pub(crate) use connection::{connection, stored_connection_state};
pub(crate) use device::{device, stored_device_state};
pub(crate) use held::held;
pub(crate) use mapping::{mapping, stored_mapping_state, write_rule};
pub(crate) use record::{cell, record, stored_record_outcome};
pub(crate) use sync::{stored_sync_mode, stored_sync_state, sync};

pub(crate) fn time(micros: Micros) -> prost_types::Timestamp {
    let time = micros.timestamp();
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    // The contract's nanos count forward also before 1970.
    if nanos < 0 {
        prost_types::Timestamp { seconds: seconds - 1, nanos: nanos + 1_000_000_000 }
    } else {
        prost_types::Timestamp { seconds, nanos }
    }
}

pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A count as the contract has it; what is past its range is its end.
pub(crate) fn count(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

pub(crate) fn value(json: serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;

    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(it),
        serde_json::Value::Number(it) => match it.as_f64() {
            // A number that a double can't hold would come back as another one: its digits are sent instead.
            Some(double) if serde_json::Number::from_f64(double).as_ref() == Some(&it) || fits_a_double(&it) => {
                Kind::NumberValue(double)
            }
            _ => Kind::StringValue(it.to_string()),
        },
        serde_json::Value::String(it) => Kind::StringValue(it),
        serde_json::Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.into_iter().map(value).collect() })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields.into_iter().map(|(key, field)| (key, value(field))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A value as a caller wrote it. Whole numbers come as doubles: they are whole again.
pub(crate) fn json(value: prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;

    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(it)) => it.into(),
        Some(Kind::StringValue(it)) => it.into(),
        // Every whole double up to 2^53 is exactly one i64.
        Some(Kind::NumberValue(it)) if it.fract() == 0.0 && it.abs() <= 9_007_199_254_740_992.0 => (it as i64).into(),
        Some(Kind::NumberValue(it)) => serde_json::Number::from_f64(it).map_or(serde_json::Value::Null, Into::into),
        Some(Kind::ListValue(it)) => it.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(it)) => {
            it.fields.into_iter().map(|(key, it)| (key, json(it))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}

/// Whether an integer is below 2^53, up to where each has a double of its own.
fn fits_a_double(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|it| it.unsigned_abs() <= 1 << 53)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_and_durations_keep_their_microseconds() {
        let at = time(Micros(1_700_000_000_123_456));
        assert_eq!((at.seconds, at.nanos), (1_700_000_000, 123_456_000));
        let before = time(Micros(-1));
        assert_eq!((before.seconds, before.nanos), (-1, 999_999_000));
        let long = duration(Duration::from_millis(1_500));
        assert_eq!((long.seconds, long.nanos), (1, 500_000_000));
    }

    #[test]
    fn numbers_that_no_double_holds_are_sent_as_text() {
        use prost_types::value::Kind;
        assert_eq!(value(json!(5)).kind, Some(Kind::NumberValue(5.0)));
        assert_eq!(value(json!(2.5)).kind, Some(Kind::NumberValue(2.5)));
        let large = 9_007_199_254_740_993_u64;
        assert_eq!(value(json!(large)).kind, Some(Kind::StringValue(large.to_string())));
    }

    #[test]
    fn values_of_callers_come_back_as_they_went() {
        for given in
            [json!(null), json!(true), json!("x"), json!(5), json!(-2.5), json!(["a", 1]), json!({"a": [false]})]
        {
            assert_eq!(super::json(value(given.clone())), given);
        }
    }

    #[test]
    fn counts_never_wrap() {
        assert_eq!(count(-1), 0);
        assert_eq!(count(i64::MAX), u32::MAX);
    }
}
