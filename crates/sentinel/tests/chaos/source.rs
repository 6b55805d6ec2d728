//! Scrape targets on which every sample has a value that no other sample has.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const N_TARGETS: u64 = 4;
pub const N_SERIES: u64 = 250;
pub const METRIC: &str = "chaos_sample";

/// Serves until the test ends.
pub struct Source {
    address: std::net::SocketAddr,
    n_scrapes: Arc<[AtomicU64]>,
}

/// Which sample a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleId {
    pub target: u64,
    pub series: u64,
    pub scrape: u64,
}

impl SampleId {
    pub fn of(value: f64) -> Self {
        let number = value as u64;
        let (rest, series) = (number / N_SERIES, number % N_SERIES);
        Self { target: rest % N_TARGETS, series, scrape: rest / N_TARGETS }
    }

    fn value(self) -> u64 {
        (self.scrape * N_TARGETS + self.target) * N_SERIES + self.series
    }
}

impl Source {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let n_scrapes: Arc<[AtomicU64]> = (0..N_TARGETS).map(|_| AtomicU64::new(0)).collect();
        let counters = Arc::clone(&n_scrapes);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counters = Arc::clone(&counters);
                std::thread::spawn(move || while serve_one(&stream, &counters).is_some() {});
            }
        });
        Self { address, n_scrapes }
    }

    pub fn url(&self, target: u64) -> String {
        format!("http://{}/{target}", self.address)
    }

    /// Samples that were served to anybody.
    pub fn n_issued(&self) -> u64 {
        self.n_scrapes.iter().map(|n| n.load(Ordering::SeqCst)).sum::<u64>() * N_SERIES
    }
}

/// Answers one request on a kept-alive connection.
fn serve_one(mut stream: &TcpStream, counters: &[AtomicU64]) -> Option<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    let target = u64::from(request.get(5)?.checked_sub(b'0')?);
    let scrape = counters.get(target as usize)?.fetch_add(1, Ordering::SeqCst);
    let mut body = format!("# TYPE {METRIC} gauge\n");
    for series in 0..N_SERIES {
        let value = SampleId { target, series, scrape }.value();
        body.push_str(&format!("{METRIC}{{target=\"{target}\",series=\"{series}\"}} {value}\n"));
    }
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

#[test]
fn a_value_tells_its_sample() {
    for (target, series, scrape) in [(0, 0, 0), (3, 249, 1_000_000), (1, 7, 42)] {
        let id = SampleId { target, series, scrape };
        assert_eq!(SampleId::of(id.value() as f64), id);
    }
}
