//! A line for each step of a start, so that whoever waits sees what for, and whoever comes later sees what is in effect.

use std::time::{Duration, Instant};

use crate::console::{Console, Ink};
use crate::error::Error;
use crate::show::time::length;

/// The steps of a start, as they are done.
pub(crate) struct Steps<'a> {
    console: Option<&'a mut Console>,
    began: Instant,
}

impl<'a> Steps<'a> {
    /// Told on a console.
    pub(crate) fn told(console: &'a mut Console) -> Self {
        Self { console: Some(console), began: Instant::now() }
    }

    /// Not told: for a process that is part of another.
    pub(crate) fn silent() -> Self {
        Self { console: None, began: Instant::now() }
    }

    /// Tells a line of its own.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        if let Some(console) = &mut self.console {
            console.line(text)?;
        }
        Ok(())
    }

    /// Tells a step that is done.
    pub(crate) fn done(&mut self, what: &str, how: &str) -> Result<(), Error> {
        if let Some(console) = &mut self.console {
            let tick = console.ink(Ink::Green, "✓");
            let line = format!("  {tick} {what:<12} {how}");
            console.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Tells that the process is ready, and how to end it.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        let took = length(self.took());
        self.line(&format!("Ready in {took}. Ctrl-C stops it."))
    }

    /// The time since the start.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}
