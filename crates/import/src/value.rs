//! How a value is written into a column: the table of the Asset Panda contract, section 6.1, cell by cell.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::cell::CellSpec;
use crate::time;
use crate::{ColumnType, SourceValue, ValueType, number};

/// Whether values of a type can be written into a column of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Every value fits.
    Always,
    /// It depends on the value; what does not fit is VALUE_UNFIT.
    Sometimes,
    /// No value fits, now or later: the mapping is warned about.
    Hardly,
    /// The mapping is refused.
    Never,
}

/// What a column takes from a field, before any value is known.
pub(crate) fn fit(value: ValueType, column: &ColumnType) -> Fit {
    use ColumnType as C;
    match (value, column) {
        (_, C::Text | C::Other(_)) => Fit::Always,
        (ValueType::Text, C::Email | C::Url | C::Person) => Fit::Always,
        (ValueType::Text, C::Boolean) => Fit::Hardly,
        (ValueType::Text, _) => Fit::Sometimes,
        (ValueType::Boolean, C::Boolean) => Fit::Always,
        (ValueType::Boolean, C::Select) => Fit::Sometimes,
        (ValueType::Time, C::Date | C::Datetime) => Fit::Always,
        (ValueType::List, C::MultiSelect) => Fit::Sometimes,
        (ValueType::Boolean | ValueType::Time | ValueType::List, _) => Fit::Never,
    }
}

/// A value in its written form, borrowed from the device and the mapping wherever it is not built anew. Both the
/// fingerprint and the cells are made from it, so that they cannot disagree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written<'a> {
    Unknown,
    Empty,
    Text(Cow<'a, str>),
    /// Sorted tags, to be joined.
    Joined {
        tags: Vec<Cow<'a, str>>,
        separator: &'a str,
    },
    Bool(bool),
    Number(Number),
    /// RFC 3339 of this second since 1970.
    Instant(i64),
    /// The UTC date of this second since 1970.
    Day(i64),
    /// Options of a multiselect, sorted.
    Options(Vec<Cow<'a, str>>),
    Unfit {
        value: Cow<'a, str>,
        why: Cow<'static, str>,
    },
}

impl Written<'_> {
    /// The value that is sent; `None` if there is none to send.
    pub(crate) fn to_value(&self) -> Option<Value> {
        Some(match self {
            Self::Unknown | Self::Empty | Self::Unfit { .. } => return None,
            Self::Text(text) => Value::from(&**text),
            Self::Joined { tags, separator } => Value::from(tags.join(separator)),
            Self::Bool(value) => Value::from(*value),
            Self::Number(number) => Value::from(number.clone()),
            Self::Instant(second) => Value::from(time::instant_text(*second)),
            Self::Day(second) => Value::from(time::date_text(*second)),
            Self::Options(options) => options.iter().map(|option| Value::from(&**option)).collect(),
        })
    }
}

/// A device's value in the form its column takes.
pub(crate) fn written<'a>(cell: &'a CellSpec, value: SourceValue<'a>) -> Written<'a> {
    match value {
        SourceValue::Unknown => Written::Unknown,
        SourceValue::Empty => Written::Empty,
        SourceValue::Text(text) if text.is_empty() => Written::Empty,
        SourceValue::List(tags) if tags.is_empty() => Written::Empty,
        SourceValue::Text(text) => written_text(cell, text),
        SourceValue::Bool(value) => written_bool(cell, value),
        SourceValue::Time(value) => written_time(cell, value),
        SourceValue::List(tags) => written_list(cell, tags),
    }
}

fn written_text<'a>(cell: &'a CellSpec, text: Cow<'a, str>) -> Written<'a> {
    match &cell.column_type {
        ColumnType::Text | ColumnType::Other(_) | ColumnType::Email | ColumnType::Url | ColumnType::Person => {
            Written::Text(text)
        }
        ColumnType::Boolean => unfit(text, "text does not say true or false"),
        ColumnType::Number | ColumnType::Currency => match number::parse(&text) {
            Ok(number) => Written::Number(number),
            Err(why) => unfit(text, why),
        },
        ColumnType::Date => match time::parse_iso(&text) {
            Some(moment) => Written::Day(moment.second()),
            None => unfit(text, "it is not a date"),
        },
        ColumnType::Datetime => match time::parse_iso(&text) {
            Some(moment) => Written::Instant(moment.second()),
            None => unfit(text, "it is not a time"),
        },
        ColumnType::Select => match option_problem(cell, &text) {
            Some(why) => Written::Unfit { value: text, why },
            None => Written::Text(text),
        },
        ColumnType::MultiSelect => match option_problem(cell, &text) {
            Some(why) => Written::Unfit { value: text, why },
            None => Written::Options(vec![text]),
        },
    }
}

fn written_bool<'a>(cell: &'a CellSpec, value: bool) -> Written<'a> {
    match &cell.column_type {
        ColumnType::Boolean => Written::Bool(value),
        ColumnType::Text | ColumnType::Other(_) => Written::Text(Cow::Borrowed(truth_name(value))),
        ColumnType::Select => match boolean_options(cell.options.as_deref()) {
            Some((yes, no)) => Written::Text(Cow::Borrowed(if value { yes } else { no })),
            None => unfit(
                Cow::Borrowed(truth_name(value)),
                "the column has neither the options Yes and No nor True and False",
            ),
        },
        _ => refused(ValueType::Boolean, Cow::Borrowed(truth_name(value))),
    }
}

fn written_time(cell: &CellSpec, value: jiff::Timestamp) -> Written<'_> {
    let second = time::whole_second(value);
    match (&cell.column_type, &cell.date_format) {
        (ColumnType::Text | ColumnType::Other(_) | ColumnType::Date | ColumnType::Datetime, Some(format)) => {
            match time::formatted(value, format) {
                Ok(text) => Written::Text(Cow::Owned(text)),
                Err(error) => Written::Unfit {
                    value: Cow::Owned(time::instant_text(second)),
                    why: Cow::Owned(format!("the date format \"{format}\" does not work: {error}")),
                },
            }
        }
        (ColumnType::Text | ColumnType::Other(_) | ColumnType::Datetime, None) => Written::Instant(second),
        (ColumnType::Date, None) => Written::Day(second),
        _ => refused(ValueType::Time, Cow::Owned(time::instant_text(second))),
    }
}

fn written_list<'a>(cell: &'a CellSpec, mut tags: Vec<Cow<'a, str>>) -> Written<'a> {
    // Kandji does not say in which order tags come: sorted, a new order is no change.
    tags.sort_unstable();
    tags.dedup();
    match &cell.column_type {
        ColumnType::Text | ColumnType::Other(_) => {
            let separator = cell.tag_separator.as_str();
            if tags.iter().any(|tag| tag.contains(separator)) {
                let tags: Value = tags.iter().map(|tag| Value::from(&**tag)).collect();
                Written::Text(Cow::Owned(tags.to_string()))
            } else {
                Written::Joined { tags, separator }
            }
        }
        ColumnType::MultiSelect => {
            let problem = tags.iter().find_map(|tag| Some((tag.clone(), option_problem(cell, tag)?)));
            match problem {
                Some((value, why)) => Written::Unfit { value, why },
                None => Written::Options(tags),
            }
        }
        _ => refused(ValueType::List, Cow::Owned(tags.join(&cell.tag_separator))),
    }
}

/// Why a text is no option of the column. Where Asset Panda does not tell the options, any text may be one.
fn option_problem(cell: &CellSpec, text: &str) -> Option<Cow<'static, str>> {
    let options = cell.options.as_deref()?;
    if options.iter().any(|option| option == text) {
        return None;
    }
    let key = crate::identifier_key(text);
    let near = options.iter().find(|option| crate::identifier_key(option) == key);
    Some(match near {
        Some(near) => Cow::Owned(format!("it is not an option of the column, but \"{near}\" is")),
        None => Cow::Borrowed("it is not an option of the column"),
    })
}

/// The options that stand for true and false: Yes and No, or True and False, in whatever case the column has them.
/// Where Asset Panda does not tell the options: Yes and No.
pub(crate) fn boolean_options(options: Option<&[String]>) -> Option<(&str, &str)> {
    let Some(options) = options else {
        return Some(("Yes", "No"));
    };
    let find = |name: &str| options.iter().map(String::as_str).find(|option| option.eq_ignore_ascii_case(name));
    find("Yes").zip(find("No")).or_else(|| find("True").zip(find("False")))
}

fn truth_name(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn unfit<'a>(value: Cow<'a, str>, why: &'static str) -> Written<'a> {
    Written::Unfit { value, why: Cow::Borrowed(why) }
}

fn refused(value_type: ValueType, value: Cow<'_, str>) -> Written<'_> {
    Written::Unfit { value, why: Cow::Owned(format!("the column does not take {}", value_type.noun())) }
}

#[cfg(test)]
mod tests;
