//! What a metric counts, by its name: Prometheus' and OpenMetrics' conventions for suffixes.

use super::{Aggregation, Function};
use crate::dto::metric::Unit;

/// Unit of the values as they are stored.
pub fn unit_of(metric: &str) -> Unit {
    let metric = metric.strip_suffix("_total").unwrap_or(metric);
    if metric.ends_with("_bucket") || metric.ends_with("_count") {
        return Unit::None;
    }
    let metric = metric.strip_suffix("_sum").unwrap_or(metric);
    if ["_timestamp_seconds", "_timestamp", "_created", "_start_time_seconds"]
        .iter()
        .any(|s| metric.ends_with(s))
    {
        return Unit::Timestamp;
    }
    match metric.rsplit('_').next().unwrap_or_default() {
        "bytes" => Unit::Bytes,
        "seconds" => Unit::Seconds,
        "ratio" | "percent" => Unit::Ratio,
        "celsius" => Unit::Celsius,
        "cores" => Unit::Cores,
        _ => Unit::None,
    }
}

/// Unit of an answer's values.
pub fn unit_of_answer(metric: &str, function: Function, aggregation: Aggregation) -> Unit {
    if aggregation == Aggregation::Count {
        return Unit::None;
    }
    let unit = unit_of(metric);
    match (function, unit) {
        (Function::Rate, Unit::Bytes) => Unit::BytesPerSecond,
        // A second of processor time in each second is a core; other times in each second are a share.
        (Function::Rate, Unit::Seconds) if metric.contains("cpu") => Unit::Cores,
        (Function::Rate, Unit::Seconds) => Unit::Ratio,
        (Function::Rate, _) => Unit::PerSecond,
        (_, unit) => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_from_names() {
        for (metric, unit) in [
            ("container_memory_working_set_bytes", Unit::Bytes),
            ("container_network_receive_bytes_total", Unit::Bytes),
            ("container_cpu_usage_seconds_total", Unit::Seconds),
            ("http_request_duration_seconds_bucket", Unit::None),
            ("http_request_duration_seconds_sum", Unit::Seconds),
            ("process_start_time_seconds", Unit::Timestamp),
            ("kube_pod_created", Unit::Timestamp),
            ("node_hwmon_temp_celsius", Unit::Celsius),
            ("up", Unit::None),
        ] {
            assert_eq!(unit_of(metric), unit, "{metric}");
        }
    }

    #[test]
    fn a_rate_changes_the_unit() {
        let rate = |metric| unit_of_answer(metric, Function::Rate, Aggregation::Sum);
        assert_eq!(rate("container_cpu_usage_seconds_total"), Unit::Cores);
        assert_eq!(rate("container_cpu_cfs_throttled_seconds_total"), Unit::Cores);
        assert_eq!(rate("node_disk_io_time_seconds_total"), Unit::Ratio);
        assert_eq!(rate("container_network_receive_bytes_total"), Unit::BytesPerSecond);
        assert_eq!(rate("http_requests_total"), Unit::PerSecond);
        assert_eq!(unit_of_answer("x_bytes", Function::Value, Aggregation::Count), Unit::None);
    }
}
