//! How long calls take, by method and code.

use std::time::Duration;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, Value, global};
use pandaport_runtime::SECONDS;
use tonic::Code;

/// The measure of all calls.
#[derive(Clone)]
pub(crate) struct CallTimes(Histogram<f64>);

impl CallTimes {
    pub(crate) fn new() -> Self {
        let histogram = global::meter("pandaport")
            .f64_histogram("pandaport.rpc.duration")
            .with_unit("s")
            .with_description("Time that a call took; for a stream, until it began.")
            .with_boundaries(SECONDS.to_vec())
            .build();
        Self(histogram)
    }

    pub(crate) fn record(&self, method: impl Into<Value>, code: Code, took: Duration) {
        let labels = [KeyValue::new("method", method.into()), KeyValue::new("code", format!("{code:?}"))];
        self.0.record(took.as_secs_f64(), &labels);
    }
}
