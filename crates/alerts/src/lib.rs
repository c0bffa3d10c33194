//! Alerts, on their way out.
//!
//! [`Sender`] signs one and sends it once; [`deliver_due`] takes those that wait in the store and sends them until each has
//! arrived or was given up. What an alert says, and when there is one, is the store's (`pandaport_store::health`).
//!
//! The form of all of it is the contract's: `proto/pandaport/v1/alert.proto`.

mod deliver;
mod destination;
mod retry;
mod sender;
mod signature;

pub use deliver::deliver_due;
pub use destination::{Destination, DestinationError};
pub use sender::{Delivered, Sender, Undelivered};
