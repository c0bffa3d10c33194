//! Messages that carry a secret, as they may be printed: without it. A request in a log line must not give it away.

use std::fmt;

use crate::v1::{AssetPandaSettings, ConfigureAlertsRequest, KandjiSettings};

/// A secret that is there, or is not.
fn hidden(secret: &str) -> &'static str {
    if secret.is_empty() { "" } else { "[hidden]" }
}

impl fmt::Debug for KandjiSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base_url, api_token } = self;
        f.debug_struct("KandjiSettings").field("base_url", base_url).field("api_token", &hidden(api_token)).finish()
    }
}

impl fmt::Debug for AssetPandaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base_url, access_key_id, access_key_secret, account_id, module_id } = self;
        f.debug_struct("AssetPandaSettings")
            .field("base_url", base_url)
            .field("access_key_id", &hidden(access_key_id))
            .field("access_key_secret", &hidden(access_key_secret))
            .field("account_id", account_id)
            .field("module_id", module_id)
            .finish()
    }
}

impl fmt::Debug for ConfigureAlertsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, secret, enabled, etag, request_id } = self;
        f.debug_struct("ConfigureAlertsRequest")
            .field("url", url)
            .field("secret", &hidden(secret))
            .field("enabled", enabled)
            .field("etag", etag)
            .field("request_id", request_id)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::{AssetPandaSettings, ConfigureAlertsRequest, ConfigureConnectionRequest, KandjiSettings};

    #[test]
    fn rule_17_a_request_that_is_printed_shows_no_secret() {
        let secret = || "hush-hush".to_owned();
        let connection = ConfigureConnectionRequest {
            kandji: Some(KandjiSettings { base_url: "https://a.kandji.io".into(), api_token: secret() }),
            asset_panda: Some(AssetPandaSettings {
                access_key_id: secret(),
                access_key_secret: secret(),
                ..AssetPandaSettings::default()
            }),
            ..ConfigureConnectionRequest::default()
        };
        let alerts = ConfigureAlertsRequest { secret: secret(), ..ConfigureAlertsRequest::default() };
        let printed = format!("{connection:?} {connection:#?} {alerts:?}");
        assert!(!printed.contains("hush"), "{printed}");
        assert!(printed.contains("https://a.kandji.io") && printed.contains("[hidden]"), "{printed}");
    }
}
