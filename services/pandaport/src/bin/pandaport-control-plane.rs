//! `pandaport-control-plane`: the gRPC service alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    pandaport::control_plane::main()
}
