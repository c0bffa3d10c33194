//! The gRPC service: checks a call, changes state, puts a job on the queue. It never syncs.
//!
//! The contract is `proto/pandaport/v1/control_plane_service.proto`. Each group of its calls has a file;
//! [`ControlPlane`] lists them. What is the same for all calls has one place: violations in `validate`, the mapping of
//! errors in `errors`, the conversion of rows in `convert`, page tokens in `paging`, `request_id` in `requests`, who may call in `gate` and
//! `roles`, the audit log in `audit`.

mod alerts;
mod audit;
mod catalogue;
mod connections;
mod contract;
mod control_plane;
mod convert;
mod delete;
mod devices;
mod errors;
mod etag;
mod explain;
mod gate;
mod held;
mod limits;
mod load;
mod mapping_input;
mod mappings;
mod metrics;
mod paging;
mod plan_of;
mod policy_input;
mod reason;
mod records;
mod requests;
mod roles;
mod rpcs;
mod schedule_input;
mod server;
mod standing;
mod status;
mod suggest;
mod syncs;
mod test_connection;
mod trace;
mod uniqueness;
mod update_mapping;
mod update_mask;
mod validate;
mod watch;

pub use control_plane::{ControlPlane, Parts};
pub use load::CallLimits;
pub use server::{Listening, ServeError, serve};
