//! The formats of everyday lines.

use sentinel_model::Timestamp;

use super::Outcome;
use super::notes::{postgres_time, redis_time};
use crate::catalogue::{App, LogStyle};
use crate::dice::Dice;
use crate::json;
use crate::time::{self, Civil, SECOND};

/// A program answers from then on.
pub fn boot_millis(style: LogStyle) -> i64 {
    match style {
        LogStyle::Java => 9 * SECOND,
        LogStyle::Python => 4 * SECOND,
        _ => 2 * SECOND,
    }
}

/// Applications whose careless developers log what they should not.
pub fn handles_secrets(app: &App) -> bool {
    matches!(app.name, "gateway" | "checkout" | "auth" | "settler" | "profiles" | "invoice-mailer")
}

/// Lines about one request, or whatever a program does instead.
pub fn request(app: &App, pod: &str, at: Timestamp, (outcome, dice): (Outcome, &mut Dice)) -> Vec<String> {
    match app.log {
        LogStyle::Access => vec![access(at, outcome, dice)],
        LogStyle::Json => vec![json_line(app, at, outcome, dice)],
        LogStyle::Logfmt => vec![logfmt(app, at, outcome, dice)],
        LogStyle::Klog => vec![klog(app, at, outcome, dice)],
        LogStyle::Java => java(app, at, outcome, dice),
        LogStyle::Python => python(app, at, outcome, dice),
        LogStyle::Postgres => vec![postgres(at, outcome, dice)],
        LogStyle::Redis => vec![redis(at, outcome, dice)],
        LogStyle::Plain => vec![plain(app, pod, at, (outcome, dice))],
    }
}

fn trace(dice: &mut Dice) -> String {
    format!("{:016x}", dice.next() >> 1)
}

fn status(outcome: Outcome, dice: &mut Dice) -> u16 {
    match outcome {
        Outcome { is_upstream: true, .. } => 502,
        Outcome { is_error: true, .. } => *dice.pick(&[500, 503, 500]).unwrap_or(&500),
        _ => *dice.pick(&[200, 200, 200, 200, 200, 201, 304, 404]).unwrap_or(&200),
    }
}

fn access(at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let c = Civil::of(at);
    let path = dice.pick(&["/", "/cart", "/api/items", "/search?q=lamp", "/checkout", "/static/app.js"]);
    let (status, page) = (status(outcome, dice), dice.whole(1, 400));
    format!(
        "[::ffff:10.0.{}.{}] - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"GET {}{page} HTTP/1.1\" {status} {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" rt={:.3}",
        dice.whole(0, 64),
        dice.whole(2, 250),
        c.day,
        c.month_name(),
        c.year,
        c.hour,
        c.minute,
        c.second,
        path.unwrap_or(&"/"),
        dice.whole(180, 42_000),
        outcome.millis / 1_000.0,
    )
}

fn json_line(app: &App, at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let (trace, status, bytes) = (trace(dice), status(outcome, dice), dice.whole(40, 9_000));
    json::object(|line| {
        line.time("ts", at);
        line.text("level", if outcome.is_error { "error" } else { "info" });
        line.text("service", app.name);
        line.text("msg", if outcome.is_error { "request failed" } else { "request" });
        line.text("trace_id", &trace);
        line.number("status", i64::from(status));
        line.number("duration_ms", outcome.millis as i64);
        line.number("bytes", bytes);
        if outcome.is_error {
            line.text("error", &cause(app, outcome, dice));
        }
    })
}

fn logfmt(app: &App, at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let (trace, status) = (trace(dice), status(outcome, dice));
    let level = if outcome.is_error { "error" } else { "info" };
    let head = format!(
        "ts={} level={level} service={} trace_id={trace} status={status} duration={}ms",
        time::seconds_text(at),
        app.name,
        outcome.millis as i64
    );
    match outcome.is_error {
        true => format!("{head} err=\"{}\"", cause(app, outcome, dice)),
        false => head,
    }
}

/// `I1121 08:50:38.118753       1`
pub fn klog_head(level: char, at: Timestamp) -> String {
    let c = Civil::of(at);
    let micros = crate::dice::mix(at.as_millis() as u64) % 1_000;
    format!(
        "{level}{:02}{:02} {:02}:{:02}:{:02}.{:03}{micros:03}       1",
        c.month, c.day, c.hour, c.minute, c.second, c.millisecond
    )
}

fn klog(app: &App, at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let (trace, status) = (trace(dice), status(outcome, dice));
    match outcome.is_error {
        true => format!(
            "{} handler.go:171] \"Request failed\" err=\"{}\" service=\"{}\" trace=\"{trace}\" status={status}",
            klog_head('E', at),
            cause(app, outcome, dice),
            app.name,
        ),
        false => format!(
            "{} handler.go:142] \"Handled\" service=\"{}\" trace=\"{trace}\" status={status} latency=\"{}ms\"",
            klog_head('I', at),
            app.name,
            outcome.millis as i64
        ),
    }
}

fn java(app: &App, at: Timestamp, outcome: Outcome, dice: &mut Dice) -> Vec<String> {
    let c = Civil::of(at);
    let head = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
    );
    let (thread, trace) = (dice.whole(1, 40), trace(dice));
    let class = format!("com.example.{}.Handler", app.name.replace('-', ""));
    if !outcome.is_error {
        let millis = outcome.millis as i64;
        return vec![format!(
            "{head}  INFO 1 --- [exec-{thread}] {class} : handled trace={trace} in {millis} ms"
        )];
    }
    let exception = match outcome.is_upstream {
        true => "java.net.ConnectException: Connection refused",
        false => "java.util.concurrent.TimeoutException: no answer within 2000 ms",
    };
    vec![
        format!("{head} ERROR 1 --- [exec-{thread}] {class} : request failed trace={trace}"),
        exception.to_owned(),
        format!("\tat {class}.call({}.java:{})", "Handler", dice.whole(40, 300)),
        format!("\tat {class}.handle(Handler.java:{})", dice.whole(20, 40)),
        "\tat java.base/java.lang.Thread.run(Thread.java:1583)".to_owned(),
    ]
}

fn python(app: &App, at: Timestamp, outcome: Outcome, dice: &mut Dice) -> Vec<String> {
    let c = Civil::of(at);
    let head = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}",
        c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
    );
    let module = app.name.replace('-', "_");
    let (batch, rows) = (dice.whole(1_000, 99_999), dice.whole(3, 900));
    if !outcome.is_error {
        let seconds = outcome.millis / 1_000.0;
        return vec![format!("{head} INFO {module}.worker batch={batch} rows={rows} took={seconds:.3}s")];
    }
    vec![
        format!("{head} ERROR {module}.worker batch={batch} failed"),
        "Traceback (most recent call last):".to_owned(),
        format!("  File \"/srv/{module}/worker.py\", line {}, in run", dice.whole(40, 200)),
        "    self.process(batch)".to_owned(),
        format!("RuntimeError: {}", cause(app, outcome, dice)),
    ]
}

fn postgres(at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let (head, pid) = (postgres_time(at), dice.whole(60, 400));
    let (table, duration) =
        (dice.pick(&["orders", "accounts", "sessions", "ledger_entries"]), outcome.millis);
    let table = table.unwrap_or(&"orders");
    match (outcome.is_error, dice.index(6)) {
        (true, _) => format!("{head} [{pid}] ERROR:  canceling statement due to statement timeout"),
        (false, 0) => {
            format!("{head} [{pid}] LOG:  checkpoint complete: wrote {} buffers", dice.whole(20, 900))
        }
        (false, 1) => {
            format!("{head} [{pid}] LOG:  automatic vacuum of table \"app.public.{table}\": index scans: 1")
        }
        _ => format!(
            "{head} [{pid}] LOG:  duration: {duration:.3} ms  statement: SELECT * FROM {table} WHERE id = $1"
        ),
    }
}

fn redis(at: Timestamp, outcome: Outcome, dice: &mut Dice) -> String {
    let head = format!("1:M {}", redis_time(at));
    match (outcome.is_error, dice.index(3)) {
        (true, _) => format!("{head} # Client closed connection while a reply was pending"),
        (false, 0) => format!("{head} * {} changes in 60 seconds. Saving...", dice.whole(100, 9_000)),
        (false, 1) => format!("{head} * Background saving terminated with success"),
        _ => format!(
            "{head} - DB 0: {} keys ({} volatile)",
            dice.whole(4_000, 9_000),
            dice.whole(1_000, 4_000)
        ),
    }
}

fn plain(app: &App, pod: &str, at: Timestamp, (outcome, dice): (Outcome, &mut Dice)) -> String {
    if outcome.is_error {
        let cause = cause(app, outcome, dice);
        return level_line(app, at, ("error", &cause));
    }
    let text = match app.name {
        "node-agent" => {
            let load = dice.between(0.2, 3.9);
            format!(
                "agent: load1={load:.2} load5={:.2} tasks={}/{}",
                load * 0.8,
                dice.whole(1, 4),
                dice.whole(300, 700)
            )
        }
        "coredns" => format!("query A example.com. NOERROR {}us", dice.whole(80, 900)),
        "transcoder" => {
            format!("encoded chunk {} at {:.1} fps", dice.whole(1, 4_000), dice.between(18.0, 60.0))
        }
        "compact" => format!("compacted {} segments", dice.whole(4, 40)),
        _ => format!("merged {} parts on {pod}", dice.whole(2, 30)),
    };
    level_line(app, at, ("info", &text))
}

/// A line of an application's own, with a level, in its format.
pub fn level_line(app: &App, at: Timestamp, (level, text): (&str, &str)) -> String {
    match app.log {
        LogStyle::Json => json::object(|line| {
            line.time("ts", at);
            line.text("level", level);
            line.text("service", app.name);
            line.text("msg", text);
        }),
        LogStyle::Logfmt => {
            format!("ts={} level={level} service={} msg=\"{text}\"", time::seconds_text(at), app.name)
        }
        LogStyle::Klog => {
            let head = klog_head(level.chars().next().unwrap_or('i').to_ascii_uppercase(), at);
            format!("{head} main.go:77] \"{text}\" service=\"{}\"", app.name)
        }
        _ => format!("{} {} {text}", time::seconds_text(at), level.to_ascii_uppercase()),
    }
}

fn cause(app: &App, outcome: Outcome, dice: &mut Dice) -> String {
    match (outcome.is_upstream, dice.pick(app.upstream)) {
        (true, Some(upstream)) => format!("upstream {upstream}: connect: connection refused"),
        (_, Some(upstream)) => format!("upstream {upstream}: context deadline exceeded"),
        _ => "context deadline exceeded".to_owned(),
    }
}

/// Something that should not be in a log. None of it is real.
pub fn leak(app: &App, at: Timestamp, dice: &mut Dice) -> String {
    let secrets = [
        "connecting with dsn=postgres://app:password=hunter2@db/app",
        "assuming role with key AKIAIOSFODNN7EXAMPLE",
        "retrying charge of card 4111111111111111",
        "sending receipt to ada@example.com",
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
        "using key sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    ];
    level_line(app, at, ("debug", dice.pick(&secrets).unwrap_or(&"")))
}

/// What the sidecar writes.
pub fn envoy(at: Timestamp, dice: &mut Dice) -> String {
    format!(
        "[{}] \"POST /v1/charge HTTP/2\" 200 - via_upstream - \"-\" {} {} {} {} \"-\" \"{}\"",
        time::seconds_text(at),
        dice.whole(100, 900),
        dice.whole(40, 2_000),
        dice.whole(2, 60),
        dice.whole(1, 50),
        trace(dice),
    )
}
