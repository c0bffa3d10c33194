//! Trace contexts across processes, in W3C's `traceparent` form.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACEPARENT: &str = "traceparent";

/// The context of the current span, to be put into a job or a call:
/// `00-<trace id>-<span id>-<flags>`. `None` outside any span of level `info` or above.
pub fn current_traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes `span` a child of the span that `traceparent` names. To be called before the span is first
/// entered. Says whether it took: a malformed one is left alone, for it is never worth failing over.
pub fn set_parent_from(span: &Span, traceparent: &str) -> bool {
    let parent = extract(traceparent);
    parent.span().span_context().is_valid() && span.set_parent(parent).is_ok()
}

/// Links `span` to the span that `traceparent` names: related, but not a part of it, as each slice is to
/// the call that triggered its sync.
pub fn link_to(span: &Span, traceparent: &str) {
    span.add_link(extract(traceparent).span().span_context().clone());
}

fn extract(traceparent: &str) -> opentelemetry::Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    // On an empty context, not the current one: a malformed value must not name the caller's span.
    TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier)
}
