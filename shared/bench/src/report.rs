//! What is told: progress on standard error, the result on standard output.

use hdrhistogram::Histogram;
use serde::Serializer;
use serde_json::Value;
use std::io::Write;

/// One line of progress.
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// The last line: a JSON object, its fields in the order given.
pub fn print(fields: &[(&str, Value)]) -> anyhow::Result<()> {
    let mut text = Vec::new();
    serde_json::Serializer::new(&mut text).collect_map(fields.iter().map(|(name, value)| (name, value)))?;
    line(std::str::from_utf8(&text)?)
}

/// A line of the result, at once.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// The middle one: a single run on a shared machine can be far off.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.get(sorted.len() / 2)) {
        (0, _) | (_, None) => f64::NAN,
        (length, Some(upper)) if length.is_multiple_of(2) => f64::midpoint(sorted[length / 2 - 1], *upper),
        (_, Some(middle)) => *middle,
    }
}

/// Rounded to so many decimals, for people who read the line.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// A histogram of microseconds from 1 µs to ten minutes.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

/// A quantile of such a histogram in milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of some minutes fit a float exactly"
)]
pub fn quantile_ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    rounded(histogram.value_at_quantile(quantile) as f64 / 1000.0, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!(median(&[]).is_nan());
        for (values, middle) in [
            (&[2.0][..], 2.0),
            (&[9.0, 1.0, 2.0], 2.0),
            (&[4.0, 1.0, 2.0, 8.0], 3.0),
        ] {
            assert!((median(values) - middle).abs() < f64::EPSILON, "{values:?}");
        }
    }

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut latency = histogram().unwrap();
        (1..=1000).for_each(|n| latency.record(n * 1000).unwrap());
        assert!((quantile_ms(&latency, 0.5) - 500.0).abs() < 1.0);
    }
}
