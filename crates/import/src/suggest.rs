//! Which pairs a mapping of a collection could begin with, by the names and types of its columns.

mod names;

use crate::value::{Fit, boolean_options, fit};
use crate::{Column, ColumnType, Fitness, SourceField, ValueType};

use names::Likeness;

/// How sure a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A resemblance: for a person to decide on.
    Low,
    /// Another usual name, the name among other words, or values that may not all fit.
    Medium,
    /// The column has the field's name and takes all its values.
    High,
}

/// A field and the column that it could go into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The field.
    pub source_field: SourceField,
    /// The column's id.
    pub column_id: String,
    /// The column's name.
    pub column_name: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why, in a sentence.
    pub why: String,
}

/// A field or a column for which there is no proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unplaced {
    /// No column can take the identifier, and why.
    Identifier(String),
    /// A field without a column, and why.
    Field(SourceField, String),
    /// A column without a field, by id and name, and why.
    Column(String, String, String),
}

/// What a mapping could begin with. Taken together, identifier and pairs pass [`check`](crate::check).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suggestion {
    /// What could say which record belongs to which device.
    pub identifier: Option<Proposal>,
    /// The further pairs, in the order of the fields' names. Those of [`Confidence::Low`] are for a person to decide on.
    pub pairs: Vec<Proposal>,
    /// What is left over.
    pub unplaced: Vec<Unplaced>,
}

/// Proposes pairs: each field and each column at most once.
pub fn suggest(columns: &[Column]) -> Suggestion {
    let mut candidates: Vec<Candidate<'_>> = SourceField::ALL
        .into_iter()
        .flat_map(|field| columns.iter().filter_map(move |column| Candidate::of(field, column)))
        .collect();
    // The sort is stable: of equals, the field that comes first in the catalogue, then the column that does.
    candidates.sort_by_key(Candidate::rank);
    let mut suggestion = Suggestion::default();
    let identifier = candidates.iter().filter(|it| it.can_identify()).min_by_key(|it| it.rank_as_identifier());
    match identifier {
        Some(found) => suggestion.identifier = Some(found.as_identifier()),
        None => suggestion.unplaced.push(Unplaced::Identifier(no_identifier(&candidates))),
    }
    let is_taken = |it: &Candidate<'_>, suggestion: &Suggestion, unclear: &[SourceField]| {
        let proposed = suggestion.identifier.iter().chain(&suggestion.pairs);
        unclear.contains(&it.field)
            || proposed.into_iter().any(|pair| pair.source_field == it.field || pair.column_id == it.column.id)
    };
    let mut unclear = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        if is_taken(candidate, &suggestion, &unclear) {
            continue;
        }
        let rival = candidates[at + 1..].iter().find(|it| {
            it.field == candidate.field && it.rank() == candidate.rank() && !is_taken(it, &suggestion, &unclear)
        });
        if let Some(rival) = rival {
            unclear.push(candidate.field);
            let why = format!(
                "The columns \"{}\" ({}) and \"{}\" ({}) fit it equally well: choose one.",
                candidate.column.name, candidate.column.id, rival.column.name, rival.column.id
            );
            suggestion.unplaced.push(Unplaced::Field(candidate.field, why));
            continue;
        }
        suggestion.pairs.push(candidate.proposal());
    }
    suggestion.pairs.sort_by_key(|pair| pair.source_field);
    leave_over(&mut suggestion, columns);
    suggestion
}

/// Says of everything that has found no place why.
fn leave_over(suggestion: &mut Suggestion, columns: &[Column]) {
    let proposed: Vec<&Proposal> = suggestion.identifier.iter().chain(&suggestion.pairs).collect();
    let told = |field| suggestion.unplaced.iter().any(|it| matches!(it, Unplaced::Field(it, _) if *it == field));
    let mut more = Vec::new();
    for field in SourceField::ALL {
        if !told(field) && !proposed.iter().any(|it| it.source_field == field) {
            more.push(Unplaced::Field(field, no_column(field, columns)));
        }
    }
    for column in columns.iter().filter(|column| !proposed.iter().any(|it| it.column_id == column.id)) {
        let why = if column.referenced {
            "It takes its value from another collection and can't be written."
        } else if column.required == Some(true) {
            "No field is named like it, and records need a value in it: Asset Panda may refuse to create any without."
        } else {
            "No field is named like it."
        };
        more.push(Unplaced::Column(column.id.clone(), column.name.clone(), why.to_owned()));
    }
    suggestion.unplaced.extend(more);
}

/// Why a field has no column: the best of those that are named like it can't take its values, or there is none.
fn no_column(field: SourceField, columns: &[Column]) -> String {
    let named = columns.iter().find(|column| names::likeness(field, &column.name) >= Some(Likeness::AnotherName));
    match named {
        Some(column) if column.referenced => {
            format!("Column \"{}\" takes its value from another collection and can't be written.", column.name)
        }
        Some(column) if !takes(field, column) => format!(
            "Column \"{}\" is a {} column, and {field} is {}: its values don't fit.",
            column.name,
            column.column_type,
            field.value_type().noun()
        ),
        Some(column) => format!("Column \"{}\" fits another field better.", column.name),
        None => "No column is named like it.".to_owned(),
    }
}

fn no_identifier(candidates: &[Candidate<'_>]) -> String {
    let named = candidates.iter().find(|it| {
        it.likeness >= Likeness::AnotherName && it.field.fitness() <= Fitness::Good && it.column.unique == Some(false)
    });
    let begin = match named {
        Some(it) => format!("Column \"{}\" fits {}, but is not unique", it.column.name, it.field),
        None => "No column is named like a field that can tell devices apart".to_owned(),
    };
    format!(
        "{begin}: make a unique text column for the Device ID or the Serial Number, or choose the identifier by hand."
    )
}

/// A pair that is possible.
struct Candidate<'a> {
    field: SourceField,
    column: &'a Column,
    likeness: Likeness,
    fit: Fit,
}

impl<'a> Candidate<'a> {
    fn of(field: SourceField, column: &'a Column) -> Option<Self> {
        let likeness = names::likeness(field, &column.name)?;
        let possible = !column.referenced && takes(field, column);
        possible.then(|| Self { field, column, likeness, fit: fit(field.value_type(), &column.column_type) })
    }

    fn confidence(&self) -> Confidence {
        let by_name = match self.likeness {
            Likeness::SameName => Confidence::High,
            Likeness::AnotherName | Likeness::AmongWords => Confidence::Medium,
            Likeness::Resemblance => Confidence::Low,
        };
        if self.is_sure() { by_name } else { by_name.min(Confidence::Medium) }
    }

    /// Whether every value fits, in a way that is known.
    fn is_sure(&self) -> bool {
        self.fit == Fit::Always && self.column.column_type.is_known()
    }

    /// The best comes first.
    fn rank(&self) -> (std::cmp::Reverse<Likeness>, bool, u8) {
        (
            std::cmp::Reverse(self.likeness),
            !self.is_sure(),
            preference(self.field.value_type(), &self.column.column_type),
        )
    }

    fn can_identify(&self) -> bool {
        self.field.fitness() != Fitness::No
            && self.likeness >= Likeness::AnotherName
            && self.column.unique != Some(false)
            && matches!(self.column.column_type, ColumnType::Text | ColumnType::Email)
    }

    /// The best identifier comes first: a field that is made for it, then a column of which it is known that it is unique.
    fn rank_as_identifier(&self) -> (bool, bool, Fitness, std::cmp::Reverse<Likeness>) {
        let fitness = self.field.fitness();
        (fitness > Fitness::Good, self.column.unique != Some(true), fitness, std::cmp::Reverse(self.likeness))
    }

    fn proposal(&self) -> Proposal {
        Proposal {
            source_field: self.field,
            column_id: self.column.id.clone(),
            column_name: self.column.name.clone(),
            confidence: self.confidence(),
            why: self.why(),
        }
    }

    fn as_identifier(&self) -> Proposal {
        let unique = match self.column.unique {
            Some(true) => "The column is unique.",
            _ => "Asset Panda does not say whether the column is unique: make it so.",
        };
        let why = format!("{} {} {unique}", self.why(), self.field.guidance());
        let is_sure = self.column.unique == Some(true) && self.field.fitness() <= Fitness::Good;
        let confidence = if is_sure { self.confidence() } else { self.confidence().min(Confidence::Medium) };
        Proposal { why, confidence, ..self.proposal() }
    }

    fn why(&self) -> String {
        let by_name = match self.likeness {
            Likeness::SameName => "The column has the field's name".to_owned(),
            Likeness::AnotherName => format!("\"{}\" is another usual name for {}", self.column.name, self.field),
            Likeness::AmongWords => format!("The column's name holds \"{}\"", self.field),
            Likeness::Resemblance => format!("The column's name resembles \"{}\"", self.field),
        };
        let column_type = &self.column.column_type;
        match self.fit {
            Fit::Always if column_type.is_known() => format!("{by_name}."),
            Fit::Always => format!("{by_name}; how a column of type {column_type} takes values is not known."),
            _ if self.field.value_type() == ValueType::Boolean => format!("{by_name}; it has options for yes and no."),
            _ => format!("{by_name}; it is a {column_type} column: devices whose value does not fit are rejected."),
        }
    }
}

/// Whether a column takes values of a field, as `check` sees it.
fn takes(field: SourceField, column: &Column) -> bool {
    match fit(field.value_type(), &column.column_type) {
        Fit::Always => true,
        Fit::Sometimes => {
            field.value_type() != ValueType::Boolean || boolean_options(column.options.as_deref()).is_some()
        }
        Fit::Hardly | Fit::Never => false,
    }
}

/// Of two columns with one name, the one whose type says more of the values comes first.
fn preference(value: ValueType, column: &ColumnType) -> u8 {
    match (value, column) {
        (ValueType::Time, ColumnType::Datetime)
        | (ValueType::Boolean, ColumnType::Boolean)
        | (ValueType::List, ColumnType::MultiSelect)
        | (ValueType::Text, ColumnType::Text | ColumnType::Email) => 0,
        (ValueType::Time, ColumnType::Date) | (ValueType::Boolean, ColumnType::Select) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
