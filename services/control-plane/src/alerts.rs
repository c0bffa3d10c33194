//! Alerts: where they go, and a test of it.

use std::time::{Duration, Instant};

use pandaport_alerts::{Delivered, Destination, DestinationError, Sender, Undelivered};
use pandaport_api::v1 as proto;
use pandaport_store::Micros;
use pandaport_store::alert_targets::{self, Settings, Target};
use pandaport_store::alerts::{self, Body};
use secrecy::SecretString;

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::limits::{ALERT_SECRET, MAX_URL};
use crate::requests::Repeatable;
use crate::test_connection::{Check, Checks};
use crate::validate::Violations;
use crate::{convert, etag, reason};

/// What the call entered; `None` means: as it is stored.
struct Entered {
    destination: Option<Destination>,
    url: Option<String>,
    secret: Option<SecretString>,
    enabled: Option<bool>,
    etag: String,
}

impl ControlPlane {
    pub(crate) async fn configure_alerts(
        &self,
        caller: &Caller,
        request: proto::ConfigureAlertsRequest,
    ) -> Result<proto::ConfigureAlertsResponse> {
        let mut violations = Violations::default();
        let repeatable = self.repeatable(&mut violations, caller, "ConfigureAlerts", &request.request_id, &request);
        let entered = self.read_alerts(&mut violations, request);
        violations.check()?;
        repeatable.once(Box::pin(self.save_alerts(caller, &repeatable, entered))).await
    }

    fn read_alerts(&self, violations: &mut Violations, request: proto::ConfigureAlertsRequest) -> Entered {
        // Pasted URLs and secrets come with spaces and line ends around them.
        let url = Some(request.url.trim().to_owned()).filter(|it| !it.is_empty());
        let secret = Some(request.secret.trim().to_owned()).filter(|it| !it.is_empty());
        violations.text("url", url.as_deref().unwrap_or_default(), MAX_URL);
        // One that is too long is not repeated in a message.
        let readable = url.as_ref().filter(|_| !violations.names("url"));
        let destination = readable.and_then(|url| match Destination::parse(url, self.upstream.allowed_hosts()) {
            Ok(destination) => Some(destination),
            Err(error @ DestinationError::NotAllowed { .. }) => {
                violations.refuse("url", reason::HOST_NOT_ALLOWED, format!("{error}."));
                None
            }
            Err(error @ DestinationError::Malformed(_)) => {
                violations.malformed("url", format!("{error}."));
                None
            }
        });
        if let Some(secret) = &secret {
            let (length, least, most) = (secret.chars().count(), ALERT_SECRET.start(), ALERT_SECRET.end());
            if !ALERT_SECRET.contains(&length) {
                violations
                    .malformed("secret", format!("It must have {least} to {most} characters; this has {length}."));
            }
            if secret.chars().any(char::is_control) {
                violations.malformed("secret", "Control characters are not allowed.");
            }
        }
        etag::read(violations, &request.etag);
        let secret = secret.map(SecretString::from);
        Entered { destination, url, secret, enabled: request.enabled, etag: request.etag }
    }

    async fn save_alerts(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        entered: Entered,
    ) -> Result<proto::ConfigureAlertsResponse> {
        let stored = alert_targets::get(&self.store, &caller.tenant).await?;
        let seen = stored.as_ref().map(|it| it.version.to_string()).unwrap_or_default();
        etag::check("configuration of alerts", &entered.etag, &seen)?;
        let mut tx = self.store.begin_write().await?;
        let target = match resolve(stored.as_ref(), entered)? {
            Some(settings) => {
                let keyring = self.store.keyring()?;
                Some(alert_targets::configure(&mut tx, keyring, &caller.tenant, &settings, Micros::now()).await?)
            }
            None => None,
        };
        let waiting = alerts::count_waiting_in(&mut tx, &caller.tenant).await?;
        let answer = proto::ConfigureAlertsResponse { alerts: Some(convert::alerts(target, waiting)) };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    pub(crate) async fn get_alerts(
        &self,
        caller: &Caller,
        _request: proto::GetAlertsRequest,
    ) -> Result<proto::GetAlertsResponse> {
        Ok(proto::GetAlertsResponse { alerts: Some(self.alerts_of(caller).await?) })
    }

    async fn alerts_of(&self, caller: &Caller) -> Result<proto::Alerts> {
        let target = alert_targets::get(&self.store, &caller.tenant).await?;
        let waiting = alerts::count_waiting(&self.store, &caller.tenant).await?;
        Ok(convert::alerts(target, waiting))
    }

    pub(crate) async fn test_alerts(
        &self,
        caller: &Caller,
        _request: proto::TestAlertsRequest,
    ) -> Result<proto::TestAlertsResponse> {
        let tenant = &caller.tenant;
        let Some(target) = alert_targets::get(&self.store, tenant).await? else {
            let message = "There is no URL yet to send an alert to: ConfigureAlerts sets it.".to_owned();
            return Err(CallError::Precondition { reason: reason::ALERTS_NOT_CONFIGURED, message });
        };
        let secret = alert_targets::open_secret(&self.store, tenant).await?;
        let sender = Sender::new(self.upstream.http().clone(), self.upstream.allowed_hosts().clone());
        let body = Body::test(tenant, Micros::now());
        let begun = Instant::now();
        let sent = sender.send(&target.url, &secret, body.alert_id, &body.to_json(), Micros::now()).await;
        let took = begun.elapsed();

        let mut tx = self.store.begin_write().await?;
        let error = sent.as_ref().err().map(|it| it.message.as_str());
        alert_targets::tried(&mut tx, tenant, error, Micros::now()).await?;
        self.commit(tx, caller).await?;
        Ok(proto::TestAlertsResponse {
            http_status: status(&sent).into(),
            alert_id: body.alert_id.to_string(),
            check: check(sent, &target, took),
            alerts: Some(self.alerts_of(caller).await?),
        })
    }
}

/// The settings that come out together with what is stored; `None`: nothing is to be stored, as alerts that were never
/// configured are turned off. A secret that would sign for another host than the one it was entered for must be entered
/// again: it is shared with that host alone.
fn resolve(stored: Option<&Target>, entered: Entered) -> Result<Option<Settings>> {
    let mut violations = Violations::default();
    let Some(stored) = stored else {
        if entered.enabled == Some(false) && entered.url.is_none() && entered.secret.is_none() {
            return Ok(None);
        }
        if entered.url.is_none() {
            violations.malformed("url", "This field is required: nothing was configured yet.");
        }
        if entered.secret.is_none() {
            violations.malformed("secret", "This field is required: nothing was configured yet.");
        }
        violations.check()?;
        let (url, secret) = (entered.url.unwrap_or_default(), entered.secret);
        return Ok(Some(Settings { url, secret, enabled: entered.enabled.unwrap_or(true), version: None }));
    };
    let moved = entered.destination.is_some_and(|it| !it.same_origin(&stored.url));
    if moved && entered.secret.is_none() {
        violations
            .malformed("secret", "url leads to another host or port than before: enter a secret for that receiver.");
    }
    violations.check()?;
    Ok(Some(Settings {
        url: entered.url.unwrap_or_else(|| stored.url.clone()),
        secret: entered.secret,
        enabled: entered.enabled.unwrap_or(stored.enabled),
        version: Some(stored.version),
    }))
}

fn status(sent: &std::result::Result<Delivered, Undelivered>) -> u16 {
    match sent {
        Ok(delivered) => delivered.status,
        Err(undelivered) => undelivered.status.unwrap_or(0),
    }
}

fn check(sent: std::result::Result<Delivered, Undelivered>, target: &Target, took: Duration) -> Option<proto::Check> {
    const NAME: &str = "alert_delivered";
    let check = match sent {
        Ok(Delivered { status }) => {
            let off = if target.enabled { "" } else { " Alerts are turned off, so nothing else is sent." };
            Check::passed(NAME, format!("The receiver took the test alert ({status}).{off}"))
        }
        Err(error) => Check::failed(NAME, error.reason, error.message, error.hint),
    };
    let mut checks = Checks::default();
    checks.push(check.took(took));
    checks.into_proto().pop()
}
