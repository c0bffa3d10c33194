//! Sending spans to a collector.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as Export};
use tokio::runtime::Runtime;

use crate::RuntimeError;

const SETTING: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How long a collector may take for a batch. Below the five seconds that a process waits for the last
/// one when it ends.
const TIMEOUT: Duration = Duration::from_secs(4);

/// OTLP over HTTP, with a runtime of its own. The batch processor calls it on a plain thread, where the
/// HTTP client finds no runtime; and the process's own would be gone, or busy ending, when the last
/// batch is sent.
pub(super) struct Exporter {
    inner: SpanExporter,
    runtime: Runtime,
}

impl Exporter {
    /// Sends to `endpoint`, the base address of a collector such as `http://127.0.0.1:4318`.
    pub(super) fn new(endpoint: &str) -> Result<Self, RuntimeError> {
        let refused = |error: &dyn fmt::Display| {
            RuntimeError::setting(
                SETTING,
                format!("{error}; write a collector's address such as http://127.0.0.1:4318"),
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| RuntimeError::setup("traces", error))?;
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| RuntimeError::setup("traces", error))?;
        let mut builder = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client)
            .with_timeout(TIMEOUT);
        // The variable for traces alone holds a whole address and, as everywhere, goes first.
        if std::env::var_os("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").is_none() {
            let base = url::Url::parse(endpoint).map_err(|error| refused(&error))?;
            if !matches!(base.scheme(), "http" | "https") {
                return Err(refused(&format_args!("`{}` is not http", base.scheme())));
            }
            builder = builder.with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')));
        }
        let inner = builder.build().map_err(|error| refused(&error))?;
        Ok(Self { inner, runtime })
    }
}

impl Export for Exporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        std::future::ready(self.runtime.block_on(self.inner.export(batch)))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter")
    }
}
