//! Whether a mapping fits the columns of its collection.

mod mark;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::{Fit, boolean_options, fit};
use crate::{Column, ColumnType, Fitness, MappingSpec, Pair, SourceField, ValueType, WriteRule, time};

/// The most pairs a mapping may have.
const MAX_PAIRS: usize = 200;
/// The longest column id, in bytes.
const MAX_COLUMN_ID: usize = 255;
/// The longest tag separator, in characters.
const MAX_SEPARATOR: usize = 16;
/// The longest date format, in characters.
const MAX_FORMAT: usize = 64;
/// The oldest that a passenger may be allowed to get.
const MAX_PASSENGER_AGE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const IDENTIFIER_FIELD: &str = "mapping.identifier.source_field";
const IDENTIFIER_COLUMN: &str = "mapping.identifier.column_id";

/// What is the matter with a mapping, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckReason {
    /// The field cannot tell devices apart; as a warning: only under a condition.
    IdentifierUnfit,
    /// The identifier's column is not unique.
    ColumnNotUnique,
    /// Asset Panda does not say whether the identifier's column is unique (a warning).
    ColumnUniquenessUnknown,
    /// The collection has no such column.
    ColumnUnknown,
    /// The column's value is pulled from another collection.
    ColumnReferenced,
    /// Two pairs write into one column.
    ColumnRepeated,
    /// A column that records need is not mapped (a warning).
    ColumnRequired,
    /// The column has another name than when the mapping was saved (a note).
    ColumnRenamed,
    /// Kandji does not tell who is active, and the column is left as it is (a note).
    UsersUnread,
    /// The column does not take such values; as a warning: not all of them, or its type is not known.
    TypeMismatch,
    /// A setting is malformed, or does not belong to this kind of field.
    FieldInvalid,
}

impl CheckReason {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentifierUnfit => "IDENTIFIER_UNFIT",
            Self::ColumnNotUnique => "COLUMN_NOT_UNIQUE",
            Self::ColumnUniquenessUnknown => "COLUMN_UNIQUENESS_UNKNOWN",
            Self::ColumnUnknown => "COLUMN_UNKNOWN",
            Self::ColumnReferenced => "COLUMN_REFERENCED",
            Self::ColumnRepeated => "COLUMN_REPEATED",
            Self::ColumnRequired => "COLUMN_REQUIRED",
            Self::ColumnRenamed => "COLUMN_RENAMED",
            Self::UsersUnread => "USERS_UNREAD",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::FieldInvalid => "FIELD_INVALID",
        }
    }
}

impl fmt::Display for CheckReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong, or worth a thought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The path in the request: `mapping.fields[3].column_id`.
    pub field: String,
    /// What is the matter.
    pub reason: CheckReason,
    /// What it is about, and what to do.
    pub message: String,
}

/// Everything found in one go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checked {
    /// The mapping is refused.
    pub violations: Vec<Finding>,
    /// The mapping is accepted, and its author is told.
    pub warnings: Vec<Finding>,
}

impl Checked {
    fn refuse(&mut self, field: impl Into<String>, reason: CheckReason, message: impl Into<String>) {
        self.violations.push(Finding { field: field.into(), reason, message: message.into() });
    }

    fn warn(&mut self, field: impl Into<String>, reason: CheckReason, message: impl Into<String>) {
        self.warnings.push(Finding { field: field.into(), reason, message: message.into() });
    }
}

/// Checks a mapping against the columns of its collection: when it is made, and at the start of every sync.
pub fn check(spec: &MappingSpec, columns: &[Column]) -> Checked {
    let mut checked = Checked::default();
    check_identifier(&mut checked, spec, columns);
    if spec.pairs.len() > MAX_PAIRS {
        checked.refuse(
            "mapping.fields",
            CheckReason::FieldInvalid,
            format!("a mapping has at most {MAX_PAIRS} pairs, not {}", spec.pairs.len()),
        );
        return checked;
    }
    let mut used = HashMap::from([(spec.identifier.column_id.as_str(), "the identifier".to_owned())]);
    for (index, pair) in spec.pairs.iter().enumerate() {
        let path = format!("mapping.fields[{index}]");
        let column_path = format!("{path}.column_id");
        if let Some(first) = used.get(pair.column_id.as_str()) {
            let message = format!("column {} is already filled by {first}; a column takes one field", pair.column_id);
            checked.refuse(&column_path, CheckReason::ColumnRepeated, message);
        } else {
            used.insert(&pair.column_id, path.clone());
        }
        check_settings(&mut checked, &path, pair);
        if let Some(column) = find_column(&mut checked, &column_path, pair.source_field, &pair.column_id, columns) {
            check_type(&mut checked, &column_path, pair.source_field, column);
        }
    }
    check_passenger_age(&mut checked, spec);
    mark::check(&mut checked, spec, columns);
    for column in columns {
        if column.required == Some(true) && !used.contains_key(column.id.as_str()) {
            let message = format!(
                "column \"{}\" is required but not mapped: Asset Panda may refuse to create records without it",
                column.name
            );
            checked.warn("mapping.fields", CheckReason::ColumnRequired, message);
        }
    }
    checked
}

/// What moved under a mapping since `before` was kept: mapped columns that are gone, or have another type (DESIGN 4.15).
pub fn moved(spec: &MappingSpec, before: &[Column], now: &[Column]) -> Vec<Finding> {
    written(spec)
        .filter_map(|(field, id)| {
            let old = before.iter().find(|column| column.id == id);
            let name = old.map_or(id, |old| &old.name);
            let (reason, message) = match now.iter().find(|column| column.id == id) {
                None => (
                    CheckReason::ColumnUnknown,
                    format!("column \"{name}\" ({id}) is no longer in the collection; map another one"),
                ),
                Some(new) => {
                    let old = old.filter(|old| old.column_type != new.column_type)?;
                    let message = format!(
                        "column \"{}\" ({id}) was of type {} and is now {}; check the mapping and save it again",
                        new.name, old.column_type, new.column_type
                    );
                    (CheckReason::TypeMismatch, message)
                }
            };
            Some(Finding { field, reason, message })
        })
        .collect()
}

/// Mapped columns that have another name than in `before`: the mapping holds on to their ids, so that is only worth a note.
pub fn renamed(spec: &MappingSpec, before: &[Column], now: &[Column]) -> Vec<Finding> {
    written(spec)
        .filter_map(|(field, id)| {
            let old = before.iter().find(|column| column.id == id)?;
            let new = now.iter().find(|column| column.id == id && column.name != old.name)?;
            let message =
                format!("column \"{}\" ({id}) is now called \"{}\"; it is written as before", old.name, new.name);
            Some(Finding { field, reason: CheckReason::ColumnRenamed, message })
        })
        .collect()
}

/// The columns that a mapping writes, each with its path in the request.
fn written(spec: &MappingSpec) -> impl Iterator<Item = (String, &str)> {
    spec.columns_written().enumerate().map(|(at, id)| {
        let field = match at.checked_sub(1) {
            None => IDENTIFIER_COLUMN.to_owned(),
            Some(pair) if pair < spec.pairs.len() => format!("mapping.fields[{pair}].column_id"),
            Some(_) => mark::COLUMN.to_owned(),
        };
        (field, id)
    })
}

fn check_identifier(checked: &mut Checked, spec: &MappingSpec, columns: &[Column]) {
    let field = spec.identifier.source_field;
    let guidance = field.guidance();
    match field.fitness() {
        Fitness::No => checked.refuse(
            IDENTIFIER_FIELD,
            CheckReason::IdentifierUnfit,
            format!(
                "{field} cannot be the unique identifier: {guidance} Device ID is recommended, Serial Number is good."
            ),
        ),
        Fitness::Acceptable | Fitness::WithCare => {
            checked.warn(
                IDENTIFIER_FIELD,
                CheckReason::IdentifierUnfit,
                format!("{field} as unique identifier: {guidance}"),
            );
        }
        Fitness::Recommended | Fitness::Good => {}
    }
    let Some(column) = find_column(checked, IDENTIFIER_COLUMN, field, &spec.identifier.column_id, columns) else {
        return;
    };
    match column.unique {
        Some(true) => {}
        Some(false) => checked.refuse(
            IDENTIFIER_COLUMN,
            CheckReason::ColumnNotUnique,
            format!("column \"{}\" is not unique: choose a unique one, or make it unique in Asset Panda", column.name),
        ),
        None => checked.warn(
            IDENTIFIER_COLUMN,
            CheckReason::ColumnUniquenessUnknown,
            format!("Asset Panda does not say whether column \"{}\" is unique: make sure that it is", column.name),
        ),
    }
    if field.fitness() == Fitness::No {
        return;
    }
    match column.column_type {
        // No two devices differ in these, or none fits.
        ColumnType::Boolean | ColumnType::Date | ColumnType::Datetime | ColumnType::MultiSelect => checked.refuse(
            IDENTIFIER_COLUMN,
            CheckReason::TypeMismatch,
            format!("a {} column cannot hold an identifier: choose a text column", column.column_type),
        ),
        _ => check_type(checked, IDENTIFIER_COLUMN, field, column),
    }
}

fn find_column<'a>(
    checked: &mut Checked,
    path: &str,
    field: SourceField,
    id: &str,
    columns: &'a [Column],
) -> Option<&'a Column> {
    if id.is_empty() || id.len() > MAX_COLUMN_ID {
        let message = format!("a column id has 1 to {MAX_COLUMN_ID} bytes; ListColumns tells them");
        checked.refuse(path, CheckReason::FieldInvalid, message);
        return None;
    }
    let Some(column) = columns.iter().find(|column| column.id == id) else {
        let named = columns.iter().find(|column| column.name.eq_ignore_ascii_case(id));
        let hint = named.map_or_else(
            || "ListColumns tells those that it has".to_owned(),
            |column| format!("the id of the column named so is {}", column.id),
        );
        let message =
            format!("{field} is mapped to column {id}, which the collection no longer has or never had: {hint}");
        checked.refuse(path, CheckReason::ColumnUnknown, message);
        return None;
    };
    if column.referenced {
        let message =
            format!("column \"{}\" takes its value from another collection and cannot be written", column.name);
        checked.refuse(path, CheckReason::ColumnReferenced, message);
        return None;
    }
    Some(column)
}

fn check_type(checked: &mut Checked, path: &str, field: SourceField, column: &Column) {
    let (name, column_type) = (&column.name, &column.column_type);
    let value_type = field.value_type();
    let noun = value_type.noun();
    match fit(value_type, column_type) {
        Fit::Never => {
            let message = format!("{field} is {noun}, which the {column_type} column \"{name}\" does not take");
            checked.refuse(path, CheckReason::TypeMismatch, message);
        }
        Fit::Hardly => {
            let message = format!(
                "{field} is {noun}: devices that have one are rejected, for \"{name}\" is a {column_type} column"
            );
            checked.warn(path, CheckReason::TypeMismatch, message);
        }
        Fit::Sometimes if value_type == ValueType::Boolean && boolean_options(column.options.as_deref()).is_none() => {
            let message = format!(
                "{field} is {noun}, and column \"{name}\" has neither the options Yes and No nor True and False"
            );
            checked.refuse(path, CheckReason::TypeMismatch, message);
        }
        Fit::Sometimes if value_type != ValueType::Boolean => {
            let message = match column_type {
                ColumnType::Select | ColumnType::MultiSelect => {
                    format!("a device whose {field} is not among the options of column \"{name}\" is rejected")
                }
                _ => format!("{field} is {noun}: devices whose value is not a {column_type} are rejected"),
            };
            checked.warn(path, CheckReason::TypeMismatch, message);
        }
        Fit::Sometimes if column.options.is_none() => {
            let message = format!("Asset Panda does not tell the options of column \"{name}\": Yes and No are sent");
            checked.warn(path, CheckReason::TypeMismatch, message);
        }
        Fit::Always if !column_type.is_known() => {
            let message =
                format!("how column \"{name}\" of type {column_type} takes values is not known: text is sent");
            checked.warn(path, CheckReason::TypeMismatch, message);
        }
        Fit::Always | Fit::Sometimes => {}
    }
}

fn check_settings(checked: &mut Checked, path: &str, pair: &Pair) {
    let field = pair.source_field;
    if let Some(separator) = &pair.tag_separator {
        let path = format!("{path}.tag_separator");
        if field.value_type() != ValueType::List {
            let message = format!("{field} is {}: only lists have a tag separator", field.value_type().noun());
            checked.refuse(path, CheckReason::FieldInvalid, message);
        } else if separator.is_empty() || separator.chars().count() > MAX_SEPARATOR {
            let message = format!("a tag separator has 1 to {MAX_SEPARATOR} characters; leave it out for \", \"");
            checked.refuse(path, CheckReason::FieldInvalid, message);
        }
    }
    if let Some(format) = &pair.date_format {
        let problem = if field.value_type() == ValueType::Time {
            format_problem(format)
        } else {
            Some(format!("{field} is {}: only times have a date format", field.value_type().noun()))
        };
        if let Some(message) = problem {
            checked.refuse(format!("{path}.date_format"), CheckReason::FieldInvalid, message);
        }
    }
}

fn format_problem(format: &str) -> Option<String> {
    if format.is_empty() || format.chars().count() > MAX_FORMAT {
        return Some(format!("a date format has 1 to {MAX_FORMAT} characters; leave it out for RFC 3339"));
    }
    // Two times that differ in everything: a format that makes them equal shows nothing of the time.
    let sample = |second| {
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        time::formatted(time, format)
    };
    match (sample(0), sample(1_795_166_042)) {
        (Err(error), _) | (_, Err(error)) => Some(format!("\"{format}\" is not a strftime format: {error}")),
        (Ok(a), Ok(b)) if a == b => Some(format!("\"{format}\" shows nothing of the time; an example is %Y-%m-%d")),
        _ => None,
    }
}

fn check_passenger_age(checked: &mut Checked, spec: &MappingSpec) {
    let any = spec.pairs.iter().any(|pair| pair.write_rule == WriteRule::Passenger);
    let age = spec.passenger_max_age;
    if any && (age < Duration::from_secs(1) || age > MAX_PASSENGER_AGE) {
        let message = "between one second and 366 days; leave it out for a day";
        checked.refuse("mapping.passenger_max_age", CheckReason::FieldInvalid, message);
    }
}

#[cfg(test)]
mod tests;
