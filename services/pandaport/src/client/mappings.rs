//! `mappings ...`: which fields go into which columns.

use std::iter;

use clap::{Args, Subcommand};
use pandaport_api::v1::{
    Column, CreateMappingRequest, ExternalEntity, FieldPair, GetMappingRequest, Identifier, ListMappingsRequest,
    Mapping, MappingState,
};

use super::approve::{Approve, approve};
use super::catalog::{self, ConnectionArg};
use super::delete::{self, DeleteMapping};
use super::pair::PairArg;
use super::policy::PolicyArgs;
use super::schedule::ScheduleArgs;
use super::suggest::{Suggest, suggest};
use super::{Common, PageArgs, by_name, change_mapping, connect, more};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// `pandaport mappings ...`
#[derive(Debug, Clone, Subcommand)]
pub enum MappingsCommand {
    /// Create a mapping; its first sync starts at once
    Create(Box<Create>),
    /// All mappings
    List(List),
    /// One mapping with its pairs
    Get(Get),
    /// See what the brake holds of a mapping, and let it through
    Approve(Approve),
    /// See which pairs a mapping of a collection could begin with, and why
    Suggest(Suggest),
    /// Delete a mapping; what it wrote in Asset Panda stays as it is
    Delete(DeleteMapping),
    /// Change a mapping: its fields, policies, schedule or name
    Update(Box<change_mapping::Update>),
    /// Stop a mapping's schedule; a sync that runs goes on, and `syncs trigger` still works
    Pause(Get),
    /// Set a paused mapping's schedule going again; if it missed a sync, one is made at once
    Resume(Get),
}

/// The flags of `mappings create`.
#[derive(Debug, Clone, Args)]
pub struct Create {
    #[command(flatten)]
    connection: ConnectionArg,
    /// A name for people
    #[arg(long, value_name = "NAME", default_value = "Kandji Device Import")]
    name: String,
    /// The collection that takes the records, by id or by name
    #[arg(long)]
    collection: String,
    /// The pair that says which record belongs to which device: serial_number=COLUMN, the column by id or by name
    #[arg(long, value_name = "FIELD=COLUMN")]
    identifier: PairArg,
    /// A further pair; may be given more than once. RULE is trigger, passenger, fill-only or create-only
    #[arg(long = "field", value_name = "FIELD=COLUMN[:RULE]")]
    fields: Vec<PairArg>,
    /// Also map every field that has a column of its own name
    #[arg(long)]
    all_fields_by_name: bool,
    /// Create it paused, without a first sync
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    schedule: ScheduleArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

/// The flags of `mappings list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    #[command(flatten)]
    connection: ConnectionArg,
    /// Only mappings in this state; may be given more than once
    #[arg(long = "state", value_parser = mapping_state)]
    states: Vec<MappingState>,
    #[command(flatten)]
    page: PageArgs,
}

/// Names one mapping.
#[derive(Debug, Clone, Args)]
pub struct Get {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
}

impl MappingsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        match self {
            Self::Create(args) => create(*args, common, console).await,
            Self::List(args) => list(args, common, console).await,
            Self::Get(args) => get(args, common, console).await,
            Self::Approve(args) => approve(args, common, console).await,
            Self::Suggest(args) => suggest(args, common, console).await,
            Self::Delete(args) => delete::mapping(args, common, console).await,
            Self::Update(args) => change_mapping::update(*args, common, console).await,
            Self::Pause(args) => change_mapping::pause(args.mapping, common, console).await,
            Self::Resume(args) => change_mapping::resume(args.mapping, common, console).await,
        }
    }
}

fn mapping_state(input: &str) -> Result<MappingState, String> {
    show::name::parse(input, "MAPPING_STATE_", MappingState::from_str_name, &["ACTIVE", "PAUSED", "BROKEN"])
}

async fn create(args: Create, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let connection_id = catalog::connection_id(&mut client, &args.connection).await?;
    let collection = catalog::collection(&mut client, &connection_id, &args.collection).await?;
    let columns = catalog::columns(&mut client, &connection_id, &collection.collection_id).await?;
    let mut mapping = mapping(&args, &collection.collection_id, &columns)?;
    if args.all_fields_by_name {
        let fields = catalog::source_fields(&mut client).await?;
        let taken: Vec<&str> = mapping
            .identifier
            .iter()
            .map(|it| it.column_id.as_str())
            .chain(mapping.fields.iter().map(|it| it.column_id.as_str()))
            .collect();
        let named: Vec<&str> = args.fields.iter().map(|it| it.source_field.as_str()).collect();
        let mut found = by_name::pairs(&fields, &columns, &args.identifier.source_field, &taken);
        // A field that was given a column by hand goes there, and nowhere else.
        found.retain(|it| !named.contains(&it.source_field.as_str()));
        mapping.fields.extend(found);
    }
    let request = CreateMappingRequest {
        connection_id,
        mapping: Some(mapping),
        start_paused: args.paused,
        request_id: args.request_id.unwrap_or_default(),
    };
    let answer = client.rpc().create_mapping(request).await;
    let answer = client.answer(answer)?;
    let parts = (answer.mapping.as_ref(), answer.warnings.as_slice(), answer.sync.as_ref());
    let text = change_mapping::saved(common, console, parts, "The first sync is queued");
    Ok(console.line(text)?)
}

/// The mapping as the flags have it, with its columns by id.
fn mapping(args: &Create, collection_id: &str, columns: &[Column]) -> Result<Mapping, Error> {
    // All of them in the order of the flags, so that one call tells of everything that has to be corrected.
    let wanted: Vec<&str> = iter::once(&args.identifier)
        .chain(&args.fields)
        .map(|pair| pair.column.as_str())
        .chain(args.policies.mark_column())
        .collect();
    by_name::check(columns, &wanted).map_err(Error::Input)?;
    let column_id =
        |wanted: &str| by_name::column(columns, wanted).map(|it| it.column_id.clone()).map_err(Error::Input);
    let mut fields = Vec::new();
    for pair in &args.fields {
        fields.push(FieldPair {
            source_field: pair.source_field.clone(),
            column_id: column_id(&pair.column)?,
            write_rule: pair.write_rule.into(),
            ..FieldPair::default()
        });
    }
    let mut mapping = Mapping {
        display_name: args.name.clone(),
        external_entity: ExternalEntity::Devices.into(),
        collection_id: collection_id.to_owned(),
        identifier: Some(Identifier {
            source_field: args.identifier.source_field.clone(),
            column_id: column_id(&args.identifier.column)?,
        }),
        fields,
        ..Mapping::default()
    };
    args.schedule.put(&mut mapping)?;
    args.policies.put(&mut mapping, columns)?;
    Ok(mapping)
}

async fn list(args: List, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = ListMappingsRequest {
        connection_id: args.connection.connection.unwrap_or_default(),
        page_size: args.page.page_size,
        page_token: args.page.page_token,
        states: args.states.into_iter().map(Into::into).collect(),
    };
    let answer = client.rpc().list_mappings(request).await;
    let answer = client.answer(answer)?;
    if common.json {
        let views: Vec<_> = answer.mappings.iter().map(view::MappingView::from).collect();
        let page = serde_json::json!({
            "mappings": views,
            "nextPageToken": answer.next_page_token,
        });
        return Ok(console.line(view::json(&page))?);
    }
    console.line(show::mapping::mappings(console.width(), &answer.mappings))?;
    if let Some(more) = more(&answer.next_page_token) {
        console.line(more)?;
    }
    Ok(())
}

async fn get(args: Get, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = GetMappingRequest { mapping_id: args.mapping };
    let answer = client.rpc().get_mapping(request).await;
    let found = client.answer(answer)?.mapping.unwrap_or_default();
    change_mapping::one(&found, common, console)
}
