//! Which trace a call belongs to.

use tonic::metadata::MetadataMap;
use tracing::{Span, field};

const TRACEPARENT: &str = "traceparent";

/// The span of a call, under the caller's if it names one.
pub(crate) fn call_span(request: &http::Request<()>) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    let span =
        tracing::info_span!("call", rpc.method = method, otel.name = method, otel.kind = "server", code = field::Empty);
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|it| it.to_str().ok()) {
        pandaport_runtime::telemetry::set_parent_from(&span, parent);
    }
    span
}

/// What a sync and its job remember: this call's span, or else what the caller named.
pub(crate) fn traceparent(metadata: &MetadataMap) -> Option<String> {
    pandaport_runtime::telemetry::current_traceparent().or_else(|| {
        let given = metadata.get(TRACEPARENT)?.to_str().ok()?;
        is_traceparent(given).then(|| given.to_owned())
    })
}

/// `<version>-<trace id>-<span id>-<flags>` in lower-case hex, neither id zero: <https://www.w3.org/TR/trace-context/>.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
    };
    let zero = |part: &str| part.bytes().all(|it| it == b'0');
    match parts[..] {
        [version, trace, span, flags] => {
            hex(version, 2)
                && version != "ff"
                && hex(trace, 32)
                && !zero(trace)
                && hex(span, 16)
                && !zero(span)
                && hex(flags, 2)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_contexts_are_passed_on() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(wrong), "{wrong}");
        }
    }
}
