//! The reasons of the contract that this crate gives itself (those of a mapping's fit come from `pandaport_import`); `control_plane_service.proto` says what each means. None changes
//! its meaning.

/// The caller has shown nothing that says who it is.
pub(crate) const CREDENTIALS_MISSING: &str = "CREDENTIALS_MISSING";
/// What the caller has shown does not hold.
pub(crate) const CREDENTIALS_REFUSED: &str = "CREDENTIALS_REFUSED";
/// The caller has no role, or one that does not allow this.
pub(crate) const ROLE_MISSING: &str = "ROLE_MISSING";
pub(crate) const HOST_NOT_ALLOWED: &str = "HOST_NOT_ALLOWED";
/// The request is malformed, and its violations say all there is to say.
pub(crate) const INVALID_FIELD: &str = "INVALID_FIELD";
/// A field asks for a rule that this version does not have.
pub(crate) const NOT_BUILT_YET: &str = "NOT_BUILT_YET";
/// A connection with mappings stays where it leads.
pub(crate) const CONNECTION_IN_USE: &str = "CONNECTION_IN_USE";
/// The connection's account and module come first.
pub(crate) const MODULE_NOT_CHOSEN: &str = "MODULE_NOT_CHOSEN";
pub(crate) const CONNECTION_NOT_VERIFIED: &str = "CONNECTION_NOT_VERIFIED";
pub(crate) const COLUMN_NOT_UNIQUE: &str = "COLUMN_NOT_UNIQUE";
pub(crate) const COLLECTION_ALREADY_MAPPED: &str = "COLLECTION_ALREADY_MAPPED";
/// An approval waits for the end of the sync that is active.
pub(crate) const SYNC_ACTIVE: &str = "SYNC_ACTIVE";
/// What is held is not what was approved.
pub(crate) const HELD_MOVED: &str = "HELD_MOVED";
pub(crate) const SYNC_ACTIVE_OTHER_MODE: &str = "SYNC_ACTIVE_OTHER_MODE";
/// The plan no longer fits, or there is none.
pub(crate) const PLAN_MOVED: &str = "PLAN_MOVED";
pub(crate) const ETAG_MISMATCH: &str = "ETAG_MISMATCH";
pub(crate) const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";

pub(crate) const HOST_UNREACHABLE: &str = "HOST_UNREACHABLE";
pub(crate) const NOT_AN_API: &str = "NOT_AN_API";
pub(crate) const TOKEN_REFUSED: &str = "TOKEN_REFUSED";
pub(crate) const PERMISSION_MISSING: &str = "PERMISSION_MISSING";
pub(crate) const RATE_LIMITED: &str = "RATE_LIMITED";
pub(crate) const TLS_FAILED: &str = "TLS_FAILED";

/// There is nothing yet that an alert could be sent to.
pub(crate) const ALERTS_NOT_CONFIGURED: &str = "ALERTS_NOT_CONFIGURED";

/// As a warning: records that are not the import's own are never deleted.
pub(crate) const ADOPTED_STAY: &str = "ADOPTED_STAY";
/// As a warning: marks of the policy before are not undone.
pub(crate) const MARKS_STAY: &str = "MARKS_STAY";
/// As a warning: the mapping asks for more calls than the budget has.
pub(crate) const BUDGET: &str = "BUDGET";
/// No worker is there to take a sync.
pub(crate) const NO_WORKER: &str = "NO_WORKER";

/// The brake holds what would be done.
pub(crate) const HELD: &str = "HELD";
/// Several devices fit what was asked for.
pub(crate) const DEVICE_AMBIGUOUS: &str = "DEVICE_AMBIGUOUS";

/// In the audit log: the call was answered without a change, as one that repeats a `request_id`.
pub(crate) const NOTHING_CHANGED: &str = "NOTHING_CHANGED";
/// In the audit log: the connection did not pass its test, and was not saved.
pub(crate) const NOT_SAVED: &str = "NOT_SAVED";
/// This server is at work on as many calls as it takes.
pub(crate) const TOO_MANY_CALLS: &str = "TOO_MANY_CALLS";
