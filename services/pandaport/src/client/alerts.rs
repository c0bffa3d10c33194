//! `alerts ...`: where the tenant is told that a mapping fails, rejects, is held or has recovered.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pandaport_api::v1::{CheckStatus, ConfigureAlertsRequest, GetAlertsRequest, TestAlertsRequest};

use super::{Common, connect, secret};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// `pandaport alerts ...`
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsCommand {
    /// Set where alerts go, or turn them on or off
    Configure(Configure),
    /// Where alerts go, and how their delivery stands
    Show,
    /// Send a signed test alert now, and show how the receiver took it
    Test,
}

/// The flags of `alerts configure`.
#[derive(Debug, Clone, Args)]
pub struct Configure {
    /// Where alerts are sent: an https URL whose host PANDAPORT_ALLOWED_HOSTS of the server allows
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the key of the signature, 16 to 128 characters; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Send alerts (again)
    #[arg(long, conflicts_with = "off")]
    on: bool,
    /// Send no alerts, and drop those that wait; URL and secret stay
    #[arg(long)]
    off: bool,
    /// Change nothing if the settings are no longer those of this etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Makes the call safe to repeat within 24 hours: any text of at most 64 characters
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

impl AlertsCommand {
    /// Runs it.
    ///
    /// # Errors
    /// [`Error::NotGood`] where a test alert was not delivered; else as of all client commands, see [`Error`].
    pub async fn run(self, common: &Common, console: &mut Console) -> Result<(), Error> {
        match self {
            Self::Configure(args) => configure(args, common, console).await,
            Self::Show => shown(common, console).await,
            Self::Test => test(common, console).await,
        }
    }
}

async fn configure(args: Configure, common: &Common, console: &mut Console) -> Result<(), Error> {
    let secret = match &args.secret_file {
        Some(path) => secret::read("the key of the signature", path)?,
        None => String::new(),
    };
    let request = ConfigureAlertsRequest {
        url: args.url.unwrap_or_default(),
        secret,
        enabled: (args.on || args.off).then_some(args.on),
        etag: args.etag,
        request_id: args.request_id.unwrap_or_default(),
    };
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().configure_alerts(request).await;
    let alerts = client.answer(answer)?.alerts.unwrap_or_default();
    if common.json {
        return Ok(console.line(view::json(&view::AlertsView::from(&alerts)))?);
    }
    let next = if alerts.enabled { "Saved: `pandaport alerts test` sends a test alert." } else { "Saved." };
    Ok(console.line(format!("{next}\n\n{}", show::alerts::alerts(console.width(), &alerts)))?)
}

async fn shown(common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().get_alerts(GetAlertsRequest {}).await;
    let alerts = client.answer(answer)?.alerts.unwrap_or_default();
    let text = if common.json {
        view::json(&view::AlertsView::from(&alerts))
    } else {
        show::alerts::alerts(console.width(), &alerts)
    };
    Ok(console.line(text)?)
}

async fn test(common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().test_alerts(TestAlertsRequest {}).await;
    let answer = client.answer(answer)?;
    let check = answer.check.clone().unwrap_or_default();
    let text = if common.json {
        view::json(&view::TestedAlertsView::from(&answer))
    } else {
        show::checks::checks(console, std::slice::from_ref(&check))
    };
    console.line(text)?;
    match check.status() {
        CheckStatus::Failed => Err(Error::NotGood("the test alert was not delivered".to_owned())),
        _ => Ok(()),
    }
}
