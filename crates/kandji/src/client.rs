//! The calls.

use std::fmt;
use std::sync::Arc;

use pandaport_outbound::{AllowedHosts, Answer, Call, HostPolicy, Method, Outbound, Permit, Retry, SendError, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use crate::get::Get;
use crate::{API_HOSTS, DeviceMatch, DevicePage, KandjiHost, PageEntry, UsersPage, page, users};

/// A customer's Kandji. It can only read.
#[derive(Clone)]
pub struct KandjiClient {
    http: Outbound,
    host: KandjiHost,
    authorization: SecretString,
    permit: Arc<dyn Permit>,
    policy: HostPolicy,
}

impl KandjiClient {
    /// A client that asks `permit` before each attempt. White space around the token, and a `Bearer` before it, go.
    pub fn new(
        http: Outbound,
        host: KandjiHost,
        token: SecretString,
        permit: Arc<dyn Permit>,
        allowed: AllowedHosts,
    ) -> Self {
        let token = token.expose_secret().trim();
        let token = match token.split_once(char::is_whitespace) {
            Some((word, rest)) if word.eq_ignore_ascii_case("bearer") => rest.trim(),
            _ => token,
        };
        let authorization = SecretString::from(format!("Bearer {token}"));
        Self { http, host, authorization, permit, policy: HostPolicy::new(API_HOSTS, allowed) }
    }

    /// The host it talks to.
    pub fn host(&self) -> &KandjiHost {
        &self.host
    }

    /// One page of devices, ordered by device id. An answer that is not a JSON array is an error; an entry that is not
    /// readable as a device is part of the page.
    pub async fn devices(&self, offset: u64, limit: u32) -> Result<DevicePage, SendError> {
        self.device_list(Get::Devices { offset, limit }).await
    }

    /// The devices that a filter of the list finds, 300 at most. Whether the filter was heeded, and matched the whole
    /// value or a part of it, is for the caller to look at.
    pub async fn matching(&self, filter: DeviceMatch<'_>) -> Result<Vec<PageEntry>, SendError> {
        Ok(self.device_list(Get::Matching(filter)).await?.entries)
    }

    async fn device_list(&self, what: Get<'_>) -> Result<DevicePage, SendError> {
        let answer = self.get(what).await?;
        let entries = page::entries(&answer.body).map_err(|error| match answer.body.trim_ascii_start() {
            [b'{', ..] => answer.unreadable("a JSON object came back, not a list of devices: check the base URL"),
            _ => answer.not_json(&error),
        })?;
        let total = answer.headers.get("x-total-count").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(DevicePage { entries, total })
    }

    /// Whether the details of a device may be read. What they say is not looked at.
    pub async fn device_details(&self, device_id: &str) -> Result<(), SendError> {
        self.get(Get::Details { device_id }).await?.json::<IgnoredAny>()?;
        Ok(())
    }

    /// One page of directory users; the first without a cursor.
    pub async fn users(&self, cursor: Option<&str>) -> Result<UsersPage, SendError> {
        let answer = self.get(Get::Users { cursor }).await?;
        users::page(&answer, cursor)
    }

    /// The only place where a request is made (rule 1).
    async fn get(&self, what: Get<'_>) -> Result<Answer, SendError> {
        let call = Call {
            method: Method::GET,
            url: what.url(&self.host),
            policy: &self.policy,
            headers: vec![(header::AUTHORIZATION, self.authorization.clone())],
            body: None,
            retry: Retry::Idempotent,
            permit: &self.permit,
        };
        self.http.send(call).await
    }
}

impl fmt::Debug for KandjiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KandjiClient").field("host", &self.host).finish_non_exhaustive()
    }
}
