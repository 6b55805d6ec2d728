//! Recounts over the routes: begun, read, refused, cancelled.

use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::harness::Harness;

async fn finished(harness: &Harness, id: &str) -> Value {
    let path = format!("/api/v1/verify/{id}");
    let app = harness.app.clone();
    let of = id.to_owned();
    wait_until("the end of the recount", move || {
        app.verifications.read(&of).is_some_and(|job| job.finished.is_some())
    })
    .await;
    harness.json(&path).await
}

#[tokio::test]
async fn a_recount_of_nothing_is_no_all_clear_and_can_be_read_again() {
    let harness = Harness::new();
    let begun = harness.post("/api/v1/verify", "{}").await;
    assert_eq!(begun.status.as_u16(), 202, "{}", begun.text());
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let done = finished(&harness, &id).await;
    assert_eq!((done["state"].as_str(), done["progress"].as_f64()), (Some("done"), Some(1.0)));
    assert_eq!(done["report"]["findings"], json!([]));
    assert_eq!(done["report"]["not_checked"][0]["step"], "frames");
    assert_eq!(done["report"]["not_checked"][0]["reason"], "the bus holds nothing of this time");
    assert_eq!(done["report"]["totals"]["frames"], 0);
}

#[tokio::test]
async fn a_recount_that_cannot_read_says_what_it_could_not() {
    let harness = Harness::new();
    harness.bus.outage.begin();
    let begun = harness.post("/api/v1/verify", r#"{"from":"-2h","to":"-1h"}"#).await.json();
    let failed = finished(&harness, begun["id"].as_str().expect("an id")).await;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().is_some_and(|error| error.contains("the bus cannot be read")),
        "{failed}"
    );
}

#[tokio::test]
async fn spans_that_make_no_sense_and_strangers_are_refused() {
    let harness = Harness::new();
    for body in [
        r#"{"from":"-1h","to":"-2h"}"#,
        r#"{"from":"yesterday"}"#,
        r#"{"to":"2999-01-01T00:00:00Z"}"#,
        r#"{"x":1}"#,
    ] {
        let answer = harness.post("/api/v1/verify", body).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.text());
    }
    assert_eq!(harness.get("/api/v1/verify/0123").await.status.as_u16(), 404);
    assert_eq!(harness.post("/api/v1/verify/0123/cancel", "").await.status.as_u16(), 404);
}
