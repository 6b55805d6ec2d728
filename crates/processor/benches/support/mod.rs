//! What the benchmarks feed the stages with: the recorded scrapes as frames, and a bus that only hands on.

pub mod bus;
pub mod scrapes;

#[path = "../../../proto/tests/support/mod.rs"]
pub mod recording;

/// The recording is 1,194 s long and a scrape comes every 10 s, so that laps of this length join up.
pub const LAP_MS: i64 = 1_200_000;

/// Runs `future`, which never waits: nothing here does I/O.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}
