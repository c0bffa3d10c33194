//! Tables without lines: easy on the eye, and easy to cut with other tools.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};

use super::text::clean;

/// What a column holds, which decides how it is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; wrapped where the line is too short for it.
    Text,
    /// A number; set to the right.
    Number,
    /// Something to copy; never wrapped.
    Id,
}

/// A table with a header; without rows, only a word that says so. `width` is the length of a line, `None` for as long as it takes.
#[must_use]
pub fn table(width: Option<u16>, columns: &[(&str, Kind)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "(none)".to_owned();
    }
    let mut table = bare(width);
    table.set_header(columns.iter().map(|(name, kind)| aligned(Cell::new(*name), *kind)));
    for row in rows {
        table.add_row(row.iter().zip(columns).map(|(text, (_, kind))| aligned(Cell::new(clean(text)), *kind)));
    }
    for (column, (_, kind)) in table.column_iter_mut().zip(columns) {
        if *kind != Kind::Text {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    finish(&table)
}

/// One thing, a line for each of its properties.
#[must_use]
pub fn sheet(width: Option<u16>, lines: &[(&str, String)]) -> String {
    let mut table = bare(width);
    for (name, text) in lines {
        table.add_row([Cell::new(*name), Cell::new(clean(text))]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    finish(&table)
}

fn bare(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

/// The table's text: columns two spaces apart, nothing before the first one or after the last.
fn finish(table: &Table) -> String {
    let mut table = table.clone();
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn aligned(cell: Cell, kind: Kind) -> Cell {
    match kind {
        Kind::Number => cell.set_alignment(CellAlignment::Right),
        Kind::Text | Kind::Id => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![
            vec!["a1".into(), "One Mac".into(), "5".into()],
            vec!["b22".into(), "Another, with a long name".into(), "1,250".into()],
        ]
    }

    const COLUMNS: [(&str, Kind); 3] = [("ID", Kind::Id), ("NAME", Kind::Text), ("DEVICES", Kind::Number)];

    #[test]
    fn columns_are_aligned_without_lines() {
        insta::assert_snapshot!(table(None, &COLUMNS, &rows()), @r#"
        ID   NAME                       DEVICES
        a1   One Mac                          5
        b22  Another, with a long name    1,250
        "#);
    }

    #[test]
    fn in_a_short_line_text_wraps_and_ids_stay_whole() {
        insta::assert_snapshot!(table(Some(30), &COLUMNS, &rows()), @r#"
        ID   NAME            DEVICES
        a1   One Mac               5
        b22  Another, with     1,250
             a long name
        "#);
    }

    #[test]
    fn a_sheet_has_a_line_for_each_property() {
        let lines = [("Name", "One Mac".to_owned()), ("State", "VERIFIED".to_owned())];
        insta::assert_snapshot!(sheet(None, &lines), @r#"
        Name   One Mac
        State  VERIFIED
        "#);
    }
}
