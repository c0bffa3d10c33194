//! `connections ...`: join a Kandji customer to an Asset Panda module, and see that it works.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pandaport_api::v1::{
    AssetPandaSettings, ConfigureConnectionRequest, ConfigureConnectionResponse, ConnectionState, GetConnectionRequest,
    KandjiSettings, ListAssetPandaModulesRequest, ListConnectionsRequest, TestConnectionRequest, TestResult,
};

use super::catalog::{self, ConnectionArg};
use super::delete::{self, DeleteConnection};
use super::{Common, PageArgs, connect, more, secret};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// `pandaport connections ...`
#[derive(Debug, Clone, Subcommand)]
pub enum ConnectionsCommand {
    /// Create a connection, or change one; it is tested first, and saved only if the test passes
    Configure(Box<Configure>),
    /// Test a connection and show each check
    Test(One),
    /// All connections
    List(List),
    /// One connection
    Get(One),
    /// Delete a connection and its credentials
    Delete(DeleteConnection),
    /// The Asset Panda accounts and modules that a connection's key can see
    Modules(Modules),
}

/// The flags of `connections configure`.
#[derive(Debug, Clone, Args)]
pub struct Configure {
    /// The connection to change; without it a new one is made
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Kandji's tenant URL or API URL, such as https://yourcompany.kandji.io
    #[arg(long, value_name = "URL")]
    kandji_url: Option<String>,
    /// A file with Kandji's API token; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    kandji_token_file: Option<PathBuf>,
    /// Asset Panda's API; unset: https://api.assetpanda.app
    #[arg(long, value_name = "URL")]
    asset_panda_url: Option<String>,
    /// The id of the Asset Panda API key
    #[arg(long, value_name = "ID")]
    asset_panda_key_id: Option<String>,
    /// A file with the secret of the Asset Panda API key; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    asset_panda_secret_file: Option<PathBuf>,
    /// The Asset Panda account; may be left out where the key sees only one
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The module in that account; may be left out where there is only one
    #[arg(long, value_name = "ID")]
    module: Option<String>,
    /// Change nothing if the connection is no longer as it was at this etag
    #[arg(long, default_value = "", hide_default_value = true, requires = "connection")]
    etag: String,
    /// Save without a test; the connection must pass one before it can be mapped
    #[arg(long)]
    no_verify: bool,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

/// The flags of `connections list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only connections in this state; may be given more than once
    #[arg(long = "state", value_parser = connection_state)]
    states: Vec<ConnectionState>,
    #[command(flatten)]
    page: PageArgs,
}

/// Names one connection.
#[derive(Debug, Clone, Args)]
pub struct One {
    /// The connection; may be left out where there is only one
    #[arg(value_name = "ID")]
    connection: Option<String>,
}

/// The flags of `connections modules`.
#[derive(Debug, Clone, Args)]
pub struct Modules {
    #[command(flatten)]
    connection: ConnectionArg,
}

impl ConnectionsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// [`Error::NotGood`] where a test failed; else as of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        match self {
            Self::Configure(args) => configure(*args, common, console).await,
            Self::Test(args) => test(args, common, console).await,
            Self::List(args) => list(args, common, console).await,
            Self::Get(args) => get(args, common, console).await,
            Self::Delete(args) => delete::connection(args, common, console).await,
            Self::Modules(args) => modules(args, common, console).await,
        }
    }
}

async fn configure(args: Configure, common: &Common, console: &mut Console) -> Result<(), Error> {
    let request = request(args)?;
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().configure_connection(request).await;
    let answer = client.answer(answer)?;
    let text =
        if common.json { view::json(&view::ConfiguredView::from(&answer)) } else { configured(console, &answer) };
    console.line(text)?;
    verdict(answer.result())
}

/// The request, with the secrets read from where they are.
fn request(args: Configure) -> Result<ConfigureConnectionRequest, Error> {
    if let (Some(a), Some(b)) = (&args.kandji_token_file, &args.asset_panda_secret_file)
        && a == Path::new("-")
        && b == Path::new("-")
    {
        return Err(Error::Input(
            "standard input can give only one of the two secrets; put the other in a file".to_owned(),
        ));
    }
    let secret = |what: &str, path: &Option<PathBuf>| match path {
        Some(path) => secret::read(what, path),
        None => Ok(String::new()),
    };
    let api_token = secret("Kandji's API token", &args.kandji_token_file)?;
    let access_key_secret = secret("the secret of the Asset Panda key", &args.asset_panda_secret_file)?;
    Ok(ConfigureConnectionRequest {
        connection_id: args.connection.unwrap_or_default(),
        display_name: args.name.unwrap_or_default(),
        kandji: Some(KandjiSettings { base_url: args.kandji_url.unwrap_or_default(), api_token }),
        asset_panda: Some(AssetPandaSettings {
            base_url: args.asset_panda_url.unwrap_or_default(),
            access_key_id: args.asset_panda_key_id.unwrap_or_default(),
            access_key_secret,
            account_id: args.account.unwrap_or_default(),
            module_id: args.module.unwrap_or_default(),
        }),
        verify: !args.no_verify,
        request_id: args.request_id.unwrap_or_default(),
        etag: args.etag,
    })
}

/// The checks, then what was saved.
fn configured(console: &Console, answer: &ConfigureConnectionResponse) -> String {
    let mut parts = Vec::new();
    if !answer.checks.is_empty() {
        parts.push(show::checks::checks(console, &answer.checks));
    }
    let saved = match (answer.result(), answer.saved) {
        (TestResult::Unspecified, true) => "Saved without a test: `pandaport connections test` is next.".to_owned(),
        (result, true) => format!("{} It is saved.", show::checks::verdict(result)),
        (result, false) => format!("{} Nothing was saved.", show::checks::verdict(result)),
    };
    parts.push(saved);
    if let Some(connection) = answer.connection.as_ref().filter(|_| answer.saved) {
        parts.push(show::connection::connection(console.width(), connection));
    }
    parts.join("\n\n")
}

async fn test(args: One, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let connection = ConnectionArg { connection: args.connection };
    let connection_id = catalog::connection_id(&mut client, &connection).await?;
    let request = TestConnectionRequest { connection_id };
    let answer = client.rpc().test_connection(request).await;
    let answer = client.answer(answer)?;
    let text = if common.json {
        view::json(&view::TestedView::from(&answer))
    } else {
        format!("{}\n\n{}", show::checks::checks(console, &answer.checks), show::checks::verdict(answer.result()))
    };
    console.line(text)?;
    verdict(answer.result())
}

/// A failed test is shown like any other, and ends the process with a code of its own.
fn verdict(result: TestResult) -> Result<(), Error> {
    match result {
        TestResult::Failed => Err(Error::NotGood("the connection failed its test".to_owned())),
        TestResult::Passed | TestResult::PassedWithWarnings | TestResult::Unspecified => Ok(()),
    }
}

fn connection_state(input: &str) -> Result<ConnectionState, String> {
    let states = ["UNVERIFIED", "VERIFIED", "FAILING"];
    show::name::parse(input, "CONNECTION_STATE_", ConnectionState::from_str_name, &states)
}

async fn list(args: List, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let request = ListConnectionsRequest {
        page_size: args.page.page_size,
        page_token: args.page.page_token,
        states: args.states.into_iter().map(Into::into).collect(),
    };
    let answer = client.rpc().list_connections(request).await;
    let answer = client.answer(answer)?;
    if common.json {
        let views: Vec<_> = answer.connections.iter().map(view::ConnectionView::from).collect();
        let page = serde_json::json!({
            "connections": views,
            "nextPageToken": answer.next_page_token,
        });
        return Ok(console.line(view::json(&page))?);
    }
    console.line(show::connection::connections(console.width(), &answer.connections))?;
    if let Some(more) = more(&answer.next_page_token) {
        console.line(more)?;
    }
    Ok(())
}

async fn get(args: One, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let connection = ConnectionArg { connection: args.connection };
    let connection_id = catalog::connection_id(&mut client, &connection).await?;
    let request = GetConnectionRequest { connection_id };
    let answer = client.rpc().get_connection(request).await;
    let found = client.answer(answer)?.connection.unwrap_or_default();
    let text = if common.json {
        view::json(&view::ConnectionView::from(&found))
    } else {
        show::connection::connection(console.width(), &found)
    };
    Ok(console.line(text)?)
}

async fn modules(args: Modules, common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let connection_id = catalog::connection_id(&mut client, &args.connection).await?;
    let request = ListAssetPandaModulesRequest { connection_id };
    let answer = client.rpc().list_asset_panda_modules(request).await;
    let found = client.answer(answer)?.modules;
    let text = if common.json {
        let views: Vec<_> = found.iter().map(view::ModuleView::from).collect();
        view::json(&serde_json::json!({ "modules": views }))
    } else {
        show::connection::modules(console.width(), &found)
    };
    Ok(console.line(text)?)
}
