#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Shutdown, install_crypto_provider};

struct Served {
    url: String,
    liveness: Liveness,
    readiness: Readiness,
    shutdown: Shutdown,
    end: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RuntimeError>>,
}

async fn served() -> Served {
    install_crypto_provider();
    let shutdown = Shutdown::by_hand();
    let readiness = Readiness::new(&shutdown);
    let liveness = Liveness::default();
    let metrics = Metrics::new("pandaport-test", "0").unwrap();
    metrics.meter("pandaport").u64_counter("pandaport.test").build().add(1, &[]);
    let server = AdminServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let end = CancellationToken::new();
    Served {
        url: format!("http://{}", server.address()),
        liveness: liveness.clone(),
        readiness: readiness.clone(),
        task: tokio::spawn(server.serve(liveness, readiness, metrics, end.clone().cancelled_owned())),
        shutdown,
        end,
    }
}

impl Served {
    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn readyz_lists_the_checks_and_says_why() {
    let served = served().await;
    served.readiness.check("database", || async { Ok(()) });
    let (status, body) = served.get("/readyz").await;
    let report: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(report["checks"][0]["name"], "database");
    assert_eq!(report["ready"], true);

    served.readiness.check("queue", || async { Err("not started".to_owned()) });
    let (status, body) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("not started"), "{body}");
}

#[tokio::test]
async fn while_draining_it_is_alive_but_not_ready_and_ends_when_told() {
    let served = served().await;
    served.shutdown.drain();

    let (status, body) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("\"draining\":true"), "{body}");
    assert_eq!(served.get("/livez").await, (200, "ok\n".to_owned()));

    served.end.cancel();
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn livez_names_a_loop_that_stands_still() {
    let served = served().await;
    let _stuck = served.liveness.promise("sweep", Duration::ZERO);
    let (status, body) = served.get("/livez").await;
    assert_eq!(status, 503);
    assert_eq!(body, "standing still: sweep\n");
}

#[tokio::test]
async fn metrics_come_as_text() {
    let served = served().await;
    let (status, body) = served.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("pandaport_test_total 1"), "{body}");
}
