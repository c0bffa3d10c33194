//! River behind one narrow face: put a job behind a sync, take it back, serve.
//!
//! A job says which sync is to be worked, and nothing else: all truth is in the sync's row. It is worked slice by slice; a
//! slice ends with [`SliceEnd::Done`] or [`SliceEnd::Again`], which puts the same job back (River calls it a snooze: it uses
//! no attempt). A handler has no way to fail: what it knows how to handle it turns into `Again`, and a panic is turned into
//! one here.
//!
//! # River's habits, and what is done about them
//!
//! All found by running it (0.5.0), on SQLite and PostgreSQL:
//!
//! | habit | here |
//! |---|---|
//! | a retry waits (errors + 1)^4 s; errors never reset | constant retry of 1 s, as many attempts as fit ([`serve`](Queue::serve)) |
//! | a dead worker's job is rescued an hour after its timeout | after its timeout ([`job_timeout`]), looked for every 15 s |
//! | a leader discards stuck jobs of kinds it does not know | a process that only enqueues never starts a client |
//! | a stop tells a running job nothing | [`JobContext::stop`]; after the grace the slice is dropped where it stands |
//! | a put-back job of up to 5 s is fetched by polling, no leader needed; a longer one is woken by the leader's scheduler, which looks 5 s ahead | both start on time, within a poll (100 ms) |
//! | on PostgreSQL a listener holds a connection for ever, and stands no pooler in transaction mode | nothing listens there: polling finds a fresh job within 100 ms as well |
//! | a job that just ended is fetched again before its end is written | the next poll finds it |
//! | a new job with a time is left to the leader's scheduler, also if that time is past | such a time is left out ([`Queue::enqueue`]) |
//! | times are the wall clock's: one that goes back holds what was put back for as long | the sweep puts a fresh job behind such a sync ([`Queue::enqueue_again`]) |
//! | a killed leader leads on for 15 s, until its lease ends; meanwhile nothing is rescued or woken after more than 5 s | a program alone on its database starts over ([`Queue::start_over`]) |
//! | a look for jobs waits for its answer without a limit: on a connection that went dead, for ever | a client that got stuck is replaced (`pulse.rs`) |

mod depth;
mod error;
mod job;
mod migrate;
mod pulse;
mod queue;
mod serve;

pub use depth::Depth;
pub use error::QueueError;
pub use job::{Behind, SyncJob, Urgency};
pub use migrate::{check_schema, migrate};
pub use queue::Queue;
pub use serve::{JobContext, ServeConfig, Serving, SliceEnd, job_timeout};

/// What every function of this crate answers with.
pub type Result<T> = std::result::Result<T, QueueError>;
