//! Rows as lines for InfluxDB, without a server. For benchmarks only.

use crate::WindowRows;
use crate::influxdb::Lines;

/// The bodies that a write would send, plain or packed.
pub fn bodies(windows: &[WindowRows], batch_lines: usize, is_packed: bool) -> Vec<Vec<u8>> {
    let bodies = Lines::of_all(windows, batch_lines);
    let bytes = |lines: &Lines| if is_packed { lines.gzip() } else { lines.bytes().to_vec() };
    bodies.iter().map(bytes).collect()
}

/// Bytes of the lines of all rows.
pub fn n_bytes(windows: &[WindowRows], batch_lines: usize) -> usize {
    Lines::of_all(windows, batch_lines).iter().map(|lines| lines.bytes().len()).sum()
}
