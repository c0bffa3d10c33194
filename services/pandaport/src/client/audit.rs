//! `audit ...`: who changed what, when and from where.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use pandaport_api::v1::ListAuditEventsRequest;

use super::{Common, PageArgs, connect, more};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// `pandaport audit ...`
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Calls that changed something, or were meant to, newest first
    List(List),
}

/// The flags of `audit list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only calls at or after this time, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only calls before this time
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// Only this call, such as `TriggerSync`
    #[arg(long, default_value = "", hide_default_value = true)]
    method: String,
    /// Only calls of this caller, by its whole name
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    actor: String,
    /// Only calls about this connection, mapping or sync
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    about: String,
    #[command(flatten)]
    page: PageArgs,
}

impl AuditCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let Self::List(args) = self;
        let time = |it: Timestamp| prost_types::Timestamp { seconds: it.as_second(), nanos: it.subsec_nanosecond() };
        let request = ListAuditEventsRequest {
            created_from: args.from.map(time),
            created_before: args.before.map(time),
            method: args.method,
            actor: args.actor,
            resource_id: args.about,
            page_size: args.page.page_size,
            page_token: args.page.page_token,
        };
        let mut client = connect(&common.client).await?;
        let answer = client.rpc().list_audit_events(request).await;
        let answer = client.answer(answer)?;
        if common.json {
            let views: Vec<_> = answer.events.iter().map(view::AuditEventView::from).collect();
            let page = serde_json::json!({
                "events": views,
                "nextPageToken": answer.next_page_token,
            });
            return Ok(console.line(view::json(&page))?);
        }
        console.line(show::audit::events(console.width(), &answer.events))?;
        if let Some(more) = more(&answer.next_page_token) {
            console.line(more)?;
        }
        Ok(())
    }
}
