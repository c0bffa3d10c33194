//! A stored connection, opened: its two clients, with budgets and secrets in place.
//!
//! [`Upstream::open`] reads a connection and gives [`Clients`]. Each attempt that one of them makes first takes a call
//! out of the budget of its API (DESIGN rule 16: never more than the limit in any window, over all processes) and
//! asks the caller's [`Guard`], and is counted.

mod budget;
mod calls;
mod clock;
mod columns;
mod device;
mod guard;
mod ledger;
mod limits;
mod lots;
mod permit;
mod tenant_budget;
mod upstream;

pub use calls::{CallCounter, Calls};
pub use clock::Clock;
pub use columns::import_columns;
pub use device::{KandjiDevice, user_id};
pub use guard::Guard;
pub use limits::{BudgetSettings, Limit};
pub use upstream::{Clients, ConnectionSettings, OpenError, Upstream};
