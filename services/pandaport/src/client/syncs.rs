//! `syncs ...`: start syncs, follow them, and see what they did.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use pandaport_api::v1::{
    CancelSyncRequest, GetSyncRequest, ListSyncRecordsRequest, ListSyncsRequest, RecordOutcome, Sync, SyncMode,
    SyncState, TriggerSyncRequest,
};

use super::watch::{Follow, watch};
use super::{Client, Common, PageArgs, connect, more};
use crate::console::Console;
use crate::error::Error;
use crate::show::name;
use crate::{show, view};

/// `pandaport syncs ...`
#[derive(Debug, Clone, Subcommand)]
pub enum SyncsCommand {
    /// Start a sync of a mapping now
    Trigger(Trigger),
    /// Follow a sync to its end
    Watch(One),
    /// Syncs, newest first
    List(List),
    /// One sync as it is now
    Get(One),
    /// Ask a sync to stop; what it wrote stays written
    Cancel(One),
    /// What a sync did with each device, with old and new values
    Records(Records),
}

/// The flags of `syncs trigger`.
#[derive(Debug, Clone, Args)]
pub struct Trigger {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    /// Look every record up, and repair what was edited or deleted in Asset Panda
    #[arg(long)]
    full: bool,
    /// Only say what it would do: `syncs records` then shows it, and nothing is written
    #[arg(long)]
    dry_run: bool,
    /// Try rejected devices again that would not be tried yet
    #[arg(long)]
    retry_rejected: bool,
    /// Do exactly what this dry run said, or refuse
    #[arg(long, value_name = "SYNC")]
    plan_of: Option<String>,
    /// Follow it to its end
    #[arg(long)]
    watch: bool,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

/// Names one sync.
#[derive(Debug, Clone, Args)]
pub struct One {
    /// The sync
    #[arg(value_name = "SYNC")]
    sync: String,
}

/// The flags of `syncs list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only syncs of this mapping
    #[arg(long, value_name = "ID")]
    mapping: Option<String>,
    /// Only syncs in this state; may be given more than once
    #[arg(long = "state", value_parser = sync_state)]
    states: Vec<SyncState>,
    #[command(flatten)]
    page: PageArgs,
}

/// The flags of `syncs records`.
#[derive(Debug, Clone, Args)]
pub struct Records {
    /// The sync
    #[arg(value_name = "SYNC")]
    sync: String,
    /// Only records with this outcome; may be given more than once
    #[arg(long = "outcome", value_parser = record_outcome)]
    outcomes: Vec<RecordOutcome>,
    #[command(flatten)]
    page: PageArgs,
}

impl SyncsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// [`Error::NotGood`] where a followed sync did not end well; else as of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let mut client = connect(&common.client).await?;
        match self {
            Self::Trigger(args) => trigger(args, &mut client, common, console).await,
            Self::Watch(args) => follow(&args.sync, &mut client, common, console).await,
            Self::List(args) => list(args, &mut client, common, console).await,
            Self::Get(args) => {
                let request = GetSyncRequest { sync_id: args.sync };
                let answer = client.rpc().get_sync(request).await;
                let sync = client.answer(answer)?.sync.unwrap_or_default();
                one(&sync, common, console)
            }
            Self::Cancel(args) => {
                let request = CancelSyncRequest { sync_id: args.sync };
                let answer = client.rpc().cancel_sync(request).await;
                let sync = client.answer(answer)?.sync.unwrap_or_default();
                one(&sync, common, console)
            }
            Self::Records(args) => records(args, &mut client, common, console).await,
        }
    }
}

async fn trigger(args: Trigger, client: &mut Client, common: &Common, console: &mut Console) -> Result<(), Error> {
    // Not said, it is the plan's own, or INCREMENTAL.
    let mode = if args.full { SyncMode::Full } else { SyncMode::Unspecified };
    let request = TriggerSyncRequest {
        mapping_id: args.mapping,
        mode: mode.into(),
        dry_run: args.dry_run,
        retry_rejected: args.retry_rejected,
        plan_of: args.plan_of.unwrap_or_default(),
        request_id: args.request_id.unwrap_or_default(),
    };
    let answer = client.rpc().trigger_sync(request).await;
    let answer = client.answer(answer)?;
    let sync = answer.sync.clone().unwrap_or_default();
    if args.watch {
        if !common.json {
            console.line(triggered(&sync, answer.already_active))?;
        }
        return follow(&sync.sync_id, client, common, console).await;
    }
    let text = if common.json {
        view::json(&view::TriggeredView::from(&answer))
    } else {
        format!("{}\n→ pandaport syncs watch {}", triggered(&sync, answer.already_active), sync.sync_id)
    };
    Ok(console.line(text)?)
}

fn triggered(sync: &Sync, already_active: bool) -> String {
    if already_active {
        format!("Sync {} was active already.", sync.sync_id)
    } else {
        format!("Sync {} is queued.", sync.sync_id)
    }
}

async fn follow(sync_id: &str, client: &mut Client, common: &Common, console: &mut Console) -> Result<(), Error> {
    let how = if common.json { Follow::Json } else { Follow::people(console) };
    let sync = watch(client, console, sync_id, how).await?;
    if !common.json {
        console.line(show::sync::outcome(console.width(), &sync, Timestamp::now()))?;
        console.line(String::new())?;
        console.line(show::sync::sentence(&sync))?;
    }
    match sync.state() {
        SyncState::Failed | SyncState::Cancelled | SyncState::Held => {
            Err(Error::NotGood(format!("the sync ended as {}", name::short(sync.state().as_str_name(), "SYNC_STATE_"))))
        }
        _ => Ok(()),
    }
}

async fn list(args: List, client: &mut Client, common: &Common, console: &mut Console) -> Result<(), Error> {
    let request = ListSyncsRequest {
        mapping_id: args.mapping.unwrap_or_default(),
        states: args.states.into_iter().map(Into::into).collect(),
        page_size: args.page.page_size,
        page_token: args.page.page_token,
        ..ListSyncsRequest::default()
    };
    let answer = client.rpc().list_syncs(request).await;
    let answer = client.answer(answer)?;
    if common.json {
        let views: Vec<_> = answer.syncs.iter().map(view::SyncView::from).collect();
        let page = serde_json::json!({
            "syncs": views,
            "nextPageToken": answer.next_page_token,
        });
        return Ok(console.line(view::json(&page))?);
    }
    let now = Timestamp::now();
    console.line(show::sync::syncs(console.width(), &answer.syncs, now))?;
    if let Some(more) = more(&answer.next_page_token) {
        console.line(more)?;
    }
    Ok(())
}

fn one(sync: &Sync, common: &Common, console: &mut Console) -> Result<(), Error> {
    let text = if common.json {
        view::json(&view::SyncView::from(sync))
    } else {
        show::sync::sync(console.width(), sync, Timestamp::now())
    };
    Ok(console.line(text)?)
}

async fn records(args: Records, client: &mut Client, common: &Common, console: &mut Console) -> Result<(), Error> {
    let request = ListSyncRecordsRequest {
        sync_id: args.sync,
        outcomes: args.outcomes.into_iter().map(Into::into).collect(),
        page_size: args.page.page_size,
        page_token: args.page.page_token,
    };
    let answer = client.rpc().list_sync_records(request).await;
    let answer = client.answer(answer)?;
    if common.json {
        let views: Vec<_> = answer.records.iter().map(view::RecordView::from).collect();
        let page = serde_json::json!({
            "records": views,
            "nextPageToken": answer.next_page_token,
        });
        return Ok(console.line(view::json(&page))?);
    }
    console.line(show::record::records(console.width(), &answer.records))?;
    if let Some(more) = more(&answer.next_page_token) {
        console.line(more)?;
    }
    Ok(())
}

fn sync_state(text: &str) -> Result<SyncState, String> {
    const CHOICES: [&str; 8] =
        ["QUEUED", "RUNNING", "WAITING", "SUCCEEDED", "COMPLETED_WITH_REJECTIONS", "HELD", "FAILED", "CANCELLED"];
    name::parse(text, "SYNC_STATE_", SyncState::from_str_name, &CHOICES)
}

fn record_outcome(text: &str) -> Result<RecordOutcome, String> {
    const CHOICES: [&str; 7] = ["PLANNED", "CREATED", "ADOPTED", "UPDATED", "SKIPPED", "REJECTED", "REMOVED"];
    name::parse(text, "RECORD_OUTCOME_", RecordOutcome::from_str_name, &CHOICES)
}
