//! `devices list`: where each device of a mapping stands. `devices explain`: why one of them does.

use clap::{Args, Subcommand};
use pandaport_api::v1::explain_device_request::Device as Named;
use pandaport_api::v1::{DeviceState, ExplainDeviceRequest, ListDevicesRequest};

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
    /// One device: what Kandji says, what was last written, and what the next sync would do and why
    Explain(ExplainDevice),
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

/// The flags of `devices explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainDevice {
    /// The mapping
    #[arg(value_name = "MAPPING")]
    mapping: String,
    #[command(flatten)]
    name: DeviceName,
}

/// Which device is meant.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct DeviceName {
    /// Its id in Kandji
    #[arg(long, value_name = "DEVICE")]
    id: Option<String>,
    /// Its serial number, whole
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// The value of the mapping's identifier, whole
    #[arg(long, value_name = "VALUE")]
    identifier: Option<String>,
}

impl DevicesCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        match self {
            Self::List(args) => args.run(common, console).await,
            Self::Explain(args) => args.run(common, console).await,
        }
    }
}

impl ListDevices {
    async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let args = self;
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

impl ExplainDevice {
    async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        let DeviceName { id, serial, identifier } = self.name;
        let named = id.map(Named::DeviceId).or(serial.map(Named::SerialNumber)).or(identifier.map(Named::Identifier));
        let mut client = connect(&common.client).await?;
        let request = ExplainDeviceRequest { mapping_id: self.mapping, device: named };
        let answer = client.rpc().explain_device(request).await;
        let answer = client.answer(answer)?;
        if common.json {
            return Ok(console.line(view::json(&view::ExplainedView::from(&answer)))?);
        }
        Ok(console.line(show::explain::explained(console.width(), &answer))?)
    }
}

fn device_state(text: &str) -> Result<DeviceState, String> {
    const CHOICES: [&str; 5] = ["CURRENT", "REJECTED", "IN_FLIGHT", "GONE", "FILTERED"];
    name::parse(text, "DEVICE_STATE_", DeviceState::from_str_name, &CHOICES)
}
