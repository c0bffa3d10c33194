//! `pandaport-worker`: a worker alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    pandaport::worker::main()
}
