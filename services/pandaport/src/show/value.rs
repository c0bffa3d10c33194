//! Values of columns, before and after.

use prost_types::Value;
use prost_types::value::Kind;

use super::text::clean;

/// A value as a person reads it: text in quotes, so that a space at its end can be seen; an empty one and an unknown
/// one told apart.
#[must_use]
pub fn value(it: Option<&Value>) -> String {
    let Some(it) = it else {
        return "(unknown)".to_owned();
    };
    match &it.kind {
        None | Some(Kind::NullValue(_)) => "(empty)".to_owned(),
        Some(Kind::StringValue(text)) if text.is_empty() => "(empty)".to_owned(),
        Some(Kind::StringValue(text)) => format!("\"{}\"", clean(text)),
        Some(Kind::BoolValue(it)) => it.to_string(),
        Some(Kind::NumberValue(it)) => it.to_string(),
        Some(Kind::ListValue(list)) => {
            let parts: Vec<String> = list.values.iter().map(|it| value(Some(it))).collect();
            format!("[{}]", parts.join(", "))
        }
        Some(Kind::StructValue(it)) => {
            let parts: Vec<String> =
                it.fields.iter().map(|(key, it)| format!("{}: {}", clean(key), value(Some(it)))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::ListValue;

    use super::*;

    fn of(kind: Kind) -> String {
        value(Some(&Value { kind: Some(kind) }))
    }

    #[test]
    fn empty_is_not_unknown() {
        assert_eq!(value(None), "(unknown)");
        assert_eq!(of(Kind::NullValue(0)), "(empty)");
        assert_eq!(of(Kind::StringValue(String::new())), "(empty)");
    }

    #[test]
    fn values_show_their_type() {
        assert_eq!(of(Kind::StringValue("true".into())), "\"true\"");
        assert_eq!(of(Kind::BoolValue(true)), "true");
        assert_eq!(of(Kind::NumberValue(12.0)), "12");
        let list = ListValue { values: vec![Value::from("a"), Value::from("b")] };
        assert_eq!(of(Kind::ListValue(list)), "[\"a\", \"b\"]");
    }
}
