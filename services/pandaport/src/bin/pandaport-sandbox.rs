//! `pandaport-sandbox`: stand-ins for Kandji and Asset Panda.

use std::process::ExitCode;

fn main() -> ExitCode {
    pandaport::sandbox::main()
}
