//! The forms of time in Kandji's answers (kandji-api.md section 7), written without a formatter.

use jiff::Timestamp;
use jiff::tz::Offset;

/// 2026-11-20T09:15:00Z: the present of a generated fleet, fixed so that fleets are the same on every day.
pub(crate) const NOW: i64 = 1_795_166_100;

/// A time in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) i64);

/// How a time is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// `2024-07-23T14:11:37.150080Z`
    Z,
    /// `2026-07-01T19:02:37.320664+00:00`
    PlusOffset,
    /// `2024-01-26 16:15:36.087016+00:00`
    Space,
}

/// Appends the time; the fraction is left out when it is zero, as the real API does.
pub(crate) fn push_time(out: &mut String, time: Micros, form: Form) {
    let Ok(timestamp) = Timestamp::from_microsecond(time.0) else {
        return;
    };
    let date = Offset::UTC.to_datetime(timestamp);
    push_digits(out, date.year().unsigned_abs().into(), 4);
    out.push('-');
    push_digits(out, date.month().unsigned_abs().into(), 2);
    out.push('-');
    push_digits(out, date.day().unsigned_abs().into(), 2);
    out.push(if matches!(form, Form::Space) { ' ' } else { 'T' });
    push_digits(out, date.hour().unsigned_abs().into(), 2);
    out.push(':');
    push_digits(out, date.minute().unsigned_abs().into(), 2);
    out.push(':');
    push_digits(out, date.second().unsigned_abs().into(), 2);
    let micros = date.subsec_nanosecond().unsigned_abs() / 1_000;
    if micros != 0 {
        out.push('.');
        push_digits(out, micros, 6);
    }
    out.push_str(if matches!(form, Form::Z) { "Z" } else { "+00:00" });
}

fn push_digits(out: &mut String, value: u32, digits: u32) {
    for digit in (0..digits).rev() {
        let ten = value / 10_u32.pow(digit) % 10;
        out.push(char::from(b'0' + u8::try_from(ten).unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: i64, form: Form) -> String {
        let mut out = String::new();
        push_time(&mut out, Micros(time), form);
        out
    }

    #[test]
    fn times_have_the_documented_forms_and_no_fraction_when_it_is_zero() {
        let whole = NOW * 1_000_000;
        assert_eq!(written(whole, Form::Z), "2026-11-20T09:15:00Z");
        assert_eq!(written(whole + 731, Form::Z), "2026-11-20T09:15:00.000731Z");
        assert_eq!(written(whole, Form::PlusOffset), "2026-11-20T09:15:00+00:00");
        assert_eq!(written(whole + 50, Form::Space), "2026-11-20 09:15:00.000050+00:00");
    }
}
