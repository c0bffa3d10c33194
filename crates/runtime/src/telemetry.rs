//! Logs and traces.
//!
//! Logs go to stderr: for people on a terminal, else a JSON object a line. `RUST_LOG` filters the logs
//! and nothing else: if it filtered the whole registry, `RUST_LOG=warn` would drop the spans whose
//! context a job has to carry from the control plane to a worker.

mod export;
mod traceparent;

use std::env;
use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider};
use opentelemetry_semantic_conventions::resource::SERVICE_VERSION;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::RuntimeError;
use crate::settings::TelemetrySettings;

pub use traceparent::{current_traceparent, link_to, set_parent_from};

/// What is logged without `RUST_LOG`. The crates named say at `info` what only their authors need.
const DEFAULT_LOG: &str = "info,sqlx=warn,h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,\
    rustls=warn,tower=warn,riverqueue=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// Keeps logs and traces going; what is not exported yet is sent when this is dropped, within five
/// seconds. Hold it to the end of `main`.
#[derive(Debug)]
#[must_use = "traces end when this is dropped"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

/// Starts logs and traces for the process; `service` is the program's name, `version` its version.
/// Spans are exported only if an OTLP endpoint is set, but trace contexts exist and are passed on in any
/// case.
///
/// # Errors
/// [`RuntimeError::Setting`] for a `RUST_LOG` or endpoint that can't be used, [`RuntimeError::Setup`] if
/// the process has a global subscriber already.
pub fn start(
    settings: &TelemetrySettings,
    service: &'static str,
    version: &'static str,
) -> Result<TelemetryGuard, RuntimeError> {
    let filter = log_filter(settings)?;
    let provider = tracer_provider(settings, service, version)?;
    let registry = tracing_subscriber::registry().with(trace_layer(&provider));
    let installed = if std::io::stderr().is_terminal() {
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        registry.with(logs.with_filter(filter)).try_init()
    } else {
        let logs = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(std::io::stderr);
        registry.with(logs.with_filter(filter)).try_init()
    };
    installed.map_err(|error| RuntimeError::setup("logs", error))?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(TelemetryGuard { provider })
}

impl TelemetryGuard {
    /// Sends what is not exported yet, off the caller's thread, and ends the export.
    pub async fn shutdown(self) {
        // Blocking in Drop would hold up a runtime thread for as long as the collector takes.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Who sends this, for traces and metrics alike. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have
/// their usual meaning.
pub(crate) fn resource(service: &'static str, version: &'static str) -> Resource {
    let builder = Resource::builder().with_attribute(KeyValue::new(SERVICE_VERSION, version));
    if env::var_os("OTEL_SERVICE_NAME").is_some() {
        builder.build()
    } else {
        builder.with_service_name(service).build()
    }
}

fn log_filter(settings: &TelemetrySettings) -> Result<EnvFilter, RuntimeError> {
    let directives = settings.log_directives().unwrap_or(DEFAULT_LOG);
    EnvFilter::try_new(directives).map_err(|error| {
        RuntimeError::setting(
            "RUST_LOG",
            format!("{error}; write a level such as `info`, or `info,pandaport_worker=debug`"),
        )
    })
}

fn tracer_provider(
    settings: &TelemetrySettings,
    service: &'static str,
    version: &'static str,
) -> Result<SdkTracerProvider, RuntimeError> {
    let builder = SdkTracerProvider::builder().with_resource(resource(service, version));
    let Some(endpoint) = settings.otlp_endpoint() else {
        // Nobody will see a span: none is recorded, but each still has its ids.
        let passing_on = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        return Ok(builder.with_sampler(passing_on).build());
    };
    let exporter = export::Exporter::new(endpoint)?;
    let batches = BatchSpanProcessor::builder(exporter).build();
    Ok(builder.with_span_processor(batches).build())
}

fn trace_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // What it takes costs time on every span, so it is bounded by itself: `info`, as ours are, and not
    // the exporter's own doings.
    let taken = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("opentelemetry", LevelFilter::OFF)
        .with_target("opentelemetry_sdk", LevelFilter::OFF)
        .with_target("opentelemetry_otlp", LevelFilter::OFF);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("pandaport"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(taken)
}

#[cfg(test)]
mod tests;
