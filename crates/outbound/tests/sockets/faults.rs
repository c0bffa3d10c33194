//! Each way a call can fail has its own kind, and the right effect.

use pandaport_outbound::{Effect, ErrorKind, HostPolicy, HttpSettings, Method, Retry, SendError};
use rstest::rstest;
use tokio::net::TcpListener;

use crate::support::{Ask, Line, Server, answer, policy, quick};

fn once() -> HttpSettings {
    HttpSettings { retries: 0, ..quick() }
}

async fn post_once(line: Line) -> SendError {
    let server = Server::start([line]).await;
    let ask = Ask { settings: once(), method: Method::POST, body: Some("{}"), retry: Retry::Never, ..Ask::default() };
    ask.of(&server).await.unwrap_err()
}

#[rstest]
#[case(400, r#"{"dep_account":["Enter a valid UUID."]}"#, ErrorKind::Refused, Effect::NotApplied, "Enter a valid UUID")]
#[case(401, r#"{"detail":"Invalid token."}"#, ErrorKind::Unauthorized, Effect::NotApplied, "Invalid token")]
#[case(403, r#"{"message":"no"}"#, ErrorKind::Forbidden, Effect::NotApplied, "no")]
#[case(404, "<html><h1>Not Found</h1>", ErrorKind::NotFound, Effect::NotApplied, "Not Found")]
#[case(408, "", ErrorKind::Timeout, Effect::NotApplied, "")]
#[case(429, r#"{"message":"API rate limit exceeded"}"#, ErrorKind::RateLimited, Effect::NotApplied, "exceeded")]
#[case(500, "", ErrorKind::ServerError, Effect::Unclear, "")]
#[case(
    502,
    "<html><body><h1>502 Bad Gateway</h1></body></html>",
    ErrorKind::ServerError,
    Effect::Unclear,
    "Bad Gateway"
)]
#[tokio::test]
async fn a_status_decides(
    #[case] status: u16,
    #[case] body: &str,
    #[case] kind: ErrorKind,
    #[case] effect: Effect,
    #[case] text: &str,
) {
    let error = post_once(answer(status, &[], body)).await;
    assert_eq!((error.kind, error.effect, error.status), (kind, effect, Some(status)));
    assert!(error.message.contains(text), "{error}");
    let shown = error.to_string();
    assert!(shown.contains("POST 127.0.0.1:") && shown.contains("/api/v1/things"), "{shown}");
    assert!(!shown.contains("SECRETQUERY"), "{shown}");
}

#[tokio::test]
async fn rule_3_what_broke_after_sending_is_unclear() {
    let cut_short = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{\"device_id\"".to_vec();
    let garbled = b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec();
    let bad_gzip = answer(200, &[("Content-Encoding", "gzip")], "this is not gzip");
    for (line, kind) in [
        (Line::SayAndClose(cut_short), ErrorKind::ConnectionLost),
        (Line::SayAndClose(Vec::new()), ErrorKind::ConnectionLost),
        (Line::SayAndClose(garbled), ErrorKind::ConnectionLost),
        (Line::Reset, ErrorKind::ConnectionLost),
        (Line::Hang, ErrorKind::Timeout),
        (bad_gzip, ErrorKind::Unreadable),
    ] {
        let error = post_once(line).await;
        assert_eq!((error.kind, error.effect), (kind, Effect::Unclear), "{error}");
        assert!(error.is_outage() && !error.is_credentials(), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_a_timeout() {
    let stalled = Line::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[".to_vec());
    assert_eq!(post_once(stalled).await.kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn a_status_counts_even_if_its_body_never_ends() {
    let stalled = Line::Say(b"HTTP/1.1 403 No\r\nContent-Length: 500\r\n\r\n{\"detail\":".to_vec());
    assert_eq!(post_once(stalled).await.kind, ErrorKind::Forbidden);
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/").parse().unwrap();
    let error = Ask { settings: once(), ..Ask::default() }.at(url, &policy(address)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Connect, Effect::NotSent));
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn tls_against_a_plain_port_is_a_tls_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let url = format!("https://{address}/").parse().unwrap();
    let error = Ask { settings: once(), ..Ask::default() }.at(url, &policy(address)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Tls, Effect::NotSent), "{error:?}");
}

#[tokio::test]
async fn rule_18_redirects_are_not_followed() {
    let elsewhere = Server::start([answer(200, &[], "[]")]).await;
    let location = format!("http://{}/secret-path?code=1", elsewhere.address);
    let error = post_once(answer(307, &[("Location", &location)], "")).await;
    assert_eq!(error.kind, ErrorKind::Redirect);
    assert!(error.message.contains("127.0.0.1") && !error.message.contains("secret-path"), "{error}");
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn rule_18_a_host_that_is_not_allowed_hears_nothing() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    let nobody = HostPolicy::new(&[".api.kandji.io"], Default::default());
    let error = Ask::default().at(server.url(), &nobody).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::HostNotAllowed, Effect::NotSent));
    assert_eq!(server.connections(), 0);
}
