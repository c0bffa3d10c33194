//! The flags that say which devices a mapping imports, what becomes of the records of those that are gone, and how much
//! may change at once.

use std::time::Duration;

use clap::{Args, ValueEnum};
use pandaport_api::v1::{Brake, Column, ColumnType, Filter, Mapping, OnFiltered, RemovalAction, RemovalPolicy};
use prost_types::Value;
use prost_types::value::Kind;

use super::by_name;
use crate::error::Error;
use crate::show::time::parse_length;

/// The policies of a mapping, as flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policies")]
pub(crate) struct PolicyArgs {
    /// Only devices of this platform, as Kandji writes it, such as Mac; may be given more than once
    #[arg(long = "platform", value_name = "NAME")]
    platforms: Vec<String>,
    /// Only devices in this blueprint; may be given more than once
    #[arg(long = "blueprint", value_name = "ID")]
    blueprints: Vec<String>,
    /// Only devices with one of these tags; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Leave out devices that Kandji lists as removed
    #[arg(long)]
    exclude_removed: bool,
    /// All devices, without any condition
    #[arg(long, conflicts_with_all = ["platforms", "blueprints", "tags", "exclude_removed"])]
    all_devices: bool,
    /// What happens to a record whose device no longer meets the conditions; unset: leave
    #[arg(long, value_name = "WHAT")]
    on_filtered: Option<OnFilteredArg>,
    /// What happens to a record whose device is gone from Kandji: leave it, mark it with --mark, or delete it if the
    /// import created it; unset: leave
    #[arg(long, value_name = "WHAT")]
    removal: Option<RemovalArg>,
    /// With --removal mark: the column, by id or by name, and what is written into it
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = parse_mark)]
    mark: Option<Mark>,
    /// With --mark: what is written when the device comes back; unset: the column is cleared
    #[arg(long, value_name = "VALUE", requires = "mark")]
    unmark: Option<String>,
    /// How long a device must be absent before it counts as gone, such as 1h or 2d; unset: 1h
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    min_absence: Option<Duration>,
    /// Hold removals and cleared values that are more than this share of the linked devices; unset: 10
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    brake_percent: Option<u32>,
    /// And at least this many of them; unset: 10
    #[arg(long, value_name = "COUNT")]
    brake_count: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnFilteredArg {
    /// The record is left as it is
    Leave,
    /// As if the device were gone
    AsRemoved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RemovalArg {
    /// Nothing
    Leave,
    /// A value is written into a column
    Mark,
    /// The record is deleted, if the import created it
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    column: String,
    value: String,
}

impl PolicyArgs {
    /// The column that a mark goes into, by id or by name.
    pub(crate) fn mark_column(&self) -> Option<&str> {
        self.mark.as_ref().map(|mark| mark.column.as_str())
    }

    /// Puts what the flags say into the mapping. Answers with the paths of what they say something about.
    ///
    /// # Errors
    /// Where a mark's column is not one of these.
    pub(crate) fn put(&self, mapping: &mut Mapping, columns: &[Column]) -> Result<Vec<&'static str>, Error> {
        let mut paths = Vec::new();
        self.put_filter(mapping, &mut paths);
        self.put_removal_policy(mapping, columns, &mut paths)?;
        if self.brake_percent.is_some() {
            paths.push("brake.max_percent");
            mapping.brake.get_or_insert(Brake::default()).max_percent = self.brake_percent;
        }
        if self.brake_count.is_some() {
            paths.push("brake.min_count");
            mapping.brake.get_or_insert(Brake::default()).min_count = self.brake_count;
        }
        Ok(paths)
    }

    fn put_filter(&self, mapping: &mut Mapping, paths: &mut Vec<&'static str>) {
        if self.all_devices {
            paths.push("filter");
            mapping.filter = None;
        }
        let set = [
            ("filter.platforms", !self.platforms.is_empty()),
            ("filter.blueprint_ids", !self.blueprints.is_empty()),
            ("filter.tags_any", !self.tags.is_empty()),
            ("filter.exclude_removed", self.exclude_removed),
        ];
        if set.iter().any(|(_, set)| *set) {
            paths.extend(set.iter().filter(|(_, set)| *set).map(|(path, _)| *path));
            mapping.filter = Some(Filter {
                platforms: self.platforms.clone(),
                blueprint_ids: self.blueprints.clone(),
                tags_any: self.tags.clone(),
                exclude_removed: self.exclude_removed,
            });
        }
        if let Some(what) = self.on_filtered {
            paths.push("on_filtered");
            mapping.on_filtered = match what {
                OnFilteredArg::Leave => OnFiltered::Leave,
                OnFilteredArg::AsRemoved => OnFiltered::AsRemoved,
            }
            .into();
        }
    }

    fn put_removal_policy(
        &self,
        mapping: &mut Mapping,
        columns: &[Column],
        paths: &mut Vec<&'static str>,
    ) -> Result<(), Error> {
        // Naming a mark is asking for it.
        let action = self.removal.or(self.mark.as_ref().map(|_| RemovalArg::Mark));
        let mut policy = RemovalPolicy::default();
        if let Some(action) = action {
            paths.extend([
                "removal_policy.action",
                "removal_policy.mark_column_id",
                "removal_policy.mark_value",
                "removal_policy.unmark_value",
            ]);
            policy.action = match action {
                RemovalArg::Leave => RemovalAction::Leave,
                RemovalArg::Mark => RemovalAction::Mark,
                RemovalArg::Delete => RemovalAction::Delete,
            }
            .into();
        }
        if let Some(mark) = &self.mark {
            let column = by_name::column(columns, &mark.column).map_err(Error::Input)?;
            policy.mark_column_id.clone_from(&column.column_id);
            policy.mark_value = Some(value(column, &mark.value));
            policy.unmark_value = self.unmark.as_deref().map(|text| value(column, text));
        }
        if let Some(length) = self.min_absence {
            paths.push("removal_policy.min_absence");
            let length = length.try_into().map_err(|_| Error::Input("--min-absence is too long".to_owned()))?;
            policy.min_absence = Some(length);
        }
        if action.is_some() || self.min_absence.is_some() {
            mapping.removal_policy = Some(policy);
        }
        Ok(())
    }
}

fn parse_mark(input: &str) -> Result<Mark, String> {
    match input.split_once('=') {
        Some((column, value)) if !column.trim().is_empty() && !value.is_empty() => {
            Ok(Mark { column: column.trim().to_owned(), value: value.to_owned() })
        }
        _ => Err("a mark looks like Status=Retired: a column, by id or by name, and a value".to_owned()),
    }
}

/// What was typed is text, save for a column of truths; the service reads numbers and dates from text.
fn value(column: &Column, text: &str) -> Value {
    let kind = match text {
        "true" | "false" if column.r#type() == ColumnType::Boolean => Kind::BoolValue(text == "true"),
        text => Kind::StringValue(text.to_owned()),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        policies: PolicyArgs,
    }

    fn put(flags: &[&str]) -> (Mapping, Vec<&'static str>) {
        let column = |id: &str, name: &str, column_type: ColumnType| Column {
            column_id: id.into(),
            display_name: name.into(),
            r#type: column_type.into(),
            ..Column::default()
        };
        let columns = [column("c1", "Status", ColumnType::Text), column("c2", "Gone", ColumnType::Boolean)];
        let line = Line::try_parse_from(std::iter::once(&"x").chain(flags)).expect("good flags");
        let mut mapping = Mapping::default();
        let paths = line.policies.put(&mut mapping, &columns).expect("known columns");
        (mapping, paths)
    }

    #[test]
    fn no_flag_says_nothing() {
        assert_eq!(put(&[]), (Mapping::default(), Vec::new()));
    }

    #[test]
    fn a_mark_is_asked_for_by_naming_it_and_is_a_truth_where_its_column_is_one() {
        let (mapping, paths) = put(&["--mark=Gone=true", "--unmark=false"]);
        let policy = mapping.removal_policy.expect("a policy");
        assert_eq!(policy.action(), RemovalAction::Mark);
        assert_eq!(policy.mark_column_id, "c2");
        assert_eq!(policy.mark_value.and_then(|it| it.kind), Some(Kind::BoolValue(true)));
        assert_eq!(policy.unmark_value.and_then(|it| it.kind), Some(Kind::BoolValue(false)));
        assert_eq!(paths.len(), 4);
        let (mapping, _) = put(&["--removal=mark", "--mark=Status=true"]);
        let value = mapping.removal_policy.and_then(|it| it.mark_value).and_then(|it| it.kind);
        assert_eq!(value, Some(Kind::StringValue("true".into())));
    }

    #[test]
    fn conditions_and_the_brake_name_the_fields_they_are_about() {
        let (mapping, paths) = put(&["--platform=Mac", "--platform=iPad", "--brake-percent=0"]);
        assert_eq!(mapping.filter.expect("a filter").platforms, ["Mac", "iPad"]);
        assert_eq!(mapping.brake, Some(Brake { max_percent: Some(0), min_count: None }));
        assert_eq!(paths, ["filter.platforms", "brake.max_percent"]);
        assert_eq!(put(&["--all-devices"]), (Mapping::default(), vec!["filter"]));
    }

    #[test]
    fn what_contradicts_itself_or_is_half_said_is_refused() {
        for flags in [vec!["--all-devices", "--tag=x"], vec!["--unmark=x"], vec!["--mark=Status"]] {
            assert!(Line::try_parse_from(std::iter::once("x").chain(flags.clone())).is_err(), "{flags:?}");
        }
    }
}
