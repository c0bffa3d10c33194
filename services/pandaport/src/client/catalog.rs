//! `collections list`, `columns list`, `fields list`: what a mapping can be made of.

use clap::{Args, Subcommand};
use pandaport_api::v1::{
    Collection, Column, ListCollectionsRequest, ListColumnsRequest, ListConnectionsRequest, ListSourceFieldsRequest,
    SourceField,
};

use super::{Client, Common, connect};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// Which connection.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionArg {
    /// The connection; may be left out where there is only one
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
}

/// `pandaport collections ...`
#[derive(Debug, Clone, Subcommand)]
pub enum CollectionsCommand {
    /// The collections of a connection's module
    List(ListCollections),
}

/// `pandaport columns ...`
#[derive(Debug, Clone, Subcommand)]
pub enum ColumnsCommand {
    /// The columns of a collection
    List(ListColumns),
}

/// `pandaport fields ...`
#[derive(Debug, Clone, Subcommand)]
pub enum FieldsCommand {
    /// The Kandji fields that can be mapped, with advice on each as identifier
    List,
}

/// The flags of `collections list`.
#[derive(Debug, Clone, Args)]
pub struct ListCollections {
    #[command(flatten)]
    connection: ConnectionArg,
}

/// The flags of `columns list`.
#[derive(Debug, Clone, Args)]
pub struct ListColumns {
    #[command(flatten)]
    connection: ConnectionArg,
    /// The collection, by id or by name
    #[arg(long)]
    collection: String,
}

impl CollectionsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let Self::List(args) = self;
        let mut client = connect(&common.client).await?;
        let connection_id = connection_id(&mut client, &args.connection).await?;
        let found = collections(&mut client, &connection_id).await?;
        let text = if common.json {
            let views: Vec<_> = found.iter().map(view::CollectionView::from).collect();
            view::json(&serde_json::json!({ "collections": views }))
        } else {
            show::connection::collections(console.width(), &found)
        };
        Ok(console.line(text)?)
    }
}

impl ColumnsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let Self::List(args) = self;
        let mut client = connect(&common.client).await?;
        let connection_id = connection_id(&mut client, &args.connection).await?;
        let collection = collection(&mut client, &connection_id, &args.collection).await?;
        let found = columns(&mut client, &connection_id, &collection.collection_id).await?;
        let text = if common.json {
            let views: Vec<_> = found.iter().map(view::ColumnView::from).collect();
            view::json(&serde_json::json!({ "columns": views }))
        } else {
            show::connection::columns(console.width(), &found)
        };
        Ok(console.line(text)?)
    }
}

impl FieldsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let mut client = connect(&common.client).await?;
        let found = source_fields(&mut client).await?;
        let text = if common.json {
            let views: Vec<_> = found.iter().map(view::SourceFieldView::from).collect();
            view::json(&serde_json::json!({ "fields": views }))
        } else {
            show::mapping::source_fields(console.width(), &found)
        };
        Ok(console.line(text)?)
    }
}

/// The connection that was named, or the only one there is.
pub(crate) async fn connection_id(client: &mut Client, arg: &ConnectionArg) -> Result<String, Error> {
    if let Some(id) = &arg.connection {
        return Ok(id.clone());
    }
    let request = ListConnectionsRequest { page_size: 2, ..ListConnectionsRequest::default() };
    let answer = client.rpc().list_connections(request).await;
    let found = client.answer(answer)?.connections;
    match found.as_slice() {
        [only] => Ok(only.connection_id.clone()),
        [] => Err(Error::Input("there is no connection yet: `pandaport connections configure` makes one".to_owned())),
        _ => Err(Error::Input(
            "there is more than one connection: name one with --connection (`pandaport connections list`)".to_owned(),
        )),
    }
}

pub(crate) async fn collections(client: &mut Client, connection_id: &str) -> Result<Vec<Collection>, Error> {
    let request = ListCollectionsRequest { connection_id: connection_id.to_owned() };
    let answer = client.rpc().list_collections(request).await;
    Ok(client.answer(answer)?.collections)
}

/// The collection that an id or a name means.
pub(crate) async fn collection(client: &mut Client, connection_id: &str, wanted: &str) -> Result<Collection, Error> {
    let all = collections(client, connection_id).await?;
    let fitting =
        |fits: &dyn Fn(&Collection) -> bool| -> Vec<Collection> { all.iter().filter(|it| fits(it)).cloned().collect() };
    let by_id = fitting(&|it| it.collection_id == wanted);
    let found = if by_id.is_empty() { fitting(&|it| it.display_name == wanted) } else { by_id };
    match <[Collection; 1]>::try_from(found) {
        Ok([only]) => Ok(only),
        Err(found) if found.is_empty() => {
            let names: Vec<&str> = all.iter().map(|it| it.display_name.as_str()).collect();
            Err(Error::Input(format!(
                "there is no collection `{wanted}`, by id or by name; there is: {}",
                names.join(", ")
            )))
        }
        Err(_) => Err(Error::Input(format!("more than one collection is named `{wanted}`: give its id"))),
    }
}

pub(crate) async fn columns(
    client: &mut Client,
    connection_id: &str,
    collection_id: &str,
) -> Result<Vec<Column>, Error> {
    let request =
        ListColumnsRequest { connection_id: connection_id.to_owned(), collection_id: collection_id.to_owned() };
    let answer = client.rpc().list_columns(request).await;
    Ok(client.answer(answer)?.columns)
}

pub(crate) async fn source_fields(client: &mut Client) -> Result<Vec<SourceField>, Error> {
    let request = ListSourceFieldsRequest::default();
    let answer = client.rpc().list_source_fields(request).await;
    Ok(client.answer(answer)?.fields)
}
