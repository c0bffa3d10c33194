//! `mappings approve`: look at what the brake holds, then let it through.

use clap::Args;
use pandaport_api::v1::{ApproveHeldRequest, GetMappingRequest};

use super::{Common, connect};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// The flags of `mappings approve`.
#[derive(Debug, Clone, Args)]
pub struct Approve {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    /// The digest of what was shown: that is approved, and nothing more. Without it, what is held is shown, and nothing
    /// is approved
    #[arg(long)]
    digest: Option<String>,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT", requires = "digest")]
    request_id: Option<String>,
}

pub(super) async fn approve(args: Approve, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let Some(digest) = args.digest else {
        let answer = client.rpc().get_mapping(GetMappingRequest { mapping_id: args.mapping.clone() }).await;
        let held = client.answer(answer)?.mapping.unwrap_or_default().held;
        let text = match (&held, common.json) {
            (Some(held), true) => view::json(&view::HeldView::from(held)),
            (None, true) => "{}".to_owned(),
            (Some(held), false) => format!(
                "{}\n\n→ pandaport mappings approve {} --digest {}",
                show::held::held(console.width(), held),
                args.mapping,
                held.digest
            ),
            (None, false) => "Nothing is held.".to_owned(),
        };
        return Ok(console.line(text)?);
    };
    let request =
        ApproveHeldRequest { mapping_id: args.mapping, digest, request_id: args.request_id.unwrap_or_default() };
    let answer = client.rpc().approve_held(request).await;
    let sync = client.answer(answer)?.sync.unwrap_or_default();
    let text = if common.json {
        view::json(&view::SyncView::from(&sync))
    } else {
        format!("Approved: sync {} is queued for it.\n→ pandaport syncs watch {}", sync.sync_id, sync.sync_id)
    };
    Ok(console.line(text)?)
}
