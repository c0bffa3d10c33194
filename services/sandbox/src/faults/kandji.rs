//! The switches of the Kandji stand-in (kandji-api.md section 10.7).

use serde::{Deserialize, Serialize};

use super::switch::{leaf, switches};
use super::trigger::{StatusBurst, Trigger};

switches! {
    /// Everything that can be made to go wrong on the Kandji side.
    pub struct KandjiFaults {
        /// `X-Total-Count`, `X-Total-Pages`, `Allow` and `Link` on the device list.
        total_headers: bool = false,
        /// A page of devices never holds more than this, whatever `limit` asks for.
        page_cap: Option<u32> = None,
        /// The k-th device list call since this was set is answered with the page of the call before it.
        repeat_page_at: Option<u64> = None,
        /// Devices vanish between two pages of a crawl.
        delete_between_pages: Option<BetweenPages> = None,
        /// Devices appear between two pages of a crawl.
        add_between_pages: Option<BetweenPages> = None,
        /// Every answer comes so much later.
        latency_ms: u64 = 0,
        /// Every n-th answer breaks off in the middle of its body.
        truncate_every: Option<u64> = None,
        /// Answers that break off in the middle of the body.
        truncate: Option<Trigger> = None,
        /// Every call is answered 200 with an HTML page, as the web host would.
        html: bool = false,
        /// Every n-th call is answered 200 with an HTML page.
        html_every: Option<u64> = None,
        /// The status of a call whose permission is missing: 403 or 401.
        missing_permission_status: u16 = 403,
        /// The token is revoked: 401.
        revoked: bool = false,
        /// The token is revoked after so many more calls.
        revoke_after_calls: Option<u64> = None,
        /// The limits per second and per hour; `false` switches them off.
        rate_limit: Option<KandjiRateLimit> = Some(KandjiRateLimit::default()),
        /// Calls answered with an error status.
        status_burst: Option<StatusBurst> = None,
        /// Connections that are reset instead of an answer.
        reset_connection: Option<Trigger> = None,
        /// Calls that are accepted and never answered.
        hang: Option<Trigger> = None,
        /// What the token may read.
        permissions: Permissions = Permissions::default(),
        /// `last_check_in` ends with `+00:00` instead of `Z`.
        plus_offset_timestamps: bool = false,
        /// `user.id` is the old integer id.
        integer_user_ids: bool = false,
        /// `/users` ignores the page size asked for and uses its own 25.
        users_page_size_ignored: bool = false,
        /// The keys of a tenant with Windows and Android management are on every device.
        mixed_tenant_keys: bool = false,
        /// These keys are null on every device.
        null_keys: Vec<String> = Vec::new(),
        /// These keys are absent from every device.
        omit_keys: Vec<String> = Vec::new(),
        /// The web-app host that the `next` link of `/users` points at.
        users_next_origin: String = "https://yourcompany.kandji.io".to_owned(),
    }
}

switches! {
    /// A change of the fleet after a page was served.
    pub struct BetweenPages {
        /// After which non-empty page it happens for the first time, counted from 1.
        after: u64 = 1,
        /// After every how many pages it happens from then on.
        every: u64 = 1,
        /// How often it happens; null: no end.
        count: Option<u64> = Some(1),
        /// How many devices each time.
        devices: u64 = 1,
        /// Where: `before` (the front of the list, so that what follows shifts), `page_end` (the last device of
        /// the page just served), `after` (the end of the list).
        at: Place = Place::Before,
    }
}

/// Where in the list a device vanishes or appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// At the front of the list.
    #[default]
    Before,
    /// At the last device of the page just served.
    PageEnd,
    /// At the end of the list.
    After,
}
leaf!(Place);

/// What `Retry-After` looks like on a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Whole seconds.
    #[default]
    Seconds,
    /// An HTTP date.
    Date,
    /// Absent.
    None,
}
leaf!(RetryAfter);

switches! {
    /// The limits of the Kandji stand-in: fixed windows by the clock, like its gateway's.
    pub struct KandjiRateLimit {
        /// Calls per second.
        per_second: u64 = 50,
        /// Calls per hour.
        per_hour: u64 = 10_000,
        /// The form of `Retry-After` on a 429: `seconds`, `date`, `none`.
        retry_after: RetryAfter = RetryAfter::Seconds,
        /// Whether answers carry the `RateLimit-*` headers.
        headers: bool = true,
    }
}

switches! {
    /// What the token may read; whatever is not named by the others is `other`.
    pub struct Permissions {
        /// `GET /devices` and `/devices/{id}`.
        devices: bool = true,
        /// `/details` and `/details/lostmode`.
        details: bool = true,
        /// `/users` and `/users/{id}`.
        users: bool = true,
        /// `/settings/licensing`.
        licensing: bool = true,
        /// Activity, status, blueprints, tags, audit events, Prism.
        other: bool = true,
    }
}
