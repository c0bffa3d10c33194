//! `pandaport`: the whole of Pandaport in one process, and the commands to work with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pandaport::cli::main()
}
