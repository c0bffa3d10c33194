//! Client for the Asset Panda Pro REST API: accounts, modules, collections, columns and records.
//!
//! It knows the API's shapes and limits and nothing of tenants, mappings or syncs. Every call goes
//! through [`pandaport_outbound`], which guards the hosts, the budget, the retries and the secrets.
//!
//! # What is known of the API, and where it is changed
//!
//! Asset Panda documents little of this API. Grades: **DOC** stands in the vendor's pages, **CODE**
//! was seen in a public client, **INF** is inferred, **UNKNOWN** is our assumption. Each fact has one
//! place; nearly all of them are in [`assumptions`].
//!
//! | fact | grade | where |
//! |---|---|---|
//! | `https://api.assetpanda.app`, no version in paths | DOC | [`assumptions::DEFAULT_BASE_URL`] |
//! | `Access-Key-Id` and `Access-Key-Secret` on each call | CODE | [`assumptions::KEY_ID_HEADER`], [`assumptions::KEY_SECRET_HEADER`] |
//! | bad credentials are answered by 400, 401 or 403 | UNKNOWN | [`assumptions::is_credentials_status`] |
//! | paths of the endpoints | DOC | [`assumptions::path`] |
//! | lists at `data`; columns at `data.columns.all` or `columns.all` | CODE, DOC | [`assumptions::LIST_AT`], [`assumptions::COLUMNS_AT`] |
//! | a column's id is the key of its value in a record | DOC | [`Record`] |
//! | column types besides `text` | INF | [`ColumnKind::from_uri`] |
//! | flags `isUnique`, `isRequired`, `options` | UNKNOWN | [`assumptions::UNIQUE_FLAGS`] and its neighbours |
//! | search: `matchType` `Any` | DOC | [`assumptions::MATCH_ANY`] |
//! | search: operator `equals` | INF | [`assumptions::OPERATOR_EQUALS`] |
//! | search: 50 filters, 100 rows, window of 10,000 | UNKNOWN, INF | [`SearchLimits::default`] |
//! | search: `total` may be absent | UNKNOWN | [`assumptions::TOTAL_AT`] |
//! | at most 5 records in a write | DOC (PUT, DELETE), INF (POST) | [`assumptions::WRITE_BATCH`] |
//! | form of a DELETE body | INF | [`ScopedClient::delete`] |
//! | results by row inside a 2xx | CODE | [`assumptions::ROW_RESULTS_AT`], [`RowResult`] |
//! | whether a create returns the record's id | UNKNOWN | [`assumptions::WRITTEN_ID_KEYS`] |
//! | values as `{"id","value"}` | INF | [`assumptions::unwrapped`] |
//! | a deleted or unknown record is a 404 | INF | [`ScopedClient::record`] |
//! | a 4xx or 429 applied nothing | INF | `pandaport_outbound::Effect` |

pub mod assumptions;
mod base_url;
mod batch;
mod catalog;
mod client;
mod column;
mod credentials;
mod record;
mod search;
mod shape;
mod write;

pub use base_url::{BaseUrl, BaseUrlError};
pub use batch::{Batch, BatchSizeError};
pub use catalog::{Account, Collection, Module};
pub use client::{AssetPandaClient, Scope, ScopedClient};
pub use column::{Column, ColumnKind};
pub use credentials::{Credentials, refused_credentials};
pub use record::{FoundPage, Record};
pub use search::{SearchLimits, SearchOutcome};
pub use write::{NewRecord, RecordChange, RowResult};
