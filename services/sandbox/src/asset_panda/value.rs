//! What a column takes, and what it gives back (asset-panda-pro-api.md section 6.1).

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::faults::{AssetPandaFaults, ClearAccepts};
use crate::panda::{Column, ulid_like};

/// Turns what was sent into what is kept; null means cleared. The error is the row's message.
pub(super) fn accept(column: &Column, sent: &Value, faults: &AssetPandaFaults) -> Result<Value, String> {
    let name = &column.display_name;
    if sent.is_null() || *sent == "" {
        let taken = match faults.clear_accepts {
            ClearAccepts::Both => true,
            ClearAccepts::EmptyString => *sent == "",
            ClearAccepts::Null => sent.is_null(),
        };
        let form = if sent.is_null() { "null" } else { "empty" };
        return if !taken {
            Err(format!("{name} cannot be {form}"))
        } else if column.is_required {
            Err(format!("{name} is required"))
        } else {
            Ok(Value::Null)
        };
    }
    match column.kind.as_str() {
        "boolean" => match sent {
            Value::Bool(_) => Some(sent.clone()),
            Value::String(text) => text.to_lowercase().parse::<bool>().ok().map(Value::from),
            _ => None,
        }
        .ok_or_else(|| format!("{name} must be true or false")),
        "number" | "currency" => match sent {
            Value::Number(_) => Some(sent.clone()),
            Value::String(text) => serde_json::from_str(text.trim()).ok().filter(Value::is_number),
            _ => None,
        }
        .ok_or_else(|| format!("{name} must be a number")),
        "date" => sent
            .as_str()
            .filter(|text| text.len() == 10 && text.parse::<Date>().is_ok())
            .map(Value::from)
            .ok_or_else(|| format!("{name} must be a date")),
        "datetime" => sent
            .as_str()
            .filter(|text| text.parse::<Timestamp>().is_ok())
            .map(Value::from)
            .ok_or_else(|| format!("{name} must be a date and time")),
        "select" => sent
            .as_str()
            .filter(|text| column.options.iter().any(|option| option == text))
            .map(Value::from)
            .ok_or_else(|| format!("{name} must be one of its options")),
        "multiselect" => {
            let chosen = match sent {
                Value::Array(chosen) => chosen.clone(),
                one => vec![one.clone()],
            };
            let known = |choice: &Value| column.options.iter().any(|option| choice == option);
            if chosen.iter().all(known) {
                Ok(if chosen.is_empty() { Value::Null } else { chosen.into() })
            } else {
                Err(format!("{name} must be a list of its options"))
            }
        }
        _ => match sent {
            Value::String(text) if faults.trim_text_and_reformat_dates => Ok(text.trim().into()),
            Value::String(_) => Ok(sent.clone()),
            Value::Bool(_) | Value::Number(_) => Ok(sent.to_string().into()),
            _ => Err(format!("{name} must be text")),
        },
    }
}

/// Turns what is kept into what a reader gets.
pub(super) fn show(column: &Column, kept: Value, faults: &AssetPandaFaults) -> Value {
    let value = if faults.trim_text_and_reformat_dates { reformat(column, kept) } else { kept };
    if faults.wrap_values {
        let id = ulid_like(9, value.to_string().len() as u64);
        json!({"id": id, "value": value})
    } else {
        value
    }
}

/// The same value in another form: dates the American way, times with milliseconds and an offset.
fn reformat(column: &Column, value: Value) -> Value {
    let Value::String(text) = &value else {
        return value;
    };
    match column.kind.as_str() {
        "date" => match text.parse::<Date>() {
            Ok(date) => date.strftime("%m/%d/%Y").to_string().into(),
            Err(_) => value,
        },
        "datetime" => match text.parse::<Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00").to_string().into(),
            Err(_) => value,
        },
        _ => text.trim().into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept(kind: &str, sent: Value) -> Result<Value, String> {
        let mut column = Column::new("Column", kind);
        column.options = vec!["Yes".to_owned(), "No".to_owned()];
        accept(&column, &sent, &AssetPandaFaults::default())
    }

    #[test]
    fn each_type_takes_what_suits_it_and_refuses_the_rest() {
        assert_eq!(kept("text", json!(5)), Ok(json!("5")));
        assert_eq!(kept("text", json!(" a ")), Ok(json!(" a ")));
        assert!(kept("text", json!(["a"])).is_err());
        assert_eq!(kept("boolean", json!("TRUE")), Ok(json!(true)));
        assert!(kept("boolean", json!("yes")).is_err());
        assert_eq!(kept("number", json!("12.5")), Ok(json!(12.5)));
        assert!(kept("number", json!("12,5")).is_err());
        assert_eq!(kept("date", json!("2026-11-20")), Ok(json!("2026-11-20")));
        assert!(kept("date", json!("2026-11-20T00:00:00Z")).is_err());
        assert!(kept("datetime", json!("2026-11-20T09:14:02Z")).is_ok());
        assert!(kept("datetime", json!("yesterday")).is_err());
        assert!(kept("select", json!("Yes")).is_ok());
        assert!(kept("select", json!("Maybe")).is_err());
        assert_eq!(kept("multiselect", json!("Yes")), Ok(json!(["Yes"])));
        assert!(kept("multiselect", json!(["Yes", "Maybe"])).is_err());
    }

    #[test]
    fn what_clears_a_column_is_switchable() {
        let column = Column::new("Column", "text");
        let with = |clear_accepts| AssetPandaFaults { clear_accepts, ..AssetPandaFaults::default() };
        for (accepts, empty, null) in [
            (ClearAccepts::Both, true, true),
            (ClearAccepts::EmptyString, true, false),
            (ClearAccepts::Null, false, true),
        ] {
            assert_eq!(accept(&column, &json!(""), &with(accepts)).is_ok(), empty);
            assert_eq!(accept(&column, &json!(null), &with(accepts)).is_ok(), null);
        }
    }
}
