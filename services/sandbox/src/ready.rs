//! What one needs to use a running sandbox.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::world::Credentials;

/// Everything one needs to use a running sandbox; the ready file and `GET {control}/ready` hold the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// Where the Kandji stand-in answers, such as `http://127.0.0.1:8081`.
    pub kandji_url: String,
    /// Where the Asset Panda Pro stand-in answers.
    pub asset_panda_url: String,
    /// Where the control endpoint answers.
    pub control_url: String,
    /// What clients must send.
    #[serde(flatten)]
    pub credentials: Credentials,
    /// The Asset Panda account.
    pub account_id: String,
    /// The module that the collections are in.
    pub module_id: String,
    /// The collection to import into: "ITAM".
    pub collection_id: String,
    /// All collections: ids by display name.
    pub collections: BTreeMap<String, String>,
    /// The columns of "ITAM": ids by display name.
    pub columns: BTreeMap<String, String>,
    /// The process that runs the sandbox.
    pub pid: u32,
}
