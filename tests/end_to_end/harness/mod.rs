//! What the tests stand on: programs as child processes, a gRPC caller, the sandbox's control endpoint, and values
//! worked out from the contracts alone.

pub(crate) mod caller;
pub(crate) mod expected;
pub(crate) mod installation;
pub(crate) mod journey;
pub(crate) mod moments;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod relay;
pub(crate) mod sandbox;
pub(crate) mod scene;
pub(crate) mod tenants;
pub(crate) mod trial;
pub(crate) mod truth;
pub(crate) mod wait;
