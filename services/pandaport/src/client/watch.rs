//! Following a sync to its end: a bar on a terminal, plain lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use pandaport_api::v1::{Sync, WatchSyncRequest};
use tonic::Code;

use super::Client;
use crate::console::Console;
use crate::error::Error;
use crate::show::progress::Progress;
use crate::show::sync::is_final;
use crate::show::time::clock;
use crate::view;

/// How a sync's way is shown.
pub enum Follow {
    /// One line that moves.
    Bar(Box<ProgressBar>),
    /// A line for each change, with the time.
    Lines {
        /// The line shown last: the same again is left out.
        last: String,
    },
    /// A line of JSON for each state.
    Json,
}

impl Follow {
    /// A bar where a person looks on, else lines.
    #[must_use]
    pub fn people(console: &Console) -> Self {
        if !console.is_terminal() {
            return Self::Lines { last: String::new() };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout())
            .with_style(style(false))
            .with_prefix("Queued");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self::Bar(Box::new(bar))
    }

    /// Shows one state.
    ///
    /// # Errors
    /// Where the output is closed.
    pub fn show(&mut self, console: &mut Console, sync: &Sync) -> Result<(), Error> {
        let now = Timestamp::now();
        match self {
            Self::Bar(bar) => {
                let progress = Progress::of(sync, now);
                // Each of these may draw: the words and the numbers go before the style that shows them.
                bar.set_message(progress.aside());
                bar.set_prefix(progress.task);
                bar.set_position(progress.done);
                bar.set_length(progress.total.unwrap_or(progress.done));
                bar.set_style(style(progress.total.is_some()));
            }
            Self::Lines { last } => {
                let line = Progress::of(sync, now).plain();
                if line != *last && !is_final(sync.state()) {
                    console.line(format!("  {}  {line}", clock(now)))?;
                    *last = line;
                }
            }
            Self::Json => console.line(view::json_line(&view::SyncView::from(sync)))?,
        }
        Ok(())
    }

    /// Says that the control plane is gone and that this goes on. JSON keeps its stream clean: there it goes to standard
    /// error.
    ///
    /// # Errors
    /// Where the output is closed.
    pub fn lost(&mut self, console: &mut Console) -> Result<(), Error> {
        const LOST: &str = "connection lost, trying again";
        match self {
            Self::Bar(bar) => bar.set_message(LOST),
            Self::Lines { last } => {
                console.line(format!("  {}  {LOST}", clock(Timestamp::now())))?;
                // The next state shows that there is a connection again, even if it is the same one.
                last.clear();
            }
            Self::Json => eprintln!("{LOST}"),
        }
        Ok(())
    }

    /// Takes the bar away, so that what comes next stands in its place.
    pub fn end(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Follows a sync until it is final, over server restarts too, and returns its last state.
///
/// # Errors
/// [`Error::Call`] where there is no such sync, or nobody has answered for a minute.
pub async fn watch(
    client: &mut Client,
    console: &mut Console,
    sync_id: &str,
    mut follow: Follow,
) -> Result<Sync, Error> {
    let result = until_final(client, console, sync_id, &mut follow).await;
    follow.end();
    result
}

async fn until_final(
    client: &mut Client,
    console: &mut Console,
    sync_id: &str,
    follow: &mut Follow,
) -> Result<Sync, Error> {
    /// A server that stops says so, and another one, or the same again, takes over.
    const PATIENCE: u32 = 60;
    let mut failures = 0;
    loop {
        let request = WatchSyncRequest { sync_id: sync_id.to_owned() };
        let lost = match client.rpc().watch_sync(request).await {
            Err(status) => status,
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            failures = 0;
                            let sync = message.sync.unwrap_or_default();
                            follow.show(console, &sync)?;
                            if is_final(sync.state()) {
                                return Ok(sync);
                            }
                        }
                        Ok(None) => break tonic::Status::unavailable("the stream ended early"),
                        Err(status) => break status,
                    }
                }
            }
        };
        failures += 1;
        // A connection that broke shows as UNKNOWN or CANCELLED, one that can't be made as UNAVAILABLE.
        let passing = matches!(lost.code(), Code::Unavailable | Code::Unknown | Code::Cancelled);
        if !passing || failures > PATIENCE {
            return Err(client.refused(&lost));
        }
        if failures == 1 {
            follow.lost(console)?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn style(total_known: bool) -> ProgressStyle {
    let template = if total_known {
        "  {prefix:<20} {bar:30.green/dim} {pos:>6} of {len}  {msg:.dim}"
    } else {
        "  {prefix:<20} {spinner:.green} {msg:.dim}"
    };
    ProgressStyle::with_template(template).expect("the templates above are valid").progress_chars("━━─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_templates_are_valid() {
        style(true);
        style(false);
    }
}
