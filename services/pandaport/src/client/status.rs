//! `status`: how the installation does.

use pandaport_api::v1::GetStatusRequest;

use super::{Common, connect};
use crate::console::Console;
use crate::error::Error;
use crate::{show, view};

/// Shows how the installation does.
///
/// # Errors
/// As of all client commands, see [`Error`].
pub async fn status(common: &Common, console: &mut Console) -> Result<(), Error> {
    let mut client = connect(&common.client).await?;
    let answer = client.rpc().get_status(GetStatusRequest {}).await;
    let status = client.answer(answer)?;
    let text = if common.json {
        view::json(&view::StatusView::from(&status))
    } else {
        show::status::status(console.width(), &status)
    };
    Ok(console.line(text)?)
}
