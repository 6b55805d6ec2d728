//! What a process has done so far: its own metrics, its processor time and its memory.

use std::collections::BTreeMap;

use anyhow::Context as _;
use reqwest::Client;

use super::role::Role;

/// At one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    metrics: Metrics,
    pub usage: Usage,
}

/// Values by name and labels, as they stand in the exposition.
#[derive(Clone, Debug, Default, PartialEq)]
struct Metrics(BTreeMap<String, f64>);

/// Nothing where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Most memory that was resident at a time.
    pub peak_bytes: u64,
}

/// Linux counts processor time in these for every user program.
const TICKS_PER_SECOND: f64 = 100.0;

impl Snapshot {
    /// # Errors
    /// The process does not answer.
    pub async fn of(role: &Role, client: &Client) -> anyhow::Result<Self> {
        Ok(Self { metrics: Metrics::of(&role.url, client).await?, usage: Usage::of(role.pid) })
    }

    /// Of one without metrics.
    pub fn of_process(role: &Role) -> Self {
        Self { metrics: Metrics::default(), usage: Usage::of(role.pid) }
    }

    #[cfg(test)]
    pub fn parse(text: &str) -> Self {
        Self { metrics: Metrics::parse(text), usage: Usage::default() }
    }

    /// Growth of a counter since an earlier moment, over all its labels.
    pub fn growth(&self, before: &Self, name: &str) -> f64 {
        self.metrics.sum(name) - before.metrics.sum(name)
    }

    /// The same of the labels that contain a text.
    pub fn growth_of(&self, before: &Self, name: &str, label: &str) -> f64 {
        self.metrics.sum_of(name, label) - before.metrics.sum_of(name, label)
    }

    /// Over all labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.metrics.sum(name)
    }
}

impl Metrics {
    /// # Errors
    /// No answer.
    async fn of(url: &str, client: &Client) -> anyhow::Result<Self> {
        let url = format!("{}/metrics", url.trim_end_matches('/'));
        let answer = client.get(&url).send().await.with_context(|| format!("ask {url}"))?;
        Ok(Self::parse(&answer.text().await.with_context(|| format!("read {url}"))?))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(value).collect())
    }

    fn sum(&self, name: &str) -> f64 {
        self.sum_of(name, "")
    }

    fn sum_of(&self, name: &str, label: &str) -> f64 {
        let is_asked = |key: &str| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| (rest.is_empty() || rest.starts_with('{')) && rest.contains(label))
        };
        self.0.iter().filter(|(key, _)| is_asked(key)).map(|(_, value)| value).sum()
    }
}

impl Usage {
    fn of(pid: u32) -> Self {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        Self {
            cpu_seconds: cpu_seconds(&read("stat")).unwrap_or_default(),
            peak_bytes: peak_bytes(&read("status")).unwrap_or_default(),
        }
    }
}

/// The name of the process may contain anything, so counting begins behind it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().split(' ').next()?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_labels_and_not_over_names() {
        let text = "# TYPE a counter\na_total{t=\"x\"} 3\na_total{t=\"y\"} 4\na_total_more 5\nb 1.5\nbad\n";
        let metrics = Metrics::parse(text);
        assert_eq!((metrics.sum("a_total"), metrics.sum("b"), metrics.sum("c")), (7.0, 1.5, 0.0));
        assert_eq!(metrics.sum_of("a_total", "t=\"y\""), 4.0);
        let later = Snapshot { metrics: Metrics::parse("a_total{t=\"x\"} 10\n"), ..Snapshot::default() };
        let before = Snapshot { metrics, ..Snapshot::default() };
        assert_eq!(
            (later.growth(&before, "a_total"), later.growth_of(&before, "a_total", "\"x\"")),
            (3.0, 7.0)
        );
    }

    #[test]
    fn processor_time_and_memory_are_read_as_linux_writes_them() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(peak_bytes("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu_seconds("junk"), peak_bytes("")), (None, None));
    }
}
