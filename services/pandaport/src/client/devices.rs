//! `devices list`: where each device of a mapping stands.

use clap::{Args, Subcommand};
use pandaport_api::v1::{DeviceState, ListDevicesRequest};

use super::{Common, PageArgs, connect, more};
use crate::console::Console;
use crate::error::Error;
use crate::show::name;
use crate::{show, view};

/// `pandaport devices ...`
#[derive(Debug, Clone, Subcommand)]
pub enum DevicesCommand {
    /// The devices that a mapping knows, over all its syncs
    List(ListDevices),
}

/// The flags of `devices list`.
#[derive(Debug, Clone, Args)]
pub struct ListDevices {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    /// Only devices in this state; may be given more than once
    #[arg(long = "state", value_parser = device_state)]
    states: Vec<DeviceState>,
    #[command(flatten)]
    page: PageArgs,
}

impl DevicesCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let Self::List(args) = self;
        let mut client = connect(&common.client).await?;
        let request = ListDevicesRequest {
            mapping_id: args.mapping,
            states: args.states.into_iter().map(Into::into).collect(),
            page_size: args.page.page_size,
            page_token: args.page.page_token,
        };
        let answer = client.rpc().list_devices(request).await;
        let answer = client.answer(answer)?;
        if common.json {
            let views: Vec<_> = answer.devices.iter().map(view::DeviceView::from).collect();
            let page = serde_json::json!({
                "devices": views,
                "nextPageToken": answer.next_page_token,
            });
            return Ok(console.line(view::json(&page))?);
        }
        console.line(show::record::devices(console.width(), &answer.devices))?;
        if let Some(more) = more(&answer.next_page_token) {
            console.line(more)?;
        }
        Ok(())
    }
}

fn device_state(text: &str) -> Result<DeviceState, String> {
    const CHOICES: [&str; 5] = ["CURRENT", "REJECTED", "IN_FLIGHT", "GONE", "FILTERED"];
    name::parse(text, "DEVICE_STATE_", DeviceState::from_str_name, &CHOICES)
}
