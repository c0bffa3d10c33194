//! The switches of the Asset Panda Pro stand-in (asset-panda-pro-api.md section 7).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kandji::RetryAfter;
use super::switch::{FaultError, Switch, leaf, switches};
use super::trigger::{StatusBurst, Trigger, schedule};

switches! {
    /// Everything that can be made to go wrong on the Asset Panda side.
    pub struct AssetPandaFaults {
        /// Every call is handled so much later; what was sent is applied even if the client has left by then.
        latency_ms: u64 = 0,
        /// Every call is answered 200 with an HTML page, nothing applied.
        html: bool = false,
        /// Every n-th call is answered 200 with an HTML page, nothing applied.
        html_every: Option<u64> = None,
        /// The key is revoked: 401.
        revoked: bool = false,
        /// The key is revoked after so many more calls.
        revoke_after_calls: Option<u64> = None,
        /// Calls in any window; `false` switches the limit off.
        rate_limit: Option<PandaRateLimit> = Some(PandaRateLimit::default()),
        /// Calls answered with an error status, nothing applied.
        status_burst: Option<StatusBurst> = None,
        /// Connections that are reset instead of an answer, nothing applied.
        reset_connection: Option<Trigger> = None,
        /// Calls that are accepted and never answered, nothing applied.
        hang: Option<Trigger> = None,
        /// Applied writes whose answer is lost.
        lost_answer: Option<LostAnswer> = None,
        /// Writes are applied at once and answered only after this long.
        hold_after_apply_ms: u64 = 0,
        /// How many writes are held so; null: all.
        hold_after_apply_count: Option<u64> = None,
        /// Every n-th answer breaks off in the middle of its body; writes are applied.
        truncate_every: Option<u64> = None,
        /// Applied writes whose answer has one row fewer than were sent.
        short_reply: Option<WriteTrigger> = None,
        /// Applied writes whose answer is 200 with JSON that ends too early.
        unreadable_reply: Option<WriteTrigger> = None,
        /// Rows refused inside a 2xx.
        refuse_rows: Vec<RefuseRow> = Vec::new(),
        /// A value that is taken already: `row` refuses that row, `call` the whole call with 400, nothing applied.
        unique_refusal: UniqueRefusal = UniqueRefusal::Row,
        /// Whether unique columns are enforced at all.
        enforce_unique: bool = true,
        /// Search sees a write only after this long; reading a record by its id is never late.
        search_lag_ms: u64 = 0,
        /// What is edited or deleted by hand, search sees late as well.
        search_lag_by_hand: bool = false,
        /// Records that can't be read: reading one whose id is this, or a search for this value, is answered with
        /// `unanswerable_status`.
        unanswerable: Vec<String> = Vec::new(),
        /// That status.
        unanswerable_status: u16 = 500,
        /// Search matches like `contains`, whatever the operator and the case.
        loose_search: bool = false,
        /// Search never returns more rows than this in one reply.
        search_size_cap: Option<u64> = None,
        /// Search refuses more filters than this with 400.
        max_filters: Option<u64> = None,
        /// Search replies carry `total`.
        total_in_search: bool = true,
        /// A created row's result carries `recordId`.
        record_id_in_create: bool = true,
        /// Columns carry `isUnique`, `isRequired` and `options`.
        flags_present: bool = true,
        /// Lists come as bare arrays, columns at `columns.all`, without `data` around them.
        bare_lists: bool = false,
        /// Values come back as `{"id","value"}`.
        wrap_values: bool = false,
        /// Text comes back trimmed, dates and times in another form.
        trim_text_and_reformat_dates: bool = false,
        /// What clears a column: `both`, `empty_string` or `null`; the other is refused for its row.
        clear_accepts: ClearAccepts = ClearAccepts::Both,
        /// A column is deleted after some more calls.
        delete_column_after_calls: Option<ColumnChange> = None,
        /// A column gets another type after some more calls.
        retype_column: Option<ColumnChange> = None,
    }
}

switches! {
    /// Which writes a fault strikes.
    pub struct WriteTrigger {
        /// Which calls count: `write` (create, update, delete), or one of these.
        on: String = "write".to_owned(),
        /// How many of them pass untouched at first.
        after: u64 = 0,
        /// From then on it strikes every so many calls; 1: each.
        every: u64 = 1,
        /// How often it strikes at most; null: no end.
        count: Option<u64> = None,
    }
}
schedule!(WriteTrigger);

switches! {
    /// Writes that are applied, and answered with nothing that says so.
    pub struct LostAnswer {
        /// What comes instead: `drop` (the connection closes), `reset`, `500`, `502`, `503`, `504`, `html`.
        answer: LostAs = LostAs::Drop,
        /// Which calls count: `write`, `any`, `create`, `update`, `delete`.
        on: String = "write".to_owned(),
        /// How many of them pass untouched at first.
        after: u64 = 0,
        /// From then on it strikes every so many calls; 1: each.
        every: u64 = 1,
        /// How often it strikes at most; null: no end.
        count: Option<u64> = None,
    }
}
schedule!(LostAnswer);

/// What a client gets instead of the answer to an applied write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostAs {
    /// The connection closes.
    #[default]
    Drop,
    /// The connection is reset.
    Reset,
    /// An internal error.
    #[serde(rename = "500")]
    Status500,
    /// A bad gateway.
    #[serde(rename = "502")]
    Status502,
    /// Unavailable.
    #[serde(rename = "503")]
    Status503,
    /// A gateway timeout.
    #[serde(rename = "504")]
    Status504,
    /// 200 with an HTML page.
    Html,
}
leaf!(LostAs);

switches! {
    /// The limit of the Asset Panda stand-in, over any window of that length, however it is laid.
    pub struct PandaRateLimit {
        /// Calls in a window.
        limit: u64 = 400,
        /// The length of the window in milliseconds.
        window_ms: u64 = 180_000,
        /// The form of `Retry-After` on a 429: `seconds`, `date`, `none`.
        retry_after: RetryAfter = RetryAfter::Seconds,
    }
}

switches! {
    /// Rows that are refused inside a 2xx for a value they carry.
    pub struct RefuseRow {
        /// The column, by id or by display name.
        column: String = String::new(),
        /// Refuse rows whose value is exactly this.
        value: Option<Value> = None,
        /// Refuse rows whose value contains this text.
        contains: Option<String> = None,
        /// What the refusal says.
        message: String = "The value was refused".to_owned(),
        /// Which calls: `write`, `create`, `update`.
        on: String = "write".to_owned(),
        /// How many rows are refused; null: all.
        count: Option<u64> = None,
    }
}

switches! {
    /// A column that changes while calls go on.
    pub struct ColumnChange {
        /// The column, by id or by display name.
        column: String = String::new(),
        /// The collection, by id or by display name.
        collection: String = "ITAM".to_owned(),
        /// After how many more calls.
        after: u64 = 0,
        /// The new type (retype_column only), such as `number`.
        to: String = "number".to_owned(),
    }
}

/// How a taken value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniqueRefusal {
    /// The row fails inside a 2xx.
    #[default]
    Row,
    /// The whole call fails with 400.
    Call,
}
leaf!(UniqueRefusal);

/// What clears a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClearAccepts {
    /// `""` and null.
    #[default]
    Both,
    /// Only `""`.
    EmptyString,
    /// Only null.
    Null,
}
leaf!(ClearAccepts);

impl Switch for Value {
    fn set(&mut self, _path: &str, value: Value) -> Result<(), FaultError> {
        *self = value;
        Ok(())
    }
}
