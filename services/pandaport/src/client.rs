//! The commands that call a control plane, and how they call it.

mod alerts;
mod approve;
mod audit;
pub(crate) mod by_name;
pub(crate) mod catalog;
mod change_mapping;
mod connections;
mod delete;
mod devices;
mod endpoint;
mod mappings;
mod pair;
mod policy;
pub mod refusal;
mod schedule;
mod secret;
mod status;
mod suggest;
mod syncs;
pub mod watch;

pub use alerts::AlertsCommand;
pub use audit::AuditCommand;
pub use catalog::{CollectionsCommand, ColumnsCommand, FieldsCommand};
pub use connections::ConnectionsCommand;
pub use devices::DevicesCommand;
pub use endpoint::{Client, ClientArgs, connect};
pub use mappings::MappingsCommand;
pub use status::status;
pub use syncs::SyncsCommand;

use clap::Args;

/// What every client command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Answer in JSON, as protobuf writes it, instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Which page of a list.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    /// The most to show, 1 to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) page_size: u32,
    /// Where to go on: the token that the page before ended with
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) page_token: String,
}

/// The line that says how to get the next page; `None` on the last one.
pub(crate) fn more(next_page_token: &str) -> Option<String> {
    (!next_page_token.is_empty()).then(|| format!("more: --page-token {next_page_token}"))
}
