//! `mappings update`, `pause` and `resume`: what happens to a mapping that is there.

use clap::Args;
use pandaport_api::v1::{
    Column, FieldPair, GetMappingRequest, Mapping, PauseMappingRequest, ResumeMappingRequest, Sync,
    UpdateMappingRequest, Warning,
};

use super::pair::PairArg;
use super::policy::PolicyArgs;
use super::schedule::ScheduleArgs;
use super::{Common, by_name, catalog, connect};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// The flags of `mappings update`. What no flag names stays as it is.
#[derive(Debug, Clone, Args)]
pub struct Update {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// All further pairs, in place of those there are; may be given more than once
    #[arg(long = "field", value_name = "FIELD=COLUMN[:RULE]", conflicts_with_all = ["add_fields", "drop_fields"])]
    fields: Vec<PairArg>,
    /// A pair more, or another one for its column; may be given more than once
    #[arg(long = "add-field", value_name = "FIELD=COLUMN[:RULE]")]
    add_fields: Vec<PairArg>,
    /// A column, by id or by name, that is written no longer; its values stay. May be given more than once
    #[arg(long = "drop-field", value_name = "COLUMN")]
    drop_fields: Vec<String>,
    #[command(flatten)]
    schedule: ScheduleArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

pub(super) async fn update(args: Update, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = GetMappingRequest { mapping_id: args.mapping.clone() };
    let stored = client.rpc().get_mapping(request).await;
    let stored = client.answer(stored)?.mapping.unwrap_or_default();
    let columns = if args.names_columns() {
        catalog::columns(&mut client, &stored.connection_id, &stored.collection_id).await?
    } else {
        Vec::new()
    };
    let (mapping, paths) = args.change(&stored, &columns)?;
    let request = UpdateMappingRequest {
        mapping_id: args.mapping,
        mapping: Some(mapping),
        update_mask: Some(prost_types::FieldMask { paths: paths.into_iter().map(str::to_owned).collect() }),
        etag: stored.etag,
        request_id: args.request_id.unwrap_or_default(),
    };
    let answer = client.rpc().update_mapping(request).await;
    let answer = client.answer(answer)?;
    let parts = (answer.mapping.as_ref(), answer.warnings.as_slice(), answer.sync.as_ref());
    let text = saved(common, console, parts, "A sync is queued");
    Ok(console.line(text)?)
}

impl Update {
    fn names_columns(&self) -> bool {
        !self.fields.is_empty()
            || !self.add_fields.is_empty()
            || !self.drop_fields.is_empty()
            || self.policies.mark_column().is_some()
    }

    /// The mapping with what the flags say, and the paths of that.
    fn change(&self, stored: &Mapping, columns: &[Column]) -> Result<(Mapping, Vec<&'static str>), Error> {
        let mut mapping = Mapping { fields: stored.fields.clone(), ..Mapping::default() };
        let mut paths = Vec::new();
        if let Some(name) = &self.name {
            paths.push("display_name");
            mapping.display_name.clone_from(name);
        }
        let pairs: Vec<&PairArg> = self.fields.iter().chain(&self.add_fields).collect();
        let mut wanted: Vec<&str> = pairs.iter().map(|pair| pair.column.as_str()).collect();
        // A column that is gone is dropped by its id.
        let mapped = |id: &str| stored.fields.iter().any(|pair| pair.column_id == id);
        wanted.extend(self.drop_fields.iter().map(String::as_str).filter(|id| !mapped(id)));
        wanted.extend(self.policies.mark_column());
        by_name::check(columns, &wanted).map_err(Error::Input)?;
        if !pairs.is_empty() || !self.drop_fields.is_empty() {
            paths.push("fields");
            if !self.fields.is_empty() {
                mapping.fields.clear();
            }
            for column in &self.drop_fields {
                let id = if mapped(column) { column } else { &found(columns, column)?.column_id };
                mapping.fields.retain(|pair| pair.column_id != *id);
            }
            for pair in pairs {
                let column_id = found(columns, &pair.column)?.column_id.clone();
                let new = FieldPair {
                    source_field: pair.source_field.clone(),
                    write_rule: pair.write_rule.into(),
                    column_id: column_id.clone(),
                    ..FieldPair::default()
                };
                match mapping.fields.iter_mut().find(|it| it.column_id == column_id && self.fields.is_empty()) {
                    Some(old) => *old = new,
                    None => mapping.fields.push(new),
                }
            }
        }
        paths.extend(self.schedule.put(&mut mapping)?);
        paths.extend(self.policies.put(&mut mapping, columns)?);
        if paths.is_empty() {
            return Err(Error::Input("nothing to change: give at least one flag, see --help".to_owned()));
        }
        Ok((mapping, paths))
    }
}

fn found<'a>(columns: &'a [Column], wanted: &str) -> Result<&'a Column, Error> {
    by_name::column(columns, wanted).map_err(Error::Input)
}

/// A mapping that was saved, what is to be minded about it, and the sync that `queued` tells of.
pub(super) fn saved(
    common: &Common,
    console: &Console,
    (mapping, warnings, sync): (Option<&Mapping>, &[Warning], Option<&Sync>),
    queued: &str,
) -> String {
    if common.json {
        return view::json(&view::SavedMappingView::new(mapping, warnings, sync));
    }
    let mut parts = Vec::new();
    parts.extend(mapping.map(|it| show::mapping::mapping(console.width(), it)));
    parts.extend((!warnings.is_empty()).then(|| show::mapping::warnings(warnings)));
    parts.extend(sync.map(|it| format!("{queued}: pandaport syncs watch {}", it.sync_id)));
    parts.join("\n\n")
}

pub(super) async fn pause(mapping_id: String, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().pause_mapping(PauseMappingRequest { mapping_id }).await;
    let mapping = client.answer(answer)?.mapping.unwrap_or_default();
    one(&mapping, common, console)
}

pub(super) async fn resume(mapping_id: String, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().resume_mapping(ResumeMappingRequest { mapping_id }).await;
    let mapping = client.answer(answer)?.mapping.unwrap_or_default();
    one(&mapping, common, console)
}

/// One mapping, whole.
pub(super) fn one(mapping: &Mapping, common: &Common, console: &mut Console) -> Result<(), Error> {
    let text = if common.json {
        view::json(&view::MappingView::from(mapping))
    } else {
        show::mapping::mapping(console.width(), mapping)
    };
    Ok(console.line(text)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use pandaport_api::v1::WriteRule;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn change(flags: &[&str]) -> Result<(Mapping, Vec<&'static str>), Error> {
        let column =
            |id: &str, name: &str| Column { column_id: id.into(), display_name: name.into(), ..Column::default() };
        let columns = [column("c1", "Model"), column("c2", "Platform")];
        let pair = |field: &str, id: &str| FieldPair {
            source_field: field.into(),
            column_id: id.into(),
            ..FieldPair::default()
        };
        let stored = Mapping { fields: vec![pair("model", "c1"), pair("tags", "gone")], ..Mapping::default() };
        let line = Line::try_parse_from(["x", "m-1"].iter().chain(flags)).expect("good flags");
        line.update.change(&stored, &columns)
    }

    fn pairs(flags: &[&str]) -> Vec<(String, String)> {
        let (mapping, paths) = change(flags).expect("known columns");
        assert_eq!(paths, ["fields"]);
        mapping.fields.into_iter().map(|it| (it.source_field, it.column_id)).collect()
    }

    #[test]
    fn pairs_are_added_changed_and_dropped_one_by_one_or_replaced() {
        let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
        let added = of(&[("model", "c1"), ("tags", "gone"), ("platform", "c2")]);
        assert_eq!(pairs(&["--add-field=platform=Platform"]), added);
        assert_eq!(pairs(&["--add-field=device_name=Model"]), of(&[("device_name", "c1"), ("tags", "gone")]));
        assert_eq!(pairs(&["--drop-field=gone", "--drop-field=Model"]), of(&[]));
        assert_eq!(pairs(&["--field=platform=Platform"]), of(&[("platform", "c2")]));
        let (mapping, _) = change(&["--add-field=model=Model:fill-only"]).expect("known columns");
        assert_eq!(mapping.fields[0].write_rule(), WriteRule::FillOnly);
    }

    #[test]
    fn only_what_a_flag_names_is_changed() {
        let (_, paths) = change(&["--name=Macs", "--manual", "--brake-count=3"]).expect("good flags");
        assert_eq!(paths, ["display_name", "schedule", "brake.min_count"]);
        assert!(change(&[]).is_err());
        assert!(change(&["--drop-field=Nowhere"]).is_err());
    }
}
