//! The one way out over HTTP.
//!
//! Every call to an outside API goes through [`Outbound::send`]. It decides where a token may go ([`HostPolicy`]), asks
//! for leave before each attempt ([`Permit`]: budget, deadline, shutdown), waits and repeats where that is safe
//! ([`Retry`]), and turns whatever comes back into an [`Answer`] (2xx only) or a [`SendError`], which says what went
//! wrong ([`ErrorKind`]) and whether the other side may have acted on it ([`Effect`]).
//!
//! The crate knows HTTP and nothing else: no tenants, no store, no syncs.

mod answer;
mod attempt;
mod body;
mod client;
mod error;
mod fault;
mod hosts;
mod pause;
mod permit;
mod rate;
mod redact;
mod resolve;
mod retry_after;
mod settings;
mod target;
mod text;

pub use answer::Answer;
pub use client::{Call, Outbound, Retry, StartError};
pub use error::{Effect, ErrorKind, SendError};
pub use hosts::{AllowedHosts, AllowedHostsError, HostNotAllowed, HostPolicy};
pub use permit::{Denied, Permit, Unlimited};
pub use rate::{RateSignal, RateWindow};
pub use settings::HttpSettings;

pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, Method, header};
pub use url::Url;
