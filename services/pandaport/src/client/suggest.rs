//! `mappings suggest`: a mapping to begin with.

use clap::Args;
use pandaport_api::v1::SuggestMappingRequest;

use super::catalog::{self, ConnectionArg};
use super::{Common, connect};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// The flags of `mappings suggest`.
#[derive(Debug, Clone, Args)]
pub struct Suggest {
    #[command(flatten)]
    connection: ConnectionArg,
    /// The collection that is to take the records, by id or by name
    #[arg(long)]
    collection: String,
}

pub(super) async fn suggest(args: Suggest, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let connection_id = catalog::connection_id(&mut client, &args.connection).await?;
    let collection = catalog::collection(&mut client, &connection_id, &args.collection).await?;
    let request = SuggestMappingRequest {
        connection_id: connection_id.clone(),
        collection_id: collection.collection_id.clone(),
        ..SuggestMappingRequest::default()
    };
    let answer = client.rpc().suggest_mapping(request).await;
    let answer = client.answer(answer)?;
    let text = if common.json {
        view::json(&view::SuggestionView::from(&answer))
    } else {
        show::suggestion::suggestion(console.width(), &answer, &connection_id)
    };
    Ok(console.line(text)?)
}
