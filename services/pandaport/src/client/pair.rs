//! Field pairs as they are written on the command line: `serial_number=<column>[:rule]`.

use std::str::FromStr;

use pandaport_api::v1::WriteRule;

/// One source field and the column it goes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairArg {
    /// The field's key.
    pub(crate) source_field: String,
    /// The column, by id or by name.
    pub(crate) column: String,
    /// When it is written; `Unspecified` where it was not said.
    pub(crate) write_rule: WriteRule,
}

impl FromStr for PairArg {
    type Err = String;

    fn from_str(input: &str) -> Result<Self, String> {
        let (field, column) = input.split_once('=').ok_or("a pair looks like serial_number=<column>")?;
        // A column's name may hold a colon: only what is a rule is taken for one.
        let (column, write_rule) = column
            .rsplit_once(':')
            .and_then(|(column, rule)| Some((column, write_rule(rule)?)))
            .unwrap_or((column, WriteRule::Unspecified));
        let field = field.trim();
        let column = column.trim();
        if field.is_empty() || column.is_empty() {
            return Err("a pair needs a field and a column: serial_number=<column>".to_owned());
        }
        Ok(Self { source_field: field.to_owned(), column: column.to_owned(), write_rule })
    }
}

fn write_rule(text: &str) -> Option<WriteRule> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "trigger" => WriteRule::Trigger,
        "passenger" => WriteRule::Passenger,
        "fill-only" | "fill_only" => WriteRule::FillOnly,
        "create-only" | "create_only" => WriteRule::CreateOnly,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("model=c1", "model", "c1", WriteRule::Unspecified)]
    #[case("last_check_in=c1:passenger", "last_check_in", "c1", WriteRule::Passenger)]
    #[case("model=c1:fill-only", "model", "c1", WriteRule::FillOnly)]
    #[case("model=Device: model", "model", "Device: model", WriteRule::Unspecified)]
    #[case("model=Device: model:trigger", "model", "Device: model", WriteRule::Trigger)]
    #[case("model=a=b", "model", "a=b", WriteRule::Unspecified)]
    fn a_pair_is_read(#[case] input: &str, #[case] field: &str, #[case] column: &str, #[case] rule: WriteRule) {
        let pair: PairArg = input.parse().expect("a pair");
        assert_eq!(pair.source_field, field);
        assert_eq!(pair.column, column);
        assert_eq!(pair.write_rule, rule);
    }

    #[rstest]
    #[case("model")]
    #[case("=c1")]
    #[case("model=")]
    #[case("model=:trigger")]
    fn half_a_pair_is_refused(#[case] input: &str) {
        assert!(input.parse::<PairArg>().is_err());
    }
}
