//! Rules about the lines of one histogram: its buckets in order, closed by +Inf, agreeing with the count.

use super::checks::Violation;
use super::number;

/// One line of a histogram.
pub(super) struct Part<'s> {
    pub suffix: &'s str,
    /// Of a bucket.
    pub le: &'s str,
    pub value: f64,
}

/// The lines of one label set and time, so far.
#[derive(Default)]
pub(super) struct Histogram {
    has_parts: bool,
    bucket: Option<Bucket>,
    count: Option<f64>,
    has_sum: bool,
    has_gauge_sum: bool,
    is_gauge_sum_negative: bool,
    has_negative_bound: bool,
}

struct Bucket {
    le: String,
    bound: f64,
    value: f64,
}

impl Histogram {
    pub fn take(&mut self, part: Part<'_>) -> Result<(), Violation> {
        self.has_parts = true;
        match part.suffix {
            "_bucket" => self.take_bucket(&part)?,
            "_count" | "_gcount" => self.count = Some(part.value),
            "_sum" => self.has_sum = true,
            "_gsum" => {
                self.has_gauge_sum = true;
                self.is_gauge_sum_negative = part.value < 0.0;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_bucket(&mut self, part: &Part<'_>) -> Result<(), Violation> {
        let bound = number::parse_value(part.le.as_bytes()).unwrap_or(f64::NAN);
        if let Some(last) = &self.bucket {
            // The same sample again: timestamps finer than nanoseconds make such repeats.
            if last.le == part.le {
                return Ok(());
            }
            if bound <= last.bound {
                return refuse("buckets are out of order; sort them by le");
            }
            if part.value < last.value {
                return refuse("a bucket counts less than the one before it; buckets are cumulative");
            }
        }
        self.has_negative_bound |= bound < 0.0;
        self.bucket = Some(Bucket { le: part.le.to_owned(), bound, value: part.value });
        Ok(())
    }

    /// What the lines must add up to.
    pub fn finish(&self) -> Result<(), Violation> {
        if !self.has_parts {
            return Ok(());
        }
        let Some(last) = self.bucket.as_ref().filter(|bucket| bucket.bound == f64::INFINITY) else {
            return refuse("the bucket le=\"+Inf\" is missing; write it as the last one");
        };
        let has_any_sum = self.has_sum || self.has_gauge_sum;
        match self.count {
            Some(count) if count != last.value => refuse("the count differs from the bucket le=\"+Inf\""),
            Some(_) if !has_any_sum => refuse("there is a count but no sum; write both"),
            None if has_any_sum => refuse("there is a sum but no count; write both"),
            _ if self.has_negative_bound && self.has_sum => {
                refuse("a histogram with negative buckets cannot have _sum; leave out _sum and _count")
            }
            _ if self.is_gauge_sum_negative && !self.has_negative_bound => {
                refuse("_gsum is negative although no bucket is; one of them is wrong")
            }
            _ => Ok(()),
        }
    }
}

fn refuse(message: &str) -> Result<(), Violation> {
    Err(Violation::new("histogram", message))
}
