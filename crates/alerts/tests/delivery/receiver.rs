//! A receiver of alerts, as somebody else would write one: it works the signature out by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

pub(crate) const SECRET: &str = "a secret that both know";

/// What came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) genuine: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A running receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) host: String,
    shared: Arc<Shared>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    /// What the next ones are answered with; then 204.
    answers: Mutex<VecDeque<Response>>,
    /// Told of each one that came in.
    came: Notify,
    /// Whether answers are given.
    answering: watch::Sender<bool>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answers: Mutex::default(),
            came: Notify::new(),
            answering: watch::Sender::new(true),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let app = Router::new().route("/alerts", post(receive)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { host, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/alerts", self.host)
    }

    /// What the next alerts are answered with, one each.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Response>) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// From now on, alerts are taken in and get no answer.
    pub(crate) fn hold(&self) {
        self.shared.answering.send_replace(false);
    }

    /// Answers again.
    pub(crate) fn go_on(&self) {
        self.shared.answering.send_replace(true);
    }

    /// Waits until so many came in.
    pub(crate) async fn came(&self, count: usize) {
        loop {
            let told = self.shared.came.notified();
            if self.received().len() >= count {
                return;
            }
            told.await;
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Their kinds, in the order they came.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.received().iter().map(|it| it.json()["kind"].as_str().unwrap().to_owned()).collect()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let timestamp = headers["pandaport-timestamp"].to_str().unwrap().to_owned();
    let expected = format!("v1={}", hmac(SECRET.as_bytes(), format!("{timestamp}.{body}").as_bytes()));
    let genuine = headers["pandaport-signature"].to_str().unwrap() == expected;
    shared.received.lock().unwrap().push(Received { headers, body, genuine });
    shared.came.notify_waiters();
    shared.answering.subscribe().wait_for(|it| *it).await.unwrap();
    shared.answers.lock().unwrap().pop_front().unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

/// HMAC-SHA256 as RFC 2104 has it, in hex.
fn hmac(key: &[u8], message: &[u8]) -> String {
    assert!(key.len() <= 64, "a longer key would be hashed first");
    let pad = |byte: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}
