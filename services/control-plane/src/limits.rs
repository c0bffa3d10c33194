//! How much of anything a call may bring. The comments in `proto/` state the same numbers; a test goes over every field of
//! every request and holds one against the other.

use std::ops::RangeInclusive;

/// A name for people, in characters.
pub(crate) const MAX_NAME: usize = 200;
/// An URL, in characters.
pub(crate) const MAX_URL: usize = 2_000;
/// A token, or a part of an API key, in characters.
pub(crate) const MAX_SECRET: usize = 4_000;
/// An id of another system: Asset Panda's column ids are the longest seen, at about 60 characters.
pub(crate) const MAX_FOREIGN_ID: usize = 200;
/// The key of a source field, in characters.
pub(crate) const MAX_FIELD_KEY: usize = 64;
/// The key of an alert's signature, in characters.
pub(crate) const ALERT_SECRET: RangeInclusive<usize> = 16..=128;

/// The pairs of a mapping.
pub(crate) const MAX_PAIRS: usize = 200;
pub(crate) const MAX_SEPARATOR: usize = 8;
pub(crate) const MAX_DATE_FORMAT: usize = 64;
/// The conditions of a filter, each kind for itself, and a condition, in characters.
pub(crate) const MAX_PLATFORMS: usize = 100;
pub(crate) const MAX_BLUEPRINTS: usize = 1_000;
pub(crate) const MAX_TAGS: usize = 1_000;
pub(crate) const MAX_CONDITION: usize = 200;
/// A value that the removal policy writes, in characters of its JSON.
pub(crate) const MAX_MARK: usize = 4_000;
pub(crate) const MAX_PERCENT: u32 = 100;
pub(crate) const MAX_CRON_EXPRESSION: usize = 200;
pub(crate) const MAX_TIME_ZONE: usize = 100;
/// The paths of an update mask, and a path, in characters.
pub(crate) const MAX_PATHS: usize = 50;
pub(crate) const MAX_PATH: usize = 100;

pub(crate) const MAX_REQUEST_ID: usize = 64;
/// Ours are far shorter.
pub(crate) const MAX_ETAG: usize = 40;
pub(crate) const MAX_DIGEST: usize = 128;
/// The name of a caller, in characters.
pub(crate) const MAX_ACTOR: usize = 256;
/// The values that a list is filtered by.
pub(crate) const MAX_FILTER_VALUES: usize = 20;
/// A page token, in characters. Ours are far shorter.
pub(crate) const MAX_PAGE_TOKEN: usize = 2_000;
/// The rows of a page: as many if nothing is said, and at most.
pub(crate) const PAGE_SIZE: u32 = 100;
pub(crate) const MAX_PAGE_SIZE: u32 = 1_000;
