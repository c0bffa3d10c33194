//! Bodies: limits, compression, JSON that is none; and connections that are reused.

use pandaport_outbound::{Call, Effect, ErrorKind, HttpSettings, Method, Outbound, Retry};

use crate::support::{Ask, Line, Server, answer, policy, quick, unlimited};

/// `{"ok":true}`, as gzip writes it.
const OK_GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 207, 86, 178, 42, 41, 42, 77, 173, 5, 0, 144, 95, 212, 167, 11, 0,
    0, 0,
];

fn small() -> HttpSettings {
    HttpSettings { max_body_bytes: 100_000, ..quick() }
}

/// Zeros by the megabyte: a fixed-Huffman block of one literal zero and `matches` times "the last byte, 258 times".
fn gzip_bomb(matches: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false]; // last block, type 01 (low bit first)
    let mut push = |code: u32, length: u32| bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    push(0b0011_0000, 8);
    for _ in 0..matches {
        push(0b1100_0101, 8);
        push(0, 5);
    }
    push(0, 7);
    let deflated = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    [31, 139, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(deflated).chain([0; 8]).collect()
}

#[tokio::test]
async fn a_large_body_is_refused_by_its_told_length_and_by_its_real_one() {
    let told = Line::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n".to_vec());
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        endless.extend(format!("1f40\r\n{}\r\n", "x".repeat(8000)).bytes());
    }
    for line in [told, Line::Say(endless)] {
        let server = Server::start([line]).await;
        let error = Ask { settings: small(), ..Ask::default() }.of(&server).await.unwrap_err();
        assert_eq!((error.kind, server.requests()), (ErrorKind::BodyTooLarge, 1), "{error}");
        assert!(error.message.contains("100000"), "{error}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_at_the_limit() {
    let bomb = gzip_bomb(40_000); // 10 MB
    assert!(bomb.len() < 100_000);
    let server = Server::start([answer(200, &[("Content-Encoding", "gzip")], bomb)]).await;
    let error = Ask { settings: small(), ..Ask::default() }.of(&server).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BodyTooLarge, "{error}");
}

#[tokio::test]
async fn gzip_is_asked_for_and_unpacked() {
    let server = Server::start([answer(200, &[("Content-Encoding", "gzip")], OK_GZIPPED)]).await;
    let value: serde_json::Value = Ask::default().of(&server).await.unwrap().json().unwrap();
    assert_eq!(value, serde_json::json!({"ok": true}));
    let head = server.last_head().to_lowercase();
    assert!(head.contains("accept-encoding: gzip") && head.contains("accept: application/json"), "{head}");
}

#[tokio::test]
async fn a_web_page_is_told_from_broken_json() {
    for (headers, body, kind, text) in [
        (&[("Content-Type", "text/html")][..], "<!doctype html><title>Sign in</title>", ErrorKind::NotJson, "Sign in"),
        (&[][..], "  <html>", ErrorKind::NotJson, "web page"),
        (&[][..], "[1, 2", ErrorKind::Unreadable, "EOF"),
        (&[][..], "{\"a\":1}", ErrorKind::Unreadable, "expected"),
        (&[][..], "", ErrorKind::Unreadable, "empty"),
    ] {
        let server = Server::start([answer(200, headers, body)]).await;
        let answer = Ask::default().of(&server).await.unwrap();
        let error = answer.json::<Vec<u8>>().unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(200)), "{error}");
        assert!(error.message.contains(text), "{error}");
    }
}

#[tokio::test]
async fn rule_3_a_write_with_an_unreadable_answer_is_unclear() {
    let server = Server::start([answer(200, &[], "gone wrong")]).await;
    let ask = Ask { method: Method::POST, retry: Retry::Never, body: Some("{}"), ..Ask::default() };
    let error = ask.of(&server).await.unwrap().json::<Vec<u8>>().unwrap_err();
    assert_eq!(error.effect, Effect::Unclear);
}

#[tokio::test]
async fn connections_are_reused() {
    let server = Server::start([answer(200, &[], "[]")]).await;
    let outbound = Outbound::new(quick()).unwrap();
    let policy = policy(server.address);
    for _ in 0..5 {
        let call = Call {
            method: Method::GET,
            url: server.url(),
            policy: &policy,
            headers: vec![],
            body: None,
            retry: Retry::Idempotent,
            permit: &unlimited(),
        };
        outbound.send(call).await.unwrap();
    }
    assert_eq!((server.requests(), server.connections()), (5, 1));
}
