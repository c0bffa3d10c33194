//! What is wrong with a call, collected over the whole call: a caller gets all violations at once, each
//! with the path of its field.

use std::time::Duration;

use uuid::Uuid;

use crate::limits::MAX_FILTER_VALUES;

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path of the field in the request, such as `mapping.fields[3].column_id`.
    pub(crate) field: String,
    /// A reason of the contract's list; empty where the message is all there is to say.
    pub(crate) reason: &'static str,
    /// What is wrong and what would be right.
    pub(crate) message: String,
    /// Whether the field's rule is not built yet, which a later version may take.
    pub(crate) unimplemented: bool,
}

/// The violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a violation that has a reason of the contract's list.
    pub(crate) fn refuse(&mut self, field: impl Into<String>, reason: &'static str, message: impl Into<String>) {
        self.0.push(Violation { field: field.into(), reason, message: message.into(), unimplemented: false });
    }

    /// Notes a violation that needs no reason: the field is missing or malformed.
    pub(crate) fn malformed(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.refuse(field, "", message);
    }

    /// Notes a field whose rule this version does not have.
    #[cfg_attr(not(test), expect(dead_code, reason = "the rule of every field of the contract is built at present"))]
    pub(crate) fn not_built(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation { field: field.into(), reason: "", message: message.into(), unimplemented: true });
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was found in this field itself.
    pub(crate) fn names(&self, field: &str) -> bool {
        self.0.iter().any(|violation| violation.field == field)
    }

    /// The violations, or `Ok` if there are none.
    pub(crate) fn check(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// Reads an id of ours. What is none becomes the nil id: nothing has it, and `check` comes before any use.
    pub(crate) fn id(&mut self, field: &str, text: &str) -> Uuid {
        match Uuid::try_parse(text) {
            Ok(id) => return id,
            Err(_) if text.is_empty() => self.malformed(field, "This id is required."),
            Err(_) => self.malformed(
                field,
                "This is not an id: a UUID is expected, such as 01890a5d-ac96-774b-bcce-b302099a8057.",
            ),
        }
        Uuid::nil()
    }

    /// Reads an id of ours that may be left out.
    pub(crate) fn optional_id(&mut self, field: &str, text: &str) -> Option<Uuid> {
        if text.is_empty() { None } else { Some(self.id(field, text)) }
    }

    /// Reads the values of an enum that a list is filtered by. `stored` gives what we keep for one, if any.
    pub(crate) fn filter<E: TryFrom<i32>, S>(
        &mut self,
        field: &str,
        numbers: &[i32],
        stored: impl Fn(E) -> Option<S>,
    ) -> Vec<S> {
        let mut read = Vec::new();
        if numbers.len() > MAX_FILTER_VALUES {
            let message = format!("At most {MAX_FILTER_VALUES} are allowed; these are {}.", numbers.len());
            self.malformed(field, message);
            return read;
        }
        for (at, number) in numbers.iter().enumerate() {
            match E::try_from(*number).ok().and_then(&stored) {
                Some(value) => read.push(value),
                None => {
                    self.malformed(format!("{field}[{at}]"), format!("{number} is none of the values to filter by."))
                }
            }
        }
        read
    }

    /// Checks a text that must be there and hold at most `most` characters, none of them a control
    /// character.
    pub(crate) fn required_text(&mut self, field: &str, text: &str, most: usize) {
        if text.trim().is_empty() {
            self.malformed(field, "This field is required.");
            return;
        }
        self.text(field, text, most);
    }

    /// Checks a text that may be empty.
    pub(crate) fn text(&mut self, field: &str, text: &str, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.malformed(field, format!("At most {most} characters are allowed; this has {length}."));
        }
        if text.chars().any(char::is_control) {
            self.malformed(field, "Control characters are not allowed.");
        }
    }

    /// Checks a secret that goes into an HTTP header. The message never shows what the secret holds.
    pub(crate) fn header_text(&mut self, field: &str, text: &str) {
        // Control characters are refused as in every text.
        if text.chars().any(|it| !it.is_ascii() && !it.is_control()) {
            self.malformed(
                field,
                "It holds a character that no such credential has (outside of ASCII): copy it again, whole and as it is.",
            );
        }
    }

    /// Checks an enum's number and gives its value.
    pub(crate) fn choice<E: TryFrom<i32>>(&mut self, field: &str, number: i32) -> Option<E> {
        let value = E::try_from(number).ok();
        if value.is_none() {
            self.malformed(field, format!("This version knows no value {number} here."));
        }
        value
    }

    /// Reads a duration that lies between two others, or takes the default if it is unset.
    pub(crate) fn duration(
        &mut self,
        field: &str,
        value: Option<&prost_types::Duration>,
        default: Duration,
        least: Duration,
        most: Duration,
    ) -> Duration {
        let Some(value) = value else { return default };
        match Duration::try_from(*value) {
            Ok(it) if it >= least && it <= most => it,
            _ => {
                self.malformed(field, format!("It must lie between {} and {}.", in_words(least), in_words(most)));
                default
            }
        }
    }

    /// Reads a time.
    pub(crate) fn time(&mut self, field: &str, value: Option<&prost_types::Timestamp>) -> Option<jiff::Timestamp> {
        let value = value?;
        let time = jiff::Timestamp::new(value.seconds, value.nanos).ok();
        if time.is_none() || value.nanos < 0 {
            self.malformed(field, "This is not a time between the years -9999 and 9999.");
            return None;
        }
        time
    }
}

/// A limit in the largest unit that it is a whole number of: `31 days`, `1 hour`.
fn in_words(limit: Duration) -> String {
    let seconds = limit.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let whole = units.into_iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, unit) = whole.unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn all_violations_are_collected_in_the_order_of_the_checks() {
        let mut found = Violations::default();
        found.required_text("display_name", "  ", 200);
        found.text("kandji.base_url", &"x".repeat(11), 10);
        assert_eq!(found.id("connection_id", "one"), Uuid::nil());
        found.not_built("mapping.filter", "Filters are not part of this version yet.");

        let fields: Vec<_> = found.check().unwrap_err().into_iter().map(|it| (it.field, it.unimplemented)).collect();
        assert_eq!(
            fields,
            [
                ("display_name".to_owned(), false),
                ("kandji.base_url".to_owned(), false),
                ("connection_id".to_owned(), false),
                ("mapping.filter".to_owned(), true),
            ]
        );
    }

    #[test]
    fn lengths_are_counted_in_characters_not_bytes() {
        let mut found = Violations::default();
        found.text("display_name", &"é".repeat(200), 200);
        assert!(found.is_empty());
        found.text("display_name", &"é".repeat(201), 200);
        assert!(!found.is_empty());
    }

    #[test]
    fn a_duration_outside_its_limits_is_a_violation_and_an_unset_one_takes_the_default() {
        let hour = Duration::from_secs(3600);
        let day = 24 * hour;
        let read = |seconds| {
            let mut found = Violations::default();
            let value = prost_types::Duration { seconds, nanos: 0 };
            found.duration("full_sync_every", Some(&value), day, hour, 366 * day);
            found.is_empty()
        };
        assert!(read(3600));
        assert!(!read(3599));
        assert!(!read(-1));
        assert!(!read(i64::MAX));
        let mut found = Violations::default();
        let value = prost_types::Duration { seconds: 1, nanos: 0 };
        found.duration("full_sync_every", Some(&value), day, hour, 366 * day);
        assert_eq!(found.check().unwrap_err()[0].message, "It must lie between 1 hour and 366 days.");
        let mut found = Violations::default();
        assert_eq!(found.duration("full_sync_every", None, day, hour, 366 * day), day);
        assert!(found.is_empty());
    }

    #[test]
    fn a_time_that_no_calendar_has_is_a_violation() {
        let mut found = Violations::default();
        let time = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(found.time("created_from", Some(&time)), None);
        assert!(!found.is_empty());
    }
}
