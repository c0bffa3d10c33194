//! The settings of a connection: as entered, and as they come out together with what is stored.

use pandaport_api::v1 as proto;
use pandaport_asset_panda::{self as asset_panda, BaseUrl, BaseUrlError, Scope};
use pandaport_kandji::{HostError, KandjiHost};
use pandaport_outbound::AllowedHosts;
use pandaport_store::connections::{AssetPandaKey, Connection, Credentials};
use pandaport_upstream::ConnectionSettings;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Given, GivenKey};
use crate::errors::Result;
use crate::limits::{MAX_FOREIGN_ID, MAX_NAME, MAX_SECRET, MAX_URL};
use crate::reason;
use crate::validate::Violations;

/// What the call entered; `None` and empty mean: as it is stored.
pub(super) struct Entered {
    display_name: Option<String>,
    kandji: Option<(String, KandjiHost)>,
    kandji_token: Option<SecretString>,
    asset_panda_url: Option<BaseUrl>,
    key_id: Option<String>,
    key_secret: Option<SecretString>,
    account_id: Option<String>,
    module_id: Option<String>,
}

/// A connection as it is stored.
pub(super) struct Stored {
    pub(super) row: Connection,
    pub(super) secrets: Credentials,
}

/// All settings of a connection.
pub(super) struct Resolved {
    pub(super) display_name: String,
    /// As it was entered.
    pub(super) kandji_base_url: String,
    pub(super) kandji_host: KandjiHost,
    pub(super) kandji_token: Given<SecretString>,
    pub(super) asset_panda_url: BaseUrl,
    pub(super) asset_panda_key: GivenKey,
    pub(super) account_id: Option<String>,
    pub(super) module_id: Option<String>,
}

impl Entered {
    /// Reads the request. When it is to create a connection, what has no default must be there.
    pub(super) fn read(
        violations: &mut Violations,
        request: proto::ConfigureConnectionRequest,
        create: bool,
        allowed: &AllowedHosts,
    ) -> Self {
        let kandji = request.kandji.unwrap_or_default();
        let asset_panda = request.asset_panda.unwrap_or_default();
        let mut text = |field: &str, text: String, most, required: bool| {
            if required && create {
                violations.required_text(field, &text, most);
            } else {
                violations.text(field, &text, most);
            }
            Some(text).filter(|it| !it.is_empty())
        };
        let display_name = text("display_name", request.display_name.trim().to_owned(), MAX_NAME, true);
        // Pasted URLs and secrets come with spaces and line ends around them.
        let kandji_url = text("kandji.base_url", kandji.base_url.trim().to_owned(), MAX_URL, true);
        let kandji_token = text("kandji.api_token", kandji.api_token.trim().to_owned(), MAX_SECRET, true);
        let asset_panda_url = text("asset_panda.base_url", asset_panda.base_url.trim().to_owned(), MAX_URL, false);
        let key_id = text("asset_panda.access_key_id", asset_panda.access_key_id.trim().to_owned(), MAX_SECRET, true);
        let key_secret =
            text("asset_panda.access_key_secret", asset_panda.access_key_secret.trim().to_owned(), MAX_SECRET, true);
        let account_id = text("asset_panda.account_id", asset_panda.account_id, MAX_FOREIGN_ID, false);
        let module_id = text("asset_panda.module_id", asset_panda.module_id, MAX_FOREIGN_ID, false);

        for (field, secret) in [
            ("kandji.api_token", &kandji_token),
            ("asset_panda.access_key_id", &key_id),
            ("asset_panda.access_key_secret", &key_secret),
        ] {
            violations.header_text(field, secret.as_deref().unwrap_or_default());
        }

        // One that is too long is not repeated in a message.
        let kandji_url = kandji_url.filter(|_| !violations.names("kandji.base_url"));
        let asset_panda_url = asset_panda_url.filter(|_| !violations.names("asset_panda.base_url"));
        let kandji = kandji_url.and_then(|url| match KandjiHost::parse(&url, allowed) {
            Ok(host) => Some((url, host)),
            Err(error) => {
                let reason = if matches!(error, HostError::NotAllowed { .. }) { reason::HOST_NOT_ALLOWED } else { "" };
                violations.refuse("kandji.base_url", reason, error.to_string());
                None
            }
        });
        let vendors = if create { Some(String::new()) } else { None };
        let asset_panda_url = asset_panda_url.or(vendors).and_then(|url| match BaseUrl::parse(&url, allowed) {
            Ok(url) => Some(url),
            Err(error) => {
                let not_allowed = matches!(error, BaseUrlError::HostNotAllowed(_));
                let reason = if not_allowed { reason::HOST_NOT_ALLOWED } else { "" };
                violations.refuse("asset_panda.base_url", reason, error.to_string());
                None
            }
        });
        Self {
            display_name,
            kandji,
            kandji_token: kandji_token.map(SecretString::from),
            asset_panda_url,
            key_id,
            key_secret: key_secret.map(SecretString::from),
            account_id,
            module_id,
        }
    }

    /// Fills in what is stored. A secret that would go to another host than the one it was entered for must be entered
    /// again: else whoever may change a URL could have it sent to a host of their choice.
    pub(super) fn resolve(self, stored: Option<&Stored>, allowed: &AllowedHosts) -> Result<Resolved> {
        let mut violations = Violations::default();
        let row = stored.map(|it| &it.row);

        let kandji = match (self.kandji, row) {
            (Some(entered), _) => Some(entered),
            (None, Some(row)) => match KandjiHost::parse(&row.kandji_base_url, allowed) {
                Ok(host) => Some((row.kandji_base_url.clone(), host)),
                Err(error) => {
                    violations.refuse("kandji.base_url", reason::HOST_NOT_ALLOWED, error.to_string());
                    None
                }
            },
            (None, None) => None,
        };
        let asset_panda_url = match (self.asset_panda_url, row) {
            (Some(entered), _) => Some(entered),
            (None, Some(row)) => match BaseUrl::parse(&row.asset_panda_base_url, allowed) {
                Ok(url) => Some(url),
                Err(error) => {
                    violations.refuse("asset_panda.base_url", reason::HOST_NOT_ALLOWED, error.to_string());
                    None
                }
            },
            (None, None) => None,
        };

        let kandji_moved =
            row.zip(kandji.as_ref()).is_some_and(|(row, (_, host))| row.kandji_api_url != host.to_string());
        if kandji_moved && self.kandji_token.is_none() {
            violations.malformed(
                "kandji.api_token",
                "kandji.base_url leads to another host than before: enter the token for that host.",
            );
        }
        let asset_panda_moved =
            row.zip(asset_panda_url.as_ref()).is_some_and(|(row, url)| row.asset_panda_base_url != url.to_string());
        let stored_key = stored.map(|it| &it.secrets.asset_panda);
        let key_changed = self
            .key_id
            .as_ref()
            .is_some_and(|entered| stored_key.is_some_and(|key| key.key_id.expose_secret() != entered));
        if (asset_panda_moved || key_changed) && self.key_secret.is_none() {
            violations.malformed(
                "asset_panda.access_key_secret",
                "The host or the key's id is another than before: enter the secret that belongs to it.",
            );
        }
        violations.check()?;

        let new_key = self.key_secret.is_some();
        let key_id = self.key_id.map(SecretString::from).or_else(|| stored_key.map(|key| key.key_id.clone()));
        let key_secret = self.key_secret.or_else(|| stored_key.map(|key| key.key_secret.clone()));
        let new_token = self.kandji_token.is_some();
        let kandji_token = self.kandji_token.or_else(|| stored.map(|it| it.secrets.kandji_token.clone()));
        let display_name = self.display_name.or_else(|| row.map(|row| row.display_name.clone()));

        let all = kandji.zip(asset_panda_url).zip(key_id.zip(key_secret)).zip(kandji_token.zip(display_name));
        let Some((((kandji, asset_panda_url), (key_id, key_secret)), (kandji_token, display_name))) = all else {
            let message = "a setting that a new connection needs passed the checks without being there";
            return Err(crate::errors::CallError::Internal(message.to_owned()));
        };
        Ok(Resolved {
            display_name,
            kandji_base_url: kandji.0,
            kandji_host: kandji.1,
            kandji_token: Given { secret: kandji_token, new: new_token },
            asset_panda_url,
            asset_panda_key: Given { secret: AssetPandaKey { key_id, key_secret }, new: new_key },
            account_id: self.account_id.or_else(|| row.and_then(|row| row.account_id.clone())),
            module_id: self.module_id.or_else(|| row.and_then(|row| row.module_id.clone())),
        })
    }
}

impl Resolved {
    pub(super) fn to_open(&self) -> ConnectionSettings {
        let scope = self.account_id.clone().zip(self.module_id.clone());
        let key = &self.asset_panda_key.secret;
        ConnectionSettings {
            kandji_host: self.kandji_host.clone(),
            kandji_token: self.kandji_token.secret.clone(),
            asset_panda_url: self.asset_panda_url.clone(),
            asset_panda_key: asset_panda::Credentials {
                key_id: key.key_id.expose_secret().to_owned(),
                secret: key.key_secret.clone(),
            },
            scope: scope.map(|(account_id, module_id)| Scope { account_id, module_id }),
        }
    }
}
