//! What the worker counts, for `/metrics`.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};

/// The worker's instruments.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    syncs: Counter<u64>,
    slices: Histogram<f64>,
    running: UpDownCounter<i64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter("pandaport-worker");
        Self {
            syncs: meter
                .u64_counter("pandaport.syncs.ended")
                .with_description("Syncs that ended, by final state")
                .build(),
            slices: meter
                .f64_histogram("pandaport.slice.duration")
                .with_unit("s")
                .with_description("How long slices took")
                .build(),
            running: meter
                .i64_up_down_counter("pandaport.slices.running")
                .with_description("Slices being worked in this process")
                .build(),
        }
    }

    pub(crate) fn sync_ended(&self, state: &'static str) {
        self.syncs.add(1, &[KeyValue::new("state", state)]);
    }

    pub(crate) fn slice_began(&self) {
        self.running.add(1, &[]);
    }

    pub(crate) fn slice_ended(&self, took: Duration) {
        self.running.add(-1, &[]);
        self.slices.record(took.as_secs_f64(), &[]);
    }
}
