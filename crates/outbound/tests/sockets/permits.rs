//! Leave is asked before every attempt, and told what every answer said.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pandaport_outbound::{Denied, Effect, ErrorKind, Method, Permit, RateSignal, Retry};

use crate::support::{Ask, Counting, Server, answer};

#[tokio::test]
async fn every_attempt_asks_and_reports() {
    let limited = answer(
        429,
        &[("Retry-After", "0"), ("X-RateLimit-Limit-Second", "50"), ("X-RateLimit-Remaining-Second", "0")],
        "",
    );
    let server = Server::start([limited, answer(200, &[], "[]")]).await;
    let permit = Arc::new(Counting::new(10, Denied::DeadlinePassed));
    Ask { permit: permit.clone(), ..Ask::default() }.of(&server).await.unwrap();
    assert_eq!(permit.left.load(Ordering::SeqCst), 8);
    let seen = permit.seen.lock().unwrap().clone();
    assert_eq!(seen.iter().map(|signal| signal.status).collect::<Vec<_>>(), [429, 200]);
    assert_eq!((seen[0].windows[0].limit, seen[0].windows[0].remaining), (50, 0));
}

#[tokio::test]
async fn an_empty_budget_sends_nothing_and_says_when() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    let permit = Arc::new(Counting::new(0, Denied::BudgetEmpty { retry_after: Duration::from_secs(42) }));
    let error = Ask { permit: permit.clone(), ..Ask::default() }.of(&server).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::BudgetEmpty, Effect::NotSent));
    assert_eq!(error.retry_after, Some(Duration::from_secs(42)));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_deadline_between_attempts_keeps_what_the_first_one_did() {
    let server = Server::start([answer(502, &[], "upstream died")]).await;
    let permit = Arc::new(Counting::new(1, Denied::DeadlinePassed));
    let error = Ask { permit: permit.clone(), ..Ask::default() }.of(&server).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::DeadlinePassed, Effect::Unclear));
    assert!(error.message.contains("upstream died"), "{error}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_budget_store_that_is_down_is_told_from_an_outage_of_the_api() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    let permit = Arc::new(Counting::new(0, Denied::Unavailable { message: "database is down".to_owned() }));
    let error = Ask { permit: permit.clone(), ..Ask::default() }.of(&server).await.unwrap_err();
    assert!(!error.is_outage() && error.to_string().contains("database is down"), "{error}");
}

/// Gives leave, and takes it back before the body is sent.
struct TakenBack;

#[async_trait::async_trait]
impl Permit for TakenBack {
    async fn acquire(&self) -> Result<(), Denied> {
        Ok(())
    }

    fn still_stands(&self) -> Result<(), Denied> {
        Err(Denied::DeadlinePassed)
    }

    fn observe(&self, _signal: &RateSignal) {}
}

#[tokio::test]
async fn rule_7_leave_that_was_taken_back_is_noticed_when_the_body_leaves() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    for retry in [Retry::Never, Retry::Idempotent] {
        let ask = Ask { method: Method::POST, body: Some("{}"), retry, permit: Arc::new(TakenBack), ..Ask::default() };
        let error = ask.of(&server).await.unwrap_err();
        assert_eq!((error.kind, error.effect), (ErrorKind::DeadlinePassed, Effect::NotSent), "{error}");
    }
    assert_eq!(server.requests(), 0, "a request is one whose body came whole");
}
