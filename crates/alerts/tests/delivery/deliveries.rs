//! What a receiver gets, and when.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use pandaport_store::Tenant;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::receiver::{Receiver, SECRET};
use crate::site::{START, Site, after, fails, succeeds};

#[tokio::test]
async fn an_alert_arrives_once_signed_and_says_what_happened() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    site.deliver(after(1)).await;
    site.deliver(after(2)).await;

    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let alert = &received[0];
    assert!(alert.genuine, "{alert:?}");
    assert_eq!(alert.header("content-type"), "application/json");
    assert_eq!(alert.header("pandaport-timestamp"), "1700000001", "it is the time of sending");
    let body = alert.json();
    assert_eq!(alert.header("pandaport-alert-id"), body["alert_id"].as_str().unwrap());
    let mut rest = body.clone();
    for id in ["alert_id", "sync_id"] {
        rest.as_object_mut().unwrap().remove(id).unwrap();
    }
    let counts = json!({"read": 3, "created": 0, "adopted": 0, "updated": 0, "unchanged": 0, "skipped": 0, "rejected": 0,
                        "still_rejected": 0, "removed": 0});
    assert_eq!(
        rest,
        json!({"version": 1, "kind": "FAILING", "create_time": "2023-11-14T22:13:20Z", "tenant": "default",
               "mapping_id": mapping_id.to_string(), "mapping_name": "Macs", "health": "FAILING",
               "previous_health": "HEALTHY", "sync_state": "FAILED", "counts": counts, "reason": "TOKEN_REFUSED",
               "message": "Kandji refused the token."})
    );
    let target = site.target().await;
    assert_eq!((target.last_delivered_time.is_some(), target.last_error, site.waiting().await), (true, None, 0));
}

#[tokio::test]
async fn what_is_refused_is_tried_again_later_and_the_error_is_kept_until_it_arrives() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    let echo = (StatusCode::INTERNAL_SERVER_ERROR, format!("my secret is {SECRET}")).into_response();
    let busy = (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "120")], "busy").into_response();
    receiver.answers([echo, busy]);
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    site.deliver(START).await;
    let target = site.target().await;
    assert_eq!(target.last_error.as_deref(), Some("The receiver answered 500: my secret is [redacted]."));
    assert_eq!((target.last_delivered_time, site.waiting().await), (None, 1));

    site.deliver(after(9)).await;
    assert_eq!(receiver.received().len(), 1, "its pause is not over");
    site.deliver(after(11)).await;
    assert_eq!(receiver.received().len(), 2);
    // The pause would be a minute, and the receiver asked for two.
    site.deliver(after(11 + 115)).await;
    assert_eq!(receiver.received().len(), 2);
    site.deliver(after(11 + 122)).await;
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|it| it.genuine && it.body == received[0].body));
    assert_ne!(received[0].header("pandaport-timestamp"), received[2].header("pandaport-timestamp"));
    let target = site.target().await;
    assert_eq!((target.last_delivered_time.is_some(), target.last_error, site.waiting().await), (true, None, 0));
}

#[tokio::test]
async fn after_an_outage_of_the_receiver_alerts_come_in_the_order_they_came_about() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    let out = || StatusCode::BAD_GATEWAY.into_response();
    receiver.answers([out(), out(), out()]);
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    for seconds in [0, 15, 80] {
        site.deliver(after(seconds)).await;
    }
    // The failure waits for minutes now; the recovery is new, and does not overtake it.
    site.ends(&site.tenant, mapping_id, succeeds(), after(100)).await;
    site.deliver(after(100)).await;
    assert_eq!(receiver.kinds()[3..], ["FAILING", "RECOVERED"]);
    assert_eq!(site.waiting().await, 0);
}

#[tokio::test]
async fn an_alert_that_a_receiver_does_not_take_keeps_no_other_from_it() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    receiver.answers([StatusCode::UNPROCESSABLE_ENTITY.into_response()]);
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    site.ends(&site.tenant, mapping_id, succeeds(), after(1)).await;
    site.deliver(after(2)).await;
    assert_eq!(receiver.kinds(), ["FAILING", "RECOVERED"]);
    assert_eq!(site.waiting().await, 1);
}

#[tokio::test]
async fn killed_between_sending_and_marking_an_alert_comes_twice_under_one_id_and_no_more() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    receiver.hold();
    let (store, sender) = (site.store.clone(), site.sender.clone());
    let killed =
        tokio::spawn(
            async move { pandaport_alerts::deliver_due(&store, &sender, START, &CancellationToken::new()).await },
        );
    receiver.came(1).await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    receiver.go_on();

    site.deliver(after(20)).await;
    assert_eq!(receiver.received().len(), 1, "for all that others know, it is still being sent");
    for seconds in [60, 61, 200] {
        site.deliver(after(seconds)).await;
    }
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].json()["alert_id"], received[1].json()["alert_id"]);
    assert_eq!(site.waiting().await, 0);
}

#[tokio::test]
async fn two_processes_that_look_at_once_send_an_alert_once() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    tokio::join!(site.deliver(START), site.deliver(START), site.deliver(START));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn an_alert_is_given_up_after_two_days() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    receiver.answers((0..3).map(|_| StatusCode::BAD_GATEWAY.into_response()));
    for hours in [0, 47, 50] {
        site.deliver(after(hours * 3_600)).await;
    }
    assert_eq!(site.waiting().await, 0);
    site.deliver(after(60 * 3_600)).await;
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn a_host_that_is_no_longer_allowed_gets_nothing() {
    let receiver = Receiver::start().await;
    let site = Site::new("alerts.example.com").await;
    site.configure(&site.tenant.clone(), &receiver.url(), Some(SECRET), true).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    site.deliver(START).await;
    assert!(receiver.received().is_empty());
    let error = site.target().await.last_error.unwrap();
    assert!(error.contains("PANDAPORT_ALLOWED_HOSTS") && error.contains(&receiver.host), "{error}");
    assert_eq!(site.waiting().await, 1);
}

#[tokio::test]
async fn each_tenant_hears_of_its_own_mappings_alone() {
    let (ours, theirs) = (Receiver::start().await, Receiver::start().await);
    let site = Site::new(&format!("{},{}", ours.host, theirs.host)).await;
    let other = Tenant::new("other");
    site.configure(&site.tenant.clone(), &ours.url(), Some(SECRET), true).await;
    site.configure(&other, &theirs.url(), Some("the secret of the others"), true).await;
    let macs = site.mapping(&site.tenant, "Macs").await;
    let phones = site.mapping(&other, "Phones").await;
    site.ends(&site.tenant, macs, fails(), START).await;
    site.ends(&other, phones, fails(), START).await;
    site.deliver(after(1)).await;
    let names = |receiver: &Receiver| {
        receiver.received().iter().map(|it| (it.json()["mapping_name"].clone(), it.genuine)).collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), [(json!("Macs"), true)]);
    assert_eq!(names(&theirs), [(json!("Phones"), false)], "it is signed with the other tenant's secret");
}

#[tokio::test]
async fn turned_off_nothing_is_sent_and_what_waited_is_dropped() {
    let receiver = Receiver::start().await;
    let site = Site::telling(&receiver).await;
    let mapping_id = site.mapping(&site.tenant, "Macs").await;
    site.ends(&site.tenant, mapping_id, fails(), START).await;
    site.configure(&site.tenant.clone(), &receiver.url(), None, false).await;
    site.ends(&site.tenant, mapping_id, succeeds(), after(1)).await;
    site.configure(&site.tenant.clone(), &receiver.url(), None, true).await;
    site.deliver(after(2)).await;
    assert!(receiver.received().is_empty());
    // The secret was kept.
    site.ends(&site.tenant, mapping_id, fails(), after(3)).await;
    site.deliver(after(3)).await;
    assert_eq!(receiver.kinds(), ["FAILING"]);
    assert!(receiver.received()[0].genuine);
}
