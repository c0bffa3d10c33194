//! A mapping's health, and the alert of each change of it.

use std::time::Duration;

use pandaport_store::alert_targets::{self, Settings};
use pandaport_store::alerts::Health;
use pandaport_store::engine::{CountDeltas, Ending, Progress, Slice, Wait};
use pandaport_store::health::OUTAGE_TOLERATED;
use pandaport_store::mappings::{self, Mapping};
use pandaport_store::{Conflict, Micros, StoreError, Tenant, alerts};
use secrecy::ExposeSecret as _;

use crate::{START, Site, after, site};

const SECRET: &str = "a secret that both know";

async fn configure(site: &Site, version: Option<i64>, secret: Option<&str>) -> Result<i64, StoreError> {
    let settings = Settings {
        url: "https://alerts.example.com/".into(),
        secret: secret.map(|it| it.to_owned().into()),
        enabled: true,
        version,
    };
    let mut tx = site.store.begin_write().await.unwrap();
    let keyring = site.store.keyring().unwrap();
    let target = alert_targets::configure(&mut tx, keyring, &site.tenant, &settings, START).await?;
    tx.commit().await.unwrap();
    Ok(target.version)
}

async fn begin(site: &Site, mapping: &Mapping, dry_run: bool, now: Micros) -> Slice {
    let pandaport_store::syncs::Creation::Created(sync) = site.create(mapping, dry_run, now).await else {
        panic!("one is active")
    };
    site.store.begin_slice(sync.sync_id, now, now).await.unwrap().unwrap()
}

fn ending(state: &'static str, reason: Option<&str>) -> Ending {
    let error = reason.map(|reason| (reason.to_owned(), "So it is".to_owned()));
    Ending { state, error, complete: false, read_complete: false, weighed: false, broken: None }
}

/// Ends a sync of the mapping so.
async fn end(site: &Site, mapping: &Mapping, ending: &Ending, rejected: (i64, i64), now: Micros) {
    let slice = begin(site, mapping, false, now).await;
    let counts = CountDeltas { rejected: rejected.0, still_rejected: rejected.1, ..CountDeltas::default() };
    site.store.finish_sync(slice.guard, &Progress { counts, ..Progress::default() }, ending, now).await.unwrap();
}

async fn health(site: &Site, mapping: &Mapping) -> Health {
    mappings::get(&site.store, &site.tenant, mapping.mapping_id).await.unwrap().health
}

/// What waits: kind, health before, and message.
async fn told(site: &Site) -> Vec<(String, String, String)> {
    let waiting = alerts::waiting(&site.store, &site.tenant, 100).await.unwrap();
    let body = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    waiting
        .iter()
        .map(|it| body(&it.body))
        .map(|it| (text(&it["kind"]), text(&it["previous_health"]), text(&it["message"])))
        .collect()
}

#[tokio::test]
async fn each_change_of_health_is_told_once_and_what_stays_is_not_told_again() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    let (well, rejecting) = (ending("SUCCEEDED", None), ending("COMPLETED_WITH_REJECTIONS", None));
    let refused = ending("FAILED", Some("TOKEN_REFUSED"));
    let (moved, held) = (ending("FAILED", Some("PLAN_MOVED")), ending("HELD", None));
    let cancelled = ending("CANCELLED", None);
    let steps = [
        (&well, (0, 0), Health::Healthy, None),
        (&refused, (0, 0), Health::Failing, Some(("FAILING", "HEALTHY"))),
        (&refused, (0, 0), Health::Failing, None),
        (&cancelled, (0, 0), Health::Failing, None),
        (&rejecting, (3, 0), Health::Rejections, Some(("REJECTIONS", "FAILING"))),
        (&rejecting, (9, 3), Health::Rejections, None),
        (&moved, (0, 0), Health::Rejections, None),
        (&held, (0, 12), Health::Held, Some(("HELD", "REJECTIONS"))),
        (&rejecting, (0, 12), Health::Rejections, Some(("REJECTIONS", "HELD"))),
        (&well, (0, 0), Health::Healthy, Some(("RECOVERED", "REJECTIONS"))),
        (&well, (0, 0), Health::Healthy, None),
    ];
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (n, (ending, rejected, stands, alert)) in steps.into_iter().enumerate() {
        end(&site, &mapping, ending, rejected, after(n as u64)).await;
        assert_eq!(health(&site, &mapping).await, stands, "step {n}");
        wanted.extend(alert.map(|(kind, before)| (kind.to_owned(), before.to_owned())));
        let told: Vec<_> = told(&site).await.into_iter().map(|(kind, before, _)| (kind, before)).collect();
        assert_eq!(told, wanted, "step {n}");
    }
    // A dry run that fails says nothing of the mapping.
    let dry = begin(&site, &mapping, true, after(50)).await;
    site.store.finish_sync(dry.guard, &Progress::default(), &refused, after(50)).await.unwrap();
    assert_eq!((health(&site, &mapping).await, told(&site).await.len()), (Health::Healthy, wanted.len()));
}

/// A sync that came through with the fleet read to its end, or not.
fn came_through(state: &'static str, read_complete: bool) -> Ending {
    let reason = (!read_complete).then_some("READ_INCOMPLETE");
    Ending { complete: true, read_complete, ..ending(state, reason) }
}

#[tokio::test]
async fn rule_2_a_fleet_that_is_not_read_to_its_end_for_a_day_is_told_of_once_and_so_is_its_recovery() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    let (whole, partly) = (came_through("SUCCEEDED", true), came_through("SUCCEEDED", false));
    let rejecting = came_through("COMPLETED_WITH_REJECTIONS", false);
    let refused = ending("FAILED", Some("TOKEN_REFUSED"));
    let read = async |hours: u64| {
        let time = after(hours * 3600).0;
        site.sql(format!("UPDATE mappings SET last_complete_read_time = {time}")).await;
    };
    // Ends of syncs, with the hours that have passed: one that was cut short is no news, also not after a long pause.
    let steps = [
        (0, &whole, Health::Healthy),
        (30, &partly, Health::Healthy),
        (31, &whole, Health::Healthy),
        (32, &refused, Health::Failing),
        (33, &partly, Health::Healthy),
        (54, &partly, Health::Healthy),
        (55, &partly, Health::Failing),
        (56, &rejecting, Health::Failing),
        (57, &partly, Health::Failing),
        (58, &whole, Health::Healthy),
        (59, &partly, Health::Healthy),
    ];
    for (hours, ending, stands) in steps {
        if ending.read_complete {
            read(hours).await;
        }
        let rejected = if ending.state == "COMPLETED_WITH_REJECTIONS" { (1, 0) } else { (0, 0) };
        end(&site, &mapping, ending, rejected, after(hours * 3600)).await;
        assert_eq!(health(&site, &mapping).await, stands, "after {hours} hours");
    }
    let told = told(&site).await;
    let kinds: Vec<(&str, &str)> = told.iter().map(|(kind, before, _)| (kind.as_str(), before.as_str())).collect();
    let expected = [("FAILING", "HEALTHY"), ("RECOVERED", "FAILING"), ("FAILING", "HEALTHY"), ("RECOVERED", "FAILING")];
    assert_eq!(kinds, expected);
    assert!(told[1].2.contains("could not read the fleet to its end"), "{}", told[1].2);
    assert!(
        told[2].2.starts_with("So it is. No read of the fleet was complete since 2023-11-16T05:13:20Z"),
        "{told:?}"
    );
    assert_eq!(told[3].2, "The last sync did everything.");
}

#[tokio::test]
async fn rule_2_a_mapping_whose_fleet_was_never_read_to_its_end_is_told_of_after_a_day() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    for (hours, stands) in [(1, Health::Held), (2, Health::Held), (25, Health::Failing)] {
        end(&site, &mapping, &came_through("HELD", false), (0, 0), after(hours * 3600)).await;
        assert_eq!(health(&site, &mapping).await, stands, "after {hours} hours");
    }
    assert!(told(&site).await[1].2.contains("was complete so far"));
}

#[tokio::test]
async fn messages_say_how_many_and_why() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    let slice = begin(&site, &mapping, false, START).await;
    for (n, reason) in ["VALUE_UNFIT", "IDENTIFIER_EMPTY", "IDENTIFIER_EMPTY"].iter().enumerate() {
        site.sql(format!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, fingerprint, step, outcome, reason) \
             VALUES ({}, '{n}', 'default', {}, x'', 9, 'REJECTED', '{reason}')",
            crate::literal(slice.guard.sync_id.0),
            crate::literal(mapping.mapping_id.0)
        ))
        .await;
    }
    let counts = CountDeltas { rejected: 3, still_rejected: 1, ..CountDeltas::default() };
    let progress = Progress { counts, ..Progress::default() };
    site.store.finish_sync(slice.guard, &progress, &ending("COMPLETED_WITH_REJECTIONS", None), START).await.unwrap();
    for (n, device) in ["a", "b"].iter().enumerate() {
        site.sql(format!(
            "INSERT INTO held_changes (mapping_id, kind, device_id, tenant) VALUES ({}, 'REMOVAL', '{device}{n}', 'default')",
            crate::literal(mapping.mapping_id.0)
        ))
        .await;
    }
    end(&site, &mapping, &ending("HELD", None), (0, 0), after(1)).await;
    end(&site, &mapping, &ending("FAILED", Some("TOKEN_REFUSED")), (0, 0), after(2)).await;
    let messages: Vec<_> = told(&site).await.into_iter().map(|it| it.2).collect();
    assert_eq!(
        messages,
        [
            "3 devices were rejected (2 IDENTIFIER_EMPTY, 1 VALUE_UNFIT); 1 device is still rejected from before. \
             ListDevices with the state REJECTED says what to do about each.",
            "The brake holds 2 changes back. GetMapping shows them; ApproveHeld lets them through.",
            "So it is.",
        ]
    );
}

#[tokio::test]
async fn a_mapping_that_breaks_is_failing() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    let broken = Ending { broken: Some("The column is gone".into()), ..ending("FAILED", Some("COLUMN_UNKNOWN")) };
    end(&site, &mapping, &broken, (0, 0), START).await;
    assert_eq!(health(&site, &mapping).await, Health::Failing);
    assert_eq!(told(&site).await.len(), 1);
}

#[tokio::test]
async fn an_outage_is_told_after_an_hour_and_once() {
    let site = site().await;
    configure(&site, None, Some(SECRET)).await.unwrap();
    let mapping = site.mapping().await;
    let slice = begin(&site, &mapping, false, START).await;
    let wait = |until: Micros| Wait {
        reason: "OUTAGE",
        message: "Kandji is out: no connection".into(),
        until,
        outage: Some((START, 1)),
    };
    let mut slice = slice;
    let minute = Duration::from_secs(60);
    for (at, stands) in [
        (OUTAGE_TOLERATED - minute, Health::Healthy),
        (OUTAGE_TOLERATED, Health::Failing),
        (OUTAGE_TOLERATED + minute, Health::Failing),
    ] {
        let now = START.plus(at);
        site.store.pause_sync(slice.guard, &Progress::default(), &wait(now), now, now).await.unwrap();
        assert_eq!(health(&site, &mapping).await, stands, "{at:?}");
        slice = site.store.begin_slice(slice.guard.sync_id, now, now).await.unwrap().unwrap();
    }
    let expected =
        "Kandji is out: no connection. The sync has been waiting since 2023-11-14T22:13:20Z and goes on trying.";
    assert_eq!(told(&site).await, [("FAILING".to_owned(), "HEALTHY".to_owned(), expected.to_owned())]);
    // At its end it is found failing already.
    site.store
        .finish_sync(slice.guard, &Progress::default(), &ending("FAILED", Some("HOST_UNREACHABLE")), after(99_999))
        .await
        .unwrap();
    assert_eq!(told(&site).await.len(), 1);
}

#[tokio::test]
async fn without_a_target_health_is_kept_and_nothing_is_told() {
    let site = site().await;
    let mapping = site.mapping().await;
    end(&site, &mapping, &ending("FAILED", Some("TOKEN_REFUSED")), (0, 0), START).await;
    assert_eq!((health(&site, &mapping).await, told(&site).await.len()), (Health::Failing, 0));
}

#[tokio::test]
async fn the_secret_is_sealed_for_its_tenant_and_an_unset_one_is_kept() {
    let site = site().await;
    assert_eq!(alert_targets::get(&site.store, &site.tenant).await.unwrap(), None);
    assert!(configure(&site, None, None).await.is_err(), "there is no secret to keep");
    assert_eq!(configure(&site, None, Some(SECRET)).await.unwrap(), 1);
    let again = configure(&site, None, Some(SECRET)).await;
    assert!(matches!(again, Err(StoreError::Conflict { what: Conflict::VersionMoved, .. })), "{again:?}");
    assert_eq!(configure(&site, Some(1), None).await.unwrap(), 2);
    let stale = configure(&site, Some(1), None).await;
    assert!(matches!(stale, Err(StoreError::Conflict { what: Conflict::VersionMoved, .. })), "{stale:?}");
    let opened = alert_targets::open_secret(&site.store, &site.tenant).await.unwrap();
    assert_eq!(opened.expose_secret(), SECRET);

    let other = Tenant::new("other");
    assert_eq!(alert_targets::get(&site.store, &other).await.unwrap(), None);
    assert!(alert_targets::open_secret(&site.store, &other).await.is_err());
    assert!(!site.database.contains(SECRET).await, "it is in the database");
    // A row that was copied to another tenant does not open, and a wrong key is found at the start.
    site.sql(
        "INSERT INTO alert_targets (tenant, url, secret, secret_hint, enabled, create_time, update_time) \
              SELECT 'other', url, secret, secret_hint, enabled, 0, 0 FROM alert_targets",
    )
    .await;
    assert!(alert_targets::open_secret(&site.store, &other).await.is_err());
    site.sql("DELETE FROM alert_targets WHERE tenant = 'other'").await;
    let keyring = pandaport_store::Keyring::new(&[pandaport_store::Keyring::generate()]).unwrap();
    assert!(matches!(site.store.clone().unlock(keyring).await, Err(StoreError::Key(_))));
}
