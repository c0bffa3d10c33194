//! What is sent again, when, and what never is.

use std::time::{Duration, Instant};

use pandaport_outbound::{Effect, ErrorKind, HttpSettings, Method, Retry};

use crate::support::{Ask, Line, Server, answer, quick};

fn ok() -> Line {
    answer(200, &[], "[]")
}

#[tokio::test]
async fn a_burst_of_503_is_survived() {
    let down = answer(503, &[], "");
    let server = Server::start([down.clone(), down.clone(), down, ok()]).await;
    let answer = Ask::default().of(&server).await.unwrap();
    assert_eq!((answer.status, server.requests()), (200, 4));
}

#[tokio::test]
async fn a_longer_outage_is_given_to_the_caller() {
    let server = Server::start([answer(503, &[("Retry-After", "0")], "")]).await;
    let error = Ask::default().of(&server).await.unwrap_err();
    assert_eq!((error.kind, server.requests()), (ErrorKind::ServerError, 4));
}

#[tokio::test]
async fn reads_survive_broken_connections_and_one_hang() {
    let cut = Line::SayAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[".to_vec());
    let server = Server::start([Line::Reset, cut, Line::Hang, ok()]).await;
    assert_eq!(&Ask::default().of(&server).await.unwrap().body[..], b"[]");
}

#[tokio::test]
async fn retry_after_in_seconds_is_waited_out() {
    let server = Server::start([answer(429, &[("retry-AFTER", "1")], ""), ok()]).await;
    let begin = Instant::now();
    Ask::default().of(&server).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn retry_after_as_a_date_is_waited_out_by_the_servers_clock() {
    // The dates lie years back: only their distance counts.
    let limited =
        answer(429, &[("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:49:38 GMT")], "");
    let server = Server::start([limited, ok()]).await;
    let begin = Instant::now();
    Ask::default().of(&server).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_longer_wait_is_given_to_the_caller_at_once() {
    let date = [("Date", "Sun, 06 Nov 1994 08:00:00 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:29:00 GMT")];
    for headers in [&[("Retry-After", "1740")][..], &date[..], &[("RateLimit-Reset", "1740")][..]] {
        let server = Server::start([answer(429, headers, r#"{"message":"API rate limit exceeded"}"#)]).await;
        let error = Ask::default().of(&server).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert_eq!(error.retry_after, Some(Duration::from_secs(1740)));
        assert_eq!(server.requests(), 1);
        assert!(error.to_string().contains("1740 s"), "{error}");
    }
}

#[tokio::test]
async fn rule_3_a_create_is_sent_exactly_once_whatever_happens() {
    for line in [
        answer(503, &[("Retry-After", "0")], ""),
        answer(429, &[("Retry-After", "0")], ""),
        Line::Reset,
        Line::Hang,
        Line::SayAndClose(Vec::new()),
    ] {
        let server = Server::start([line, ok()]).await;
        let ask = Ask { method: Method::POST, body: Some("{}"), retry: Retry::Never, ..Ask::default() };
        ask.of(&server).await.unwrap_err();
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn rule_3_one_unclear_attempt_makes_the_call_unclear() {
    let server = Server::start([answer(502, &[], ""), answer(400, &[], r#"{"message":"gone"}"#)]).await;
    let ask = Ask { method: Method::PUT, body: Some("{}"), ..Ask::default() };
    let error = ask.of(&server).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Refused, Effect::Unclear));
}

#[tokio::test]
async fn no_inline_wait_means_no_retry() {
    let server = Server::start([answer(503, &[], ""), ok()]).await;
    let settings = HttpSettings { max_inline_wait: Duration::ZERO, ..quick() };
    Ask { settings, ..Ask::default() }.of(&server).await.unwrap_err();
    assert_eq!(server.requests(), 1);
}
