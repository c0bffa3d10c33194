//! Fields and columns brought together by their names.

use pandaport_api::v1::{Column, FieldPair, SourceField};

use crate::show::text::clean;

/// A name without what two people may write differently: case, spaces, signs.
fn essence(name: &str) -> String {
    name.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The column that an id or a name means. A name counts only if it is one column's alone.
///
/// # Errors
/// A sentence that says whether there is none or more than one.
pub(crate) fn column<'a>(columns: &'a [Column], wanted: &str) -> Result<&'a Column, String> {
    if let Some(column) = columns.iter().find(|it| it.column_id == wanted) {
        return Ok(column);
    }
    let mut named = columns.iter().filter(|it| it.display_name == wanted);
    match (named.next(), named.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(format!("more than one column is named `{wanted}`: give its id")),
        (None, _) => Err(format!("there is no column `{wanted}`, by id or by name")),
    }
}

/// Looks for all columns at once.
///
/// # Errors
/// A line for each that is not found, and then the columns that there are.
pub(crate) fn check(columns: &[Column], wanted: &[&str]) -> Result<(), String> {
    let mut problems: Vec<String> = wanted.iter().filter_map(|it| column(columns, it).err()).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let twice = |it: &&Column| columns.iter().filter(|other| other.display_name == it.display_name).count() > 1;
    let (twins, others): (Vec<&Column>, Vec<&Column>) = columns.iter().partition(twice);
    let mut names: Vec<String> = others.iter().map(|it| clean(&it.display_name).into_owned()).collect();
    // Of these the name alone is no use.
    names.extend(twins.iter().map(|it| clean(&format!("{} ({})", it.display_name, it.column_id)).into_owned()));
    problems.push(match names.is_empty() {
        true => "The collection has no columns.".to_owned(),
        false => format!("The collection's columns: {}", names.join(", ")),
    });
    Err(problems.join("\n"))
}

/// A pair for each field whose display name is that of exactly one writable column, but for case, spaces and signs.
/// Columns in `taken` and the field `identifier` are left out.
#[must_use]
pub(crate) fn pairs(fields: &[SourceField], columns: &[Column], identifier: &str, taken: &[&str]) -> Vec<FieldPair> {
    fields
        .iter()
        .filter(|field| field.key != identifier)
        .filter_map(|field| {
            let name = essence(&field.display_name);
            let mut fitting = columns.iter().filter(|it| it.writable && essence(&it.display_name) == name);
            let column = fitting.next()?;
            if fitting.next().is_some() || taken.contains(&column.column_id.as_str()) {
                return None;
            }
            Some(FieldPair {
                source_field: field.key.clone(),
                column_id: column.column_id.clone(),
                ..FieldPair::default()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| Column {
                column_id: format!("c{i}"),
                display_name: (*name).to_owned(),
                writable: true,
                ..Column::default()
            })
            .collect()
    }

    fn field(key: &str, name: &str) -> SourceField {
        SourceField { key: key.into(), display_name: name.into(), ..SourceField::default() }
    }

    #[test]
    fn fields_find_the_columns_of_their_name() {
        let fields = [
            field("serial_number", "Serial Number"),
            field("last_check_in", "Last Check In"),
            field("model", "Model"),
            field("tags", "Tags"),
            field("platform", "Platform"),
        ];
        let mut columns = columns(&["Serial Number", "last check-in", "Model", "Tags", "tags", "Platform"]);
        columns[5].writable = false;
        let pairs = pairs(&fields, &columns, "serial_number", &["c2"]);
        // The identifier and a taken column are left out, two columns of one name are no answer, and what is pulled
        // from another collection can't be written.
        let found: Vec<(&str, &str)> =
            pairs.iter().map(|it| (it.source_field.as_str(), it.column_id.as_str())).collect();
        assert_eq!(found, [("last_check_in", "c1")]);
    }

    #[test]
    fn a_column_is_meant_by_its_id_or_by_a_name_of_its_own() {
        let columns = columns(&["Model", "Tags", "Tags"]);
        let id = |wanted| column(&columns, wanted).map(|it| it.column_id.as_str());
        assert_eq!(id("c1"), Ok("c1"));
        assert_eq!(id("Model"), Ok("c0"));
        assert!(id("Tags").is_err_and(|it| it.contains("more than one")));
        assert!(id("Serial").is_err_and(|it| it.contains("no column")));
    }

    #[test]
    fn all_columns_that_are_not_there_are_told_at_once_with_those_that_are() {
        let columns = columns(&["Model", "Tags", "Tags"]);
        assert_eq!(check(&columns, &["Model", "c1"]), Ok(()));
        insta::assert_snapshot!(check(&columns, &["Serial", "Model", "Tags", "Colour"]).expect_err("three are wrong"), @r"
        there is no column `Serial`, by id or by name
        more than one column is named `Tags`: give its id
        there is no column `Colour`, by id or by name
        The collection's columns: Model, Tags (c1), Tags (c2)
        ");
    }
}
