//! What is masked and what is left.

use std::io::BufRead as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn redact(line: &str) -> String {
    Redactor::default().redact(line).into_owned()
}

#[test]
fn masks_every_kind_of_secret_and_leaves_the_rest_of_the_line() {
    for (line, expected) in [
        ("login password=hunter2 for ada", "login password=[redacted] for ada"),
        (
            r#"{"user":"ada","password":"hun\"ter 2","n":1}"#,
            r#"{"user":"ada","password":"[redacted]","n":1}"#,
        ),
        ("DB_PASSWORD: 'x y z' ok", "DB_PASSWORD: '[redacted]' ok"),
        ("PGPASSWORD=abc&next=1", "PGPASSWORD=[redacted]&next=1"),
        ("api-key = 0123abcd;", "api-key = [redacted];"),
        ("client_secret=abc, grant=x", "client_secret=[redacted], grant=x"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key=[redacted]"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        ("Authorization: Bearer abcdefgh.ijkl-mn", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [redacted]"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-_x end", "got [redacted] end"),
        ("charge with sk_test_4eC39HqLyjWD failed", "charge with [redacted] failed"),
        ("ghp_0123456789012345678901234567890123456789", "[redacted]"),
        ("mail to ada.l+x@example.co.uk sent", "mail to [redacted] sent"),
        ("card 4111111111111111 and 5500-0000-0000-0004.", "card [redacted] and [redacted]."),
        ("GET https://ada:pw@db.internal/x", "GET https://[redacted]@db.internal/x"),
        ("postgres://u:p%40ss@h:5432/d", "postgres://[redacted]@h:5432/d"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- ok", "[redacted] ok"),
    ] {
        assert_eq!(redact(line), expected);
        assert_eq!(redact(&redact(line)), expected, "masking twice changes nothing more");
    }
}

#[test]
fn leaves_what_is_no_secret() {
    for line in [
        "",
        "GET /cart 200 in 3.2 ms",
        "max_tokens=512 tokens: 7",
        "secret_name=db mounted",
        "image shop/cart@sha256:0123456789abcdef",
        "took 1767225600000000 us, id 4111111111111112",
        "http://10.0.0.1:8080/path?x=1",
        "user ada@localhost logged in",
        "a bearer of news",
        "-----BEGIN CERTIFICATE-----",
    ] {
        assert!(matches!(Redactor::default().redact(line), Cow::Borrowed(_)), "{line}");
    }
}

#[test]
fn masks_a_private_key_over_several_lines_and_goes_on_behind_it() {
    let mut redactor = Redactor::default();
    let lines = [
        ("loaded -----BEGIN PRIVATE KEY-----", "loaded [redacted]"),
        ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj", "[redacted]"),
        ("-----END PRIVATE KEY----- password=x", "[redacted] password=[redacted]"),
        ("serving", "serving"),
    ];
    for (line, expected) in lines {
        assert_eq!(redactor.redact(line), expected);
    }
}

#[test]
fn a_key_that_never_ends_does_not_silence_its_source() {
    let mut redactor = Redactor::default();
    redactor.redact("-----BEGIN PRIVATE KEY-----");
    for _ in 0..KEY_LINES {
        assert_eq!(redactor.redact("serving"), MASK);
    }
    assert_eq!(redactor.redact("serving"), "serving");
}

#[test]
fn masks_every_planted_secret_of_a_recorded_cluster() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/recordings/real-cluster-a/logs.jsonl.zst");
    let Ok(file) = std::fs::File::open(&path) else {
        #[expect(clippy::print_stdout, reason = "a skipped test must say so")]
        {
            println!("SKIPPED: {} is not there", path.display());
        }
        return;
    };
    let mut decoder = zstd::Decoder::new(file).expect("zstd");
    decoder.window_log_max(27).expect("a window of 128 MiB");
    let planted =
        ["hunter2", "AKIAIOSFODNN7EXAMPLE", "4111111111111111", "ada@example.com", "Bearer eyJ", "sk_test_"];
    let (mut n_lines, mut n_masked) = (0, 0);
    for line in std::io::BufReader::new(decoder).lines() {
        let record: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let line = record["line"].as_str().expect("text");
        let masked = redact(line);
        let holds_one = planted.iter().any(|secret| line.contains(secret));
        assert!(!planted.iter().any(|secret| masked.contains(secret)), "{masked}");
        assert_eq!(holds_one, masked != line, "{line}\n{masked}");
        n_lines += 1;
        n_masked += usize::from(masked != line);
    }
    assert_eq!(n_lines, 18_058);
    assert!(n_masked >= 68, "{n_masked} lines were masked");
}

proptest! {
    #[test]
    fn never_panics_and_masking_twice_changes_nothing_more(line in "\\PC{0,120}") {
        let once = redact(&line);
        prop_assert_eq!(redact(&once), once.clone());
    }
}
