//! What the server counts and measures, for Prometheus.

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Figures of the writer and the evaluator. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Inputs that were taken.
    pub inputs: Counter,
    /// Inputs that were refused.
    pub refused: Counter,
    /// Events that became durable.
    pub events: Counter,
    /// Batches that were appended.
    pub batches: Counter,
    /// Appends that failed.
    pub failed_appends: Counter,
    /// From handing an input over to its answer.
    pub wait_seconds: Histogram,
    /// Handling the inputs of one batch: meanwhile nothing else is handled.
    pub handle_seconds: Histogram,
    /// Making one batch durable.
    pub append_seconds: Histogram,
    /// Devices that were decided.
    pub evaluated: Counter,
    /// Times that a device could not be decided.
    pub failed_devices: Counter,
    /// Devices that have to be decided.
    pub due: Gauge,
    /// Each time for which the writer was kept from taking inputs, besides waiting for the disk.
    pub pause_seconds: Histogram,
    /// The longest that the writer was kept from taking inputs since the start, in microseconds, besides waiting for the disk.
    pub pause_longest_us: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 50 µs to 6.5 s.
        let seconds = || Histogram::new(exponential_buckets(0.000_05, 2.0, 18));
        Self {
            inputs: Counter::default(),
            refused: Counter::default(),
            events: Counter::default(),
            batches: Counter::default(),
            failed_appends: Counter::default(),
            wait_seconds: seconds(),
            handle_seconds: seconds(),
            append_seconds: seconds(),
            evaluated: Counter::default(),
            failed_devices: Counter::default(),
            due: Gauge::default(),
            pause_seconds: Histogram::new([0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0]),
            pause_longest_us: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Enters the figures, under names that begin with `refit_writer_` and `refit_evaluator_`.
    pub fn register(&self, registry: &mut Registry) {
        let writer = registry.sub_registry_with_prefix("refit_writer");
        writer.register("inputs", "Inputs that were taken", self.inputs.clone());
        writer.register("refused", "Inputs that were refused", self.refused.clone());
        writer.register("events", "Events that became durable", self.events.clone());
        writer.register("batches", "Batches that were appended", self.batches.clone());
        writer.register("failed_appends", "Appends that failed", self.failed_appends.clone());
        let seconds = Unit::Seconds;
        writer.register_with_unit(
            "wait",
            "From handing an input over to its answer",
            seconds.clone(),
            self.wait_seconds.clone(),
        );
        writer.register_with_unit(
            "handle",
            "Handling the inputs of a batch",
            seconds.clone(),
            self.handle_seconds.clone(),
        );
        writer.register_with_unit("append", "Making a batch durable", seconds.clone(), self.append_seconds.clone());
        let help = "How long the writer was kept from taking inputs, besides waiting for the disk";
        writer.register_with_unit("pause", help, seconds, self.pause_seconds.clone());
        writer.register(
            "pause_longest_microseconds",
            "The longest that the writer was kept from taking inputs, besides waiting for the disk",
            self.pause_longest_us.clone(),
        );
        let evaluator = registry.sub_registry_with_prefix("refit_evaluator");
        evaluator.register("devices", "Devices that were decided", self.evaluated.clone());
        let help = "Times that a device could not be decided, because of a mistake in the program";
        evaluator.register("failed_devices", help, self.failed_devices.clone());
        evaluator.register("due", "Devices that have to be decided", self.due.clone());
    }

    /// Notes a pause of the writer.
    pub(crate) fn note_pause(&self, took: Duration) {
        self.pause_seconds.observe(took.as_secs_f64());
        let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        if took > self.pause_longest_us.get() {
            self.pause_longest_us.set(took);
        }
    }
}
