#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tracing::{info_span, warn_span};

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn settings(log: &str, endpoint: Option<String>) -> TelemetrySettings {
    TelemetrySettings { log: Some(log.to_owned()), otlp_endpoint: endpoint }
}

/// Runs `body` as within a process that was started with these settings.
fn within(settings: &TelemetrySettings, body: impl FnOnce()) -> TelemetryGuard {
    let provider = tracer_provider(settings, "test", "0").unwrap();
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(log_filter(settings).unwrap());
    let subscriber = tracing_subscriber::registry().with(trace_layer(&provider)).with(logs);
    tracing::subscriber::with_default(subscriber, body);
    TelemetryGuard { provider }
}

#[test]
fn a_traceparent_is_carried_on_without_an_exporter_and_with_quiet_logs() {
    let _guard = within(&settings("error", None), || {
        assert_eq!(current_traceparent(), None);
        let span = info_span!("trigger");
        let of_span = span.in_scope(current_traceparent).unwrap();
        assert_eq!(of_span.len(), PARENT.len(), "{of_span}");
        let of_child = span.in_scope(|| info_span!("enqueue").in_scope(current_traceparent)).unwrap();
        assert_eq!(of_span[..36], of_child[..36], "one trace");
        assert_ne!(of_span, of_child);
    });
}

#[test]
fn a_parent_from_elsewhere_is_taken_with_its_flags() {
    let _guard = within(&settings("error", None), || {
        let span = info_span!("slice");
        assert!(set_parent_from(&span, PARENT));
        let ours = span.in_scope(current_traceparent).unwrap();
        assert!(ours.starts_with(&PARENT[..36]), "{ours}");
        assert!(ours.ends_with("-01"), "{ours}");
        assert_ne!(ours, PARENT);
    });
}

#[test]
fn a_malformed_traceparent_is_left_alone() {
    let _guard = within(&settings("error", None), || {
        let outer = warn_span!("outer");
        outer.in_scope(|| {
            let span = info_span!("slice");
            assert!(!set_parent_from(&span, "nonsense"));
            link_to(&span, "nonsense");
            assert!(span.in_scope(current_traceparent).is_some());
        });
    });
}

#[test]
fn a_malformed_log_filter_is_refused_with_an_example() {
    let error = log_filter(&settings("info,=,", None)).unwrap_err();
    assert!(error.to_string().starts_with("RUST_LOG: "), "{error}");
    assert!(error.to_string().contains("pandaport_worker=debug"), "{error}");
    log_filter(&settings(DEFAULT_LOG, None)).unwrap();
}

#[test]
fn an_endpoint_that_is_no_http_address_is_refused() {
    for endpoint in ["collector:4318", "not an address", "grpc://127.0.0.1:4317"] {
        crate::install_crypto_provider();
        let settings = settings("info", Some(endpoint.to_owned()));
        let error = tracer_provider(&settings, "test", "0").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: "), "{text}");
    }
}

/// A collector that takes one request, and hands back its first line and its length.
fn collector() -> (String, Receiver<(String, usize)>) {
    let (done, served) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        let header_end = loop {
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
            if let Some(at) = request.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let header = String::from_utf8_lossy(&request[..header_end]).to_lowercase();
        let length: usize =
            header.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        while request.len() < header_end + length {
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        let _ = done.send((header.lines().next().unwrap_or_default().to_owned(), length));
    });
    (endpoint, served)
}

#[test]
fn the_last_spans_are_sent_when_the_guard_is_dropped() {
    crate::install_crypto_provider();
    let (endpoint, served) = collector();
    let guard = within(&settings("error", Some(endpoint)), || {
        info_span!("trigger").in_scope(|| {});
    });

    drop(guard);

    let (request, length) = served.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request, "post /v1/traces http/1.1");
    assert!(length > 0);
}

#[tokio::test]
async fn they_are_sent_from_a_runtime_of_one_thread_too() {
    crate::install_crypto_provider();
    let (endpoint, served) = collector();
    let guard = within(&settings("error", Some(endpoint)), || {
        info_span!("trigger").in_scope(|| {});
    });

    guard.shutdown().await;

    // Shutting down waits for the last batch, so that it has arrived or never will.
    assert_eq!(served.recv_timeout(PATIENCE).unwrap().0, "post /v1/traces http/1.1");
}
