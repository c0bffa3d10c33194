//! Metrics: OpenTelemetry instruments, Prometheus text.

use opentelemetry::global;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use crate::RuntimeError;
use crate::telemetry::resource;

/// Bucket boundaries for a histogram in seconds, from a fast query to a slow upstream. The default
/// ones of OpenTelemetry are meant for milliseconds.
pub const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The process's metrics. Clones share one registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
}

impl Metrics {
    /// An empty registry; `service` and `version` stand in `target_info`. Instruments go by the naming
    /// of OpenTelemetry (`pandaport.sync.duration`, unit `s`) and come out as Prometheus has it
    /// (`pandaport_sync_duration_seconds`, counters with `_total`).
    ///
    /// # Errors
    /// If the registry refuses the exporter.
    pub fn new(service: &'static str, version: &'static str) -> Result<Self, RuntimeError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| RuntimeError::setup("metrics", error))?;
        let provider =
            SdkMeterProvider::builder().with_reader(exporter).with_resource(resource(service, version)).build();
        Ok(Self { registry, provider })
    }

    /// Also makes this what `opentelemetry::global::meter` uses. Once, in `main`, before any
    /// instrument is made: earlier ones would measure nothing.
    #[must_use]
    pub fn installed(self) -> Self {
        global::set_meter_provider(self.provider.clone());
        self
    }

    /// Makes the instruments of one part of the process.
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.provider.meter(scope)
    }

    /// All metrics as they are now, in Prometheus' text format.
    ///
    /// # Errors
    /// If the text can't be written, which only a name or label that is no UTF-8 could cause.
    pub fn render(&self) -> Result<String, RuntimeError> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .map_err(|error| RuntimeError::setup("metrics", error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn comes_out_under_prometheus_names() {
        let metrics = Metrics::new("pandaport-test", "1.2.3").unwrap();
        let meter = metrics.meter("pandaport");
        meter.u64_counter("pandaport.syncs.ended").build().add(2, &[KeyValue::new("state", "SUCCEEDED")]);
        meter
            .f64_histogram("pandaport.sync.duration")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .build()
            .record(0.3, &[]);

        let text = metrics.render().unwrap();

        assert!(text.contains("pandaport_syncs_ended_total{state=\"SUCCEEDED\"} 2"), "{text}");
        assert!(text.contains("pandaport_sync_duration_seconds_bucket{le=\"0.5\"} 1"), "{text}");
        assert!(text.contains("service_name=\"pandaport-test\""), "{text}");
    }
}
