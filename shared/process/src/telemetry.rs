//! Structured logs and Prometheus metrics.

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

const TIDIED_EVERY: Duration = Duration::from_secs(5);

/// Histogram buckets in seconds: from what a memory read takes to what a shopper stops waiting for.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Sends logs to standard error: JSON lines unless `LOG_FORMAT=text`; `RUST_LOG` chooses the levels.
pub fn install_tracing() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let text = std::env::var("LOG_FORMAT").is_ok_and(|format| format == "text");
    // A second call (two services in one test process) keeps the first.
    let _ = if text {
        logs.try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
}

/// Installs the recorder behind the `metrics` macros; the handle renders the Prometheus text.
///
/// Measurements gather until they are rendered or tidied, and nobody may ever ask for them: a thread tidies.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .context("set histogram buckets")?
        .install_recorder()
        .context("install the metrics recorder")?;
    let tidied = handle.clone();
    let tidy = move || {
        loop {
            std::thread::park_timeout(TIDIED_EVERY);
            tidied.run_upkeep();
        }
    };
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(tidy)
        .context("start the metrics thread")?;
    Ok(handle)
}
