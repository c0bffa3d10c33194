//! No token, query or request body ever shows, whatever the other side answers and however much is logged.

use std::io;
use std::sync::{Arc, Mutex};

use pandaport_outbound::{Answer, HostPolicy, HttpSettings, Method, SendError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{Ask, Line, Server, TOKEN, answer, quick, unlimited};

const BODY: &str = r#"{"note":"body-that-stays-private"}"#;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn assert_clean(text: &str) {
    let text = text.to_lowercase();
    for secret in [TOKEN, "body-that-stays-private", "secretquery"] {
        assert!(!text.contains(secret), "{secret} shows in: {text}");
    }
    // Nor a piece of the token, as a cut through its middle would leave.
    assert!(!text.contains(&TOKEN[..12]), "a part of the token shows in: {text}");
}

/// Servers that quote the token wherever they can.
fn malicious() -> Vec<Line> {
    let quoted = format!(r#"{{"detail":"Token {TOKEN} is invalid"}}"#);
    let at_the_cut = format!("{} {TOKEN} and more", "x".repeat(185));
    let elsewhere = format!("https://{TOKEN}.example.com/{TOKEN}?token={TOKEN}");
    vec![
        answer(401, &[], &quoted),
        answer(400, &[], TOKEN.to_uppercase()),
        answer(404, &[], &at_the_cut),
        answer(418, &[], format!(r#"{{"{TOKEN}":["bad key"]}}"#)),
        answer(429, &[("X-Token", TOKEN), ("Retry-After", "999")], &quoted),
        answer(500, &[], &quoted),
        answer(302, &[("Location", &elsewhere)], ""),
        answer(200, &[("Content-Type", "text/html")], format!("<html>Bearer {TOKEN}")),
        answer(200, &[], format!(r#""{TOKEN}""#)),
        answer(200, &[], format!("{TOKEN} is no JSON")),
        Line::SayAndClose(format!("{TOKEN}\r\n\r\n").into_bytes()),
        Line::Reset,
        Line::Hang,
    ]
}

async fn outcome(line: Line) -> (SendError, Option<Answer>) {
    let server = Server::start([line]).await;
    let settings = HttpSettings { retries: 1, ..quick() };
    let ask = Ask { settings, method: Method::PUT, body: Some(BODY), ..Ask::default() };
    match ask.of(&server).await {
        Err(error) => (error, None),
        Ok(answer) => (answer.json::<Vec<u8>>().unwrap_err(), Some(answer)),
    }
}

#[tokio::test]
async fn rule_17_no_secret_shows_in_errors_or_in_the_most_detailed_log() {
    let log = Captured::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish().init();

    for line in malicious() {
        let (error, answer) = outcome(line).await;
        tracing::error!(%error, ?error, ?answer, "as a caller would log it");
        assert_clean(&format!("{error} {error:?} {error:#?} {answer:?}"));
    }

    let refused = HostPolicy::new(&[], Default::default());
    let url = format!("https://127.0.0.1/{}?serial=SECRETQUERY", "x");
    let error = Ask::default().at(url.parse().unwrap(), &refused).await.unwrap_err();
    assert_clean(&format!("{error} {error:?}"));

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("hyper_util"), "the capture must hold what the HTTP library logs");
    assert!(log.contains("http.call"), "and our own spans");
    assert_clean(&log);
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused_without_being_shown() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    let outbound = pandaport_outbound::Outbound::new(quick()).unwrap();
    let policy = crate::support::policy(server.address);
    let error = outbound
        .send(pandaport_outbound::Call {
            method: Method::GET,
            url: server.url(),
            policy: &policy,
            headers: vec![(pandaport_outbound::header::AUTHORIZATION, format!("Bearer {TOKEN}\nX: y").into())],
            body: None,
            retry: pandaport_outbound::Retry::Idempotent,
            permit: &unlimited(),
        })
        .await
        .unwrap_err();
    assert!(error.is_credentials() && server.connections() == 0, "{error}");
    assert_clean(&format!("{error} {error:?}"));
}
