//! Lines that something out of the ordinary makes a container write: starts, crashes, full disks.

use std::sync::Arc;

use sentinel_model::Timestamp;

use super::styles::{klog_head, level_line};
use crate::catalogue::LogStyle;
use crate::time::{self, Civil};
use crate::world::{Note, Pod, Trouble};

/// A program says that it starts.
pub fn boot(pod: &Pod, place: usize, at: Timestamp) -> Note {
    let (app, spec) = (pod.template.app, pod.spec_of(place));
    let tag = spec.image.rsplit(':').next().unwrap_or_default();
    let name = spec.name;
    let line = match app.log {
        _ if spec.is_sidecar => {
            format!("[{}][info][main] starting main dispatch loop", time::seconds_text(at))
        }
        LogStyle::Postgres => {
            format!("{} [1] LOG:  starting PostgreSQL {tag} on x86_64-pc-linux-gnu", postgres_time(at))
        }
        LogStyle::Redis => format!("1:C {} * Redis version={tag}, bits=64, just started", redis_time(at)),
        LogStyle::Klog => {
            format!("{} main.go:58] \"Starting\" service=\"{name}\" version=\"{tag}\"", klog_head('I', at))
        }
        _ => level_line(app, at, ("info", &format!("starting {name} version={tag} host={}", pod.key.name))),
    };
    Note { at, lines: Arc::from([line]) }
}

/// Why a program gives up.
pub fn crash(pod: &Pod, place: usize, at: Timestamp) -> Vec<String> {
    let name = pod.spec_of(place).name;
    match pod.template.app.log {
        LogStyle::Java => vec![
            "Exception in thread \"main\" java.lang.IllegalStateException: schema version 4 is newer than the supported version 3".to_owned(),
            format!("\tat com.example.{name}.Migrations.check(Migrations.java:88)"),
            format!("\tat com.example.{name}.Main.boot(Main.java:41)"),
            format!("\tat com.example.{name}.Main.main(Main.java:19)"),
            "Caused by: java.util.NoSuchElementException: no migration from 3 to 4".to_owned(),
            format!("\tat com.example.{name}.Migrations.next(Migrations.java:131)"),
            "\t... 2 more".to_owned(),
        ],
        LogStyle::Python => vec![
            "Traceback (most recent call last):".to_owned(),
            format!("  File \"/srv/{name}/main.py\", line 41, in <module>"),
            "    settings = Settings.load()".to_owned(),
            format!("  File \"/srv/{name}/settings.py\", line 88, in load"),
            "    raise ConfigError(f\"unknown key {key!r}\")".to_owned(),
            format!("{name}.settings.ConfigError: unknown key 'retry_budget'"),
        ],
        LogStyle::Klog | LogStyle::Logfmt => vec![
            "panic: runtime error: invalid memory address or nil pointer dereference".to_owned(),
            "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x7f21c4]".to_owned(),
            String::new(),
            "goroutine 1 [running]:".to_owned(),
            format!("main.mustConfig(...)\n\t/src/cmd/{name}/main.go:63").replace('\n', " "),
            format!("main.main()\n\t/src/cmd/{name}/main.go:31 +0x1e5").replace('\n', " "),
        ],
        _ => vec![level_line(
            pod.template.app,
            at,
            ("fatal", "cannot read configuration: unexpected token at line 12 column 3"),
        )],
    }
}

/// A cache that only grows.
pub fn growing(pod: &Pod, place: usize, at: Timestamp) -> Vec<String> {
    let name = pod.spec_of(place).name;
    vec![level_line(
        pod.template.app,
        at,
        ("warn", &format!("{name} cache over its target size, nothing evicted")),
    )]
}

/// A program is told to stop.
pub fn stop(pod: &Pod, _place: usize, at: Timestamp) -> Vec<String> {
    vec![level_line(pod.template.app, at, ("info", "received SIGTERM, draining connections"))]
}

/// A volume is full.
pub fn disk_full(pod: &Pod, at: Timestamp) -> Vec<String> {
    match pod.template.app.log {
        LogStyle::Postgres => vec![
            format!(
                "{} [71] PANIC:  could not write to file \"pg_wal/xlogtemp.71\": No space left on device",
                postgres_time(at)
            ),
            format!("{} [71] HINT:  free disk space", postgres_time(at)),
        ],
        LogStyle::Redis => {
            vec![format!("1:M {} # Write error saving DB on disk: No space left on device", redis_time(at))]
        }
        _ => vec![level_line(
            pod.template.app,
            at,
            ("error", "write /var/lib/data/segment-00417: No space left on device"),
        )],
    }
}

/// What a program says when a fault begins that it notices.
pub fn troubled(pod: &Pod, trouble: Trouble, at: Timestamp) -> Vec<String> {
    let text = match trouble {
        Trouble::Throttled => "re-index started: 1 of 4096 shards",
        Trouble::Noisy => "bulk conversion started with 64 workers",
        Trouble::Starved => return Vec::new(),
        _ => return Vec::new(),
    };
    vec![level_line(pod.template.app, at, ("info", text))]
}

/// `2026-11-21 08:51:18.693 UTC`
pub(super) fn postgres_time(at: Timestamp) -> String {
    let c = Civil::of(at);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} UTC",
        c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
    )
}

/// `21 Nov 2026 08:51:18.693`
pub(super) fn redis_time(at: Timestamp) -> String {
    let c = Civil::of(at);
    format!(
        "{:02} {} {:04} {:02}:{:02}:{:02}.{:03}",
        c.day,
        c.month_name(),
        c.year,
        c.hour,
        c.minute,
        c.second,
        c.millisecond
    )
}
