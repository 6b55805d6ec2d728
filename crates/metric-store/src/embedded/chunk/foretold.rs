//! What columns say of each other: sums of one sample, the deviation of two, the growth of a counter.
//! A wrong guess costs bytes, never correctness. Only additions, multiplications and divisions are used,
//! which give the same bits on every machine; a NaN, which may not, is never taken as foretold.

use sentinel_model::Summary;

/// Adding up more samples than this by hand would cost more time than the bytes are worth.
const MAX_ADDITIONS: u64 = 1_024;

/// From count, minimum and maximum.
pub(crate) fn sum(summary: &Summary) -> f64 {
    if summary.min.to_bits() != summary.max.to_bits() {
        return summary.min + summary.max;
    }
    if summary.count > MAX_ADDITIONS {
        return summary.max * summary.count as f64;
    }
    // As the sum was taken, since a product may round otherwise.
    (1..summary.count).fold(summary.max, |sum, _| sum + summary.max)
}

/// From count, last, minimum and maximum: exact for equal samples and, by Welford's update, for two.
pub(crate) fn m2(summary: &Summary) -> f64 {
    if summary.count != 2 {
        return 0.0;
    }
    let is_last_largest = summary.last.to_bits() == summary.max.to_bits();
    let first = if is_last_largest { summary.min } else { summary.max };
    let mean = (first + summary.last) / 2.0;
    (summary.last - first) * (summary.last - mean)
}

/// From the last samples of this window and of the one before.
pub(crate) fn increase(before: Option<f64>, last: f64) -> f64 {
    match before {
        Some(before) if last >= before => last - before,
        Some(_) => last,
        None => 0.0,
    }
}
