//! Where a command's answer goes, and how it may look there.

use std::io::{self, IsTerminal as _, Write};

use crate::show::text::clean;

/// A command's standard output, with what is known of the other side of it.
pub struct Console {
    out: Box<dyn Write + Send>,
    /// Characters in a line; unset where lines have no end, as in a file.
    width: Option<u16>,
    terminal: bool,
    colour: bool,
}

/// How a piece of text stands out, where colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it should be.
    Green,
    /// Worth a look.
    Yellow,
    /// Not as it should be.
    Red,
    /// Less important than the text around it.
    Dim,
    /// More important than the text around it.
    Bold,
}

impl Console {
    /// The process's standard output. Colours are left out where it is not a terminal, and where `NO_COLOR` is set.
    #[must_use]
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self {
            out: Box::new(io::stdout()),
            width: terminal.then(|| comfy_table::Table::new().width()).flatten(),
            terminal,
            colour: terminal && !no_colour,
        }
    }

    /// A console that writes into `out`, without colours and without an end of lines.
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>) -> Self {
        Self { out, width: None, terminal: false, colour: false }
    }

    /// Whether a person sees this at once, so that a line may move.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Characters in a line; `None` where lines have no end.
    #[must_use]
    pub fn width(&self) -> Option<u16> {
        self.width
    }

    /// Writes one line, or several.
    ///
    /// # Errors
    /// When nobody reads any more (a closed pipe), or the disk is full.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.out.write_all(text.as_ref().as_bytes())?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Writes bytes as they are, such as a completion script.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// The text in an ink, where colours are shown. Control characters from outside are made visible.
    #[must_use]
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        let text = clean(text);
        if !self.colour {
            return text.into_owned();
        }
        let code = match ink {
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "31",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
