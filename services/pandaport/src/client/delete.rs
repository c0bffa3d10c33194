//! `connections delete` and `mappings delete`. What was written in Asset Panda stays as it is.

use clap::Args;
use pandaport_api::v1::{DeleteConnectionRequest, DeleteMappingRequest, LeftBehind};

use super::{Common, connect};
use crate::console::Console;
use crate::error::Error;
use crate::show::text::number;
use crate::view;

/// The flags of `connections delete`.
#[derive(Debug, Clone, Args)]
pub struct DeleteConnection {
    /// The connection
    #[arg(value_name = "ID")]
    connection: String,
    /// Delete its mappings as well; without it, a connection that has mappings is left as it is
    #[arg(long)]
    mappings: bool,
    #[command(flatten)]
    how: How,
}

/// The flags of `mappings delete`.
#[derive(Debug, Clone, Args)]
pub struct DeleteMapping {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    #[command(flatten)]
    how: How,
}

/// What both take.
#[derive(Debug, Clone, Args)]
struct How {
    /// Cancel syncs that are active; without it, nothing is deleted while there are any
    #[arg(long)]
    cancel_syncs: bool,
    /// Delete nothing if it is no longer as it was at this etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

pub(super) async fn connection(args: DeleteConnection, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = DeleteConnectionRequest {
        connection_id: args.connection,
        delete_mappings: args.mappings,
        cancel_syncs: args.how.cancel_syncs,
        etag: args.how.etag,
        request_id: args.how.request_id.unwrap_or_default(),
    };
    let answer = client.rpc().delete_connection(request).await;
    let answer = client.answer(answer)?;
    let text = if common.json {
        view::json(&view::DeletedView::from(&answer))
    } else {
        let mappings = match answer.deleted_mapping_ids.len() {
            0 => String::new(),
            1 => " and its mapping".to_owned(),
            count => format!(" and its {count} mappings"),
        };
        told(&format!("The connection{mappings}"), &answer.cancelled_sync_ids, answer.left_behind)
    };
    Ok(console.line(text)?)
}

pub(super) async fn mapping(args: DeleteMapping, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = DeleteMappingRequest {
        mapping_id: args.mapping,
        cancel_syncs: args.how.cancel_syncs,
        etag: args.how.etag,
        request_id: args.how.request_id.unwrap_or_default(),
    };
    let answer = client.rpc().delete_mapping(request).await;
    let answer = client.answer(answer)?;
    let text = if common.json {
        view::json(&view::DeletedView::from(&answer))
    } else {
        told("The mapping", &answer.cancelled_sync_ids, answer.left_behind)
    };
    Ok(console.line(text)?)
}

/// What was deleted, and what stays.
fn told(what: &str, cancelled: &[String], left: Option<LeftBehind>) -> String {
    let left = left.unwrap_or_default();
    let mut lines = vec![format!("{what} can be used no more.")];
    lines.extend((!cancelled.is_empty()).then(|| format!("Cancelled: {}", cancelled.join(", "))));
    if left.records > 0 {
        lines.push(format!("{} records stay in Asset Panda as they are.", number(left.records.into())));
    }
    if left.marked > 0 {
        lines.push(format!("{} of them keep the mark of the removal policy.", number(left.marked.into())));
    }
    if left.in_flight > 0 {
        lines.push(format!("{} more may have been created just before.", number(left.in_flight.into())));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_said() {
        let left = LeftBehind { records: 1_200, marked: 3, in_flight: 5 };
        insta::assert_snapshot!(told("The mapping", &["s-1".into()], Some(left)), @r"
        The mapping can be used no more.
        Cancelled: s-1
        1,200 records stay in Asset Panda as they are.
        3 of them keep the mark of the removal policy.
        5 more may have been created just before.
        ");
        assert_eq!(told("The mapping", &[], None), "The mapping can be used no more.");
    }
}
