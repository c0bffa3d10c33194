//! Numbers: how text becomes one, and when two are the same.

use serde_json::{Number, Value};

/// More digits than this cannot be kept exactly by everything a number passes through on its way.
const DIGITS: usize = 15;

/// Text as a number to write: digits, a sign, a decimal point, nothing else. An exponent is refused, since `12E5` is
/// far more often an asset tag than a million.
pub(crate) fn parse(text: &str) -> Result<Number, &'static str> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err("it is not a number");
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.trim_start_matches('0').len() + fraction.len() > DIGITS {
        return Err("it has too many digits to be kept exactly as a number");
    }
    let unreadable = "it is not a number";
    if fraction.is_empty() {
        let whole: i64 = whole.parse().map_err(|_| unreadable)?;
        return Ok(Number::from(if text.starts_with('-') { -whole } else { whole }));
    }
    let number: f64 = text.parse().map_err(|_| unreadable)?;
    Number::from_f64(number).ok_or(unreadable)
}

/// A value read back, as a number: JSON, or text that may carry a currency sign and separators of thousands.
pub(crate) fn of(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => {
            let text = text.trim();
            let sign = if text.starts_with('-') { "-" } else { "" };
            let bare = text.trim_start_matches(['-', '+', '$', '€', '£', ' ']).trim_end_matches(['€', '£', '$', ' ']);
            parse(&format!("{sign}{}", without_thousands(bare)?)).ok()
        }
        _ => None,
    }
}

/// `1,234,567.5` without its commas; `12,5` is not such a number.
fn without_thousands(text: &str) -> Option<String> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let mut grouped = false;
    for group in groups {
        grouped = true;
        if group.len() != 3 {
            return None;
        }
    }
    if grouped && !(1..=3).contains(&first.len()) {
        return None;
    }
    Some(text.replace(',', ""))
}

/// Whether two numbers are equal, whatever their form: 7 and 7.0 are.
pub(crate) fn equal(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("7", json!(7))]
    #[case(" 7 ", json!(7))]
    #[case("+7", json!(7))]
    #[case("-7", json!(-7))]
    #[case("007", json!(7))]
    #[case("7.00", json!(7))]
    #[case("-7.50", json!(-7.5))]
    #[case("0", json!(0))]
    #[case("999999999999999", json!(999_999_999_999_999_i64))]
    fn numbers_are_parsed(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(Value::Number(parse(text).unwrap()), expected);
    }

    #[rstest]
    #[case("")]
    #[case("-")]
    #[case("seven")]
    #[case("1e5")]
    #[case("NaN")]
    #[case("inf")]
    #[case("0x10")]
    #[case(".5")]
    #[case("5.")]
    #[case("--5")]
    #[case("1,000")]
    #[case("14.4.1")]
    #[case("1234567890123456")]
    fn other_text_is_not(#[case] text: &str) {
        assert!(parse(text).is_err(), "{text}");
    }

    #[test]
    fn a_number_read_back_may_be_dressed() {
        for dressed in [json!("1,234.50"), json!("$1,234.5"), json!("1234.5 €"), json!(1234.5)] {
            assert!(equal(&of(&dressed).unwrap(), &parse("1234.5").unwrap()), "{dressed}");
        }
        assert!(equal(&of(&json!("-$5")).unwrap(), &parse("-5").unwrap()));
        for no_number in [json!("12,5"), json!("1234,567"), json!(true), json!("")] {
            assert_eq!(of(&no_number), None, "{no_number}");
        }
    }

    #[test]
    fn equal_is_by_amount() {
        assert!(equal(&Number::from(7), &Number::from_f64(7.0).unwrap()));
        assert!(!equal(&Number::from(9_007_199_254_740_993_i64), &Number::from(9_007_199_254_740_992_i64)));
    }
}
