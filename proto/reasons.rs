//! Every reason that the service gives, in one list: what it says, where, and the way out of it. `docs/errors.md` is made
//! from it, and a test holds it against the contract's comments and against what the programs' sources say.

/// Where a reason may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `ErrorInfo.reason` of a call that was refused, with this status code.
    Call(&'static str),
    /// `FieldViolation.reason`: INVALID_ARGUMENT.
    Field,
    /// `Warning.reason` of an answer.
    Warning,
    /// `Warning.reason` of a mapping's notes.
    Note,
    /// `Check.reason`, and `Connection.state_reason`.
    Check,
    /// `SyncError.reason`, and an alert's `reason`.
    Sync,
    /// `SyncWait.reason`.
    Wait,
    /// `AuditEvent.reason`, with the code `OK`. Beside it, it has the reasons of calls.
    Audit,
    /// `SyncRecord.reason`, `Device.reason` and `NextStep.reason`.
    Record,
}

/// One reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Its name. It never changes its meaning.
    pub name: &'static str,
    /// Where it may stand.
    pub places: &'static [Place],
    /// What is the matter.
    pub cause: &'static str,
    /// What to do about it.
    pub way_out: &'static str,
}

const fn reason(name: &'static str, places: &'static [Place], cause: &'static str, way_out: &'static str) -> Reason {
    Reason { name, places, cause, way_out }
}

use Place::{Audit, Call, Check, Field, Note, Record, Sync, Wait, Warning};

const INVALID: Place = Call("INVALID_ARGUMENT");
const UNKNOWN_CALLER: Place = Call("UNAUTHENTICATED");
const PRECONDITION: Place = Call("FAILED_PRECONDITION");
const EXISTS: Place = Call("ALREADY_EXISTS");
const UNAVAILABLE: Place = Call("UNAVAILABLE");
const EXHAUSTED: Place = Call("RESOURCE_EXHAUSTED");

/// All of them, in the order of the contract's comment.
pub const REASONS: &[Reason] = &[
    reason(
        "CREDENTIALS_MISSING",
        &[UNKNOWN_CALLER],
        "Neither a token nor a client certificate was shown, and one is needed.",
        "Send the header `authorization: Bearer <token>`, or connect with a client certificate, as the message says.",
    ),
    reason(
        "CREDENTIALS_REFUSED",
        &[UNKNOWN_CALLER],
        "The token, or the client certificate, does not hold; the message says what is wrong with it.",
        "Get a new one from whoever issued it.",
    ),
    reason(
        "ROLE_MISSING",
        &[Call("PERMISSION_DENIED")],
        "Who calls is known, and has no role, or one that does not allow this.",
        "Ask the operator for the role: by the policy file, or by claims of the token (docs/security.md).",
    ),
    reason(
        "HOST_NOT_ALLOWED",
        &[INVALID, Field, PRECONDITION, Check, Sync],
        "The host is neither one of the known API hosts nor allowed by the operator.",
        "Correct the URL; if the host is yours, have it added as host:port to PANDAPORT_ALLOWED_HOSTS of the control plane and the worker.",
    ),
    reason(
        "CONNECTION_NOT_VERIFIED",
        &[PRECONDITION, Sync],
        "The connection has not passed a test since it was last changed.",
        "Call TestConnection, put right what its checks say, and repeat the call.",
    ),
    reason(
        "CONNECTION_IN_USE",
        &[PRECONDITION, Field],
        "The connection has mappings: it can neither lead elsewhere nor be deleted.",
        "Make a new connection; to delete this one, delete its mappings first or set delete_mappings.",
    ),
    reason(
        "MODULE_NOT_CHOSEN",
        &[PRECONDITION, Sync],
        "The connection has no Asset Panda account and module yet.",
        "Choose them from ListAssetPandaModules and set them by ConfigureConnection.",
    ),
    reason(
        "INVALID_FIELD",
        &[INVALID],
        "A field is not as its comment says; BadRequest names each.",
        "Correct the fields that are named.",
    ),
    reason(
        "NOT_BUILT_YET",
        &[Call("UNIMPLEMENTED")],
        "A field is set whose rule this version does not have.",
        "Leave the field out, or use a newer version.",
    ),
    reason(
        "IDENTIFIER_UNFIT",
        &[INVALID, Field, Warning],
        "The source field can't tell devices apart; as a warning: only under the condition that is named.",
        "Choose another one from ListSourceFields, best the Device ID or the Serial Number.",
    ),
    reason(
        "COLUMN_NOT_UNIQUE",
        &[INVALID, Field, Warning],
        "The identifier's column is not unique in Asset Panda; as a warning: it is not known whether it is.",
        "Make the column unique in Asset Panda, or choose a unique one.",
    ),
    reason(
        "COLUMN_UNKNOWN",
        &[INVALID, Field, Sync],
        "The collection has no such column (any more).",
        "Look at ListColumns, and map another column by UpdateMapping.",
    ),
    reason(
        "COLUMN_REFERENCED",
        &[INVALID, Field, Sync],
        "The column takes its value from another collection and can't be written.",
        "Map a column of the collection itself.",
    ),
    reason(
        "COLUMN_RENAMED",
        &[Note],
        "A mapped column has another name than when the mapping was saved. It is written as before.",
        "Nothing; to take the new name for granted, save the fields again by UpdateMapping.",
    ),
    reason(
        "COLUMN_REPEATED",
        &[INVALID, Field],
        "A column is the target of two pairs.",
        "Leave out all but one of them.",
    ),
    reason(
        "COLUMN_REQUIRED",
        &[Warning],
        "Records need a value in a column that is not mapped: Asset Panda may refuse to create any.",
        "Map the column, or make it optional in Asset Panda.",
    ),
    reason(
        "TYPE_MISMATCH",
        &[INVALID, Field, Warning, Sync],
        "The column's type can't hold the field's values; as a warning: not all of them.",
        "Map a column of another type, or change the column in Asset Panda.",
    ),
    reason(
        "MARKS_STAY",
        &[Warning],
        "Records keep the mark of the removal policy that there was before; it is not undone any more.",
        "Clear the marks in Asset Panda where that matters.",
    ),
    reason(
        "ADOPTED_STAY",
        &[Warning],
        "DELETE never touches records that the import did not create, and the collection holds some.",
        "Use MARK to have those tell that their device is gone.",
    ),
    reason(
        "COLLECTION_ALREADY_MAPPED",
        &[EXISTS],
        "Another mapping writes to this collection.",
        "Choose another collection, or change or delete that mapping.",
    ),
    reason(
        "SYNC_ACTIVE_OTHER_MODE",
        &[PRECONDITION],
        "A sync of this mapping is active, and does not do what is asked for.",
        "Wait for its end (WatchSync), or cancel it; then repeat the call.",
    ),
    reason(
        "SYNC_ACTIVE",
        &[PRECONDITION],
        "A sync of this mapping is active, and this has to wait for its end.",
        "Wait for its end (WatchSync), cancel it, or where there is cancel_syncs set that.",
    ),
    reason(
        "HELD_MOVED",
        &[PRECONDITION, Sync],
        "What is held is more than, or other than, what was approved.",
        "Look at what GetMapping shows as held now, and approve that.",
    ),
    reason(
        "PLAN_MOVED",
        &[PRECONDITION, Sync, Record],
        "The plan no longer fits what is there; what differs was not done.",
        "Make a new dry run, look at it, and apply that.",
    ),
    reason(
        "DEVICE_AMBIGUOUS",
        &[PRECONDITION],
        "Several devices have this serial number or identifier; the message names their ids.",
        "Ask by device_id.",
    ),
    reason(
        "ETAG_MISMATCH",
        &[Call("ABORTED")],
        "Somebody changed it since it was read.",
        "Read it again, and repeat the call.",
    ),
    reason(
        "REQUEST_ID_REUSED",
        &[EXISTS],
        "This request_id was used with another request within 24 hours.",
        "Use a new request_id for another request.",
    ),
    reason(
        "TOO_MANY_CALLS",
        &[EXHAUSTED],
        "The server is at work on as many calls as it takes at once.",
        "Repeat the call after RetryInfo; make fewer at once.",
    ),
    reason(
        "ALERTS_NOT_CONFIGURED",
        &[PRECONDITION],
        "There is no URL yet that an alert could be sent to.",
        "Set one by ConfigureAlerts.",
    ),
    reason(
        "HOST_UNREACHABLE",
        &[UNAVAILABLE, Check, Sync],
        "No answer from the API: its name was not found, or it refused, broke off, failed or took too long.",
        "Check the URL and the network; else wait: a sync tries on by itself for a day.",
    ),
    reason(
        "NOT_AN_API",
        &[UNAVAILABLE, PRECONDITION, Check, Sync],
        "Something answered that is not the API, such as a web page or a proxy.",
        "Check the base URL by TestConnection.",
    ),
    reason(
        "TOKEN_REFUSED",
        &[PRECONDITION, Check, Sync],
        "The API refuses the credentials.",
        "Enter new ones by ConfigureConnection with verify.",
    ),
    reason(
        "PERMISSION_MISSING",
        &[PRECONDITION, Check, Sync, Warning],
        "The credentials are good but may not do this.",
        "Give the token, or the user of the key, the permission that the message names.",
    ),
    reason(
        "RATE_LIMITED",
        &[EXHAUSTED, Check],
        "No calls are left at Kandji or Asset Panda now.",
        "Repeat the call after RetryInfo.",
    ),
    reason(
        "TLS_FAILED",
        &[UNAVAILABLE, Check],
        "No trusted, encrypted connection could be made.",
        "Check the host, and whether something between decrypts the traffic.",
    ),
    reason(
        "ALERT_REFUSED",
        &[Check],
        "The receiver of alerts answered with something other than a 2xx.",
        "See the receiver's log; docs/alerts.md says what it must do.",
    ),
    reason(
        "REQUEST_REFUSED",
        &[Sync],
        "An API refused a request that every sync needs; the message is its own.",
        "Put right what the message says.",
    ),
    reason(
        "READ_INCOMPLETE",
        &[Sync],
        "The fleet was not read to its end. What was read is written; nothing counts as gone.",
        "Nothing, if it happens now and then; else see whether devices come and go by the minute.",
    ),
    reason(
        "NO_PROGRESS",
        &[Sync],
        "Asset Panda's answers about some devices contradict each other, so that they came to no end.",
        "See the records that are PLANNED, and look them up in Asset Panda.",
    ),
    reason(
        "INTERNAL",
        &[Sync],
        "The database holds or refuses something that waiting does not mend; the message says what.",
        "See the worker's log; restore a backup, or report it.",
    ),
    reason(
        "USERS_UNREAD",
        &[Note],
        "Kandji does not let the users be read: User Active is left as it is.",
        "Give the token the permission to list users.",
    ),
    reason(
        "IDENTIFIER_EMPTY",
        &[Record],
        "The device has no value in the identifier's field.",
        "Enter it in Kandji, or map another identifier.",
    ),
    reason(
        "IDENTIFIER_DUPLICATE",
        &[Record],
        "Another present device has the same identifier and wins; the message names it.",
        "Put the value right in Kandji, or remove the device that is no more.",
    ),
    reason(
        "IDENTIFIER_AMBIGUOUS",
        &[Record],
        "More than one record has this identifier; the message lists their ids.",
        "Delete all but one of the records in Asset Panda, or merge them.",
    ),
    reason(
        "IDENTIFIER_NEAR_MATCH",
        &[Record],
        "A record's identifier is equal but for case, surrounding space or Unicode form.",
        "Write the value the same way in both; the message shows both.",
    ),
    reason(
        "IDENTIFIER_TAKEN",
        &[Record],
        "The record with this identifier belongs to another device, or can't be found though Asset Panda says that it exists.",
        "Put the identifier right in Kandji or in Asset Panda; a record in the archive may hold it.",
    ),
    reason(
        "REFUSED_BY_ASSET_PANDA",
        &[Record],
        "Asset Panda refused the row; the message is its own.",
        "Put right what the message says, then trigger a sync with retry_rejected.",
    ),
    reason(
        "REMOVAL_REFUSED",
        &[Record],
        "Asset Panda refused to mark or delete the record; the message is its own.",
        "Put right what the message says, then trigger a sync with retry_rejected.",
    ),
    reason(
        "UNREADABLE",
        &[Record],
        "Kandji's entry for this device can't be read.",
        "Look at the device in Kandji; report it if nothing is odd there.",
    ),
    reason(
        "HELD",
        &[Record],
        "The brake holds all or a part of what is to be done.",
        "Look at Mapping.held, and approve it by ApproveHeld if it is right.",
    ),
    reason(
        "NOT_CREATED_BY_US",
        &[Record],
        "Its device is gone; the record was there before the import, and the removal policy leaves it.",
        "Delete the record by hand if it is not wanted.",
    ),
    reason(
        "EDITED_IN_ASSET_PANDA",
        &[Record],
        "The record had other values than were last confirmed in it; the message names the columns.",
        "Nothing: it is written again. To keep edits, map the column as FILL_ONLY or not at all.",
    ),
    reason(
        "DELETED_IN_ASSET_PANDA",
        &[Record],
        "The device's record had been deleted; the message has its id.",
        "Nothing: it is made again. To leave the device out, use the mapping's filter.",
    ),
    reason(
        "VALUE_UNFIT",
        &[Record],
        "A value does not fit its column's type or options; the message names both.",
        "Add the option in Asset Panda, put the value right in Kandji, or map another column.",
    ),
    reason(
        "FILTERED",
        &[Record],
        "The mapping's filter leaves the device out; the message says by what.",
        "Nothing, or change the filter.",
    ),
    reason(
        "REMOVED_IN_KANDJI",
        &[Record],
        "Kandji lists the device as removed, and the mapping deletes records of such devices: none is made.",
        "Nothing.",
    ),
    reason(
        "BUDGET",
        &[Wait, Warning],
        "No calls are allowed at an API before wait.until; as a warning: the mapping asks for more calls than there are.",
        "Nothing: it goes on by itself. For a warning: allow a greater passenger_max_age.",
    ),
    reason(
        "OUTAGE",
        &[Wait],
        "An API is out, or refuses; it is tried again at wait.until, with growing pauses.",
        "Nothing: it goes on by itself. See the vendor's status page.",
    ),
    reason(
        "SETTLE",
        &[Wait],
        "It is unclear whether something was written; it is looked up at wait.until.",
        "Nothing: it goes on by itself.",
    ),
    reason(
        "NO_WORKER",
        &[Wait],
        "No worker is running, or all are busy.",
        "Start pandaport-worker, or `pandaport up`; GetStatus shows the workers and the queue.",
    ),
    reason(
        "NOTHING_CHANGED",
        &[Audit],
        "The call was answered without a change, as one that repeats a request_id.",
        "Nothing.",
    ),
    reason(
        "NOT_SAVED",
        &[Audit],
        "The connection did not pass its test, and was not saved.",
        "Nothing; whoever called was told what its checks say.",
    ),
];
