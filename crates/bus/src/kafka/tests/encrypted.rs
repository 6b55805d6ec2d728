//! An encrypted listener that asks for a login.

use std::path::PathBuf;

use sentinel_runtime::ComponentState;
use sentinel_runtime::config::Secret;
use sentinel_testkit::wait_until;

use super::cluster::{TOPIC, degraded, is_refused, limit, message, read_all};
use super::*;
use crate::{Polled, Sasl, Start, Tls};

fn real(server: &stack::KafkaTls) -> Real {
    let mut real = Real::on(&server.address);
    real.unencrypted = stack::kafka().unwrap_or_default();
    real.config.tls = Some(Tls { ca_file: PathBuf::from(&server.ca_file), ..Tls::default() });
    real.config.sasl = Some(Sasl {
        username: server.user.clone(),
        password: Secret::new(&server.password),
        ..Sasl::default()
    });
    real.config.request_timeout = Duration::from_secs(3);
    real
}

#[tokio::test]
async fn publishes_and_reads() {
    let Some(server) = stack::kafka_tls() else { return };
    let real = real(&server);
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "a")]).await.expect("publish");
    assert_eq!(read_all(&bus).await.len(), 1);
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    while !matches!(consumer.poll(limit(1)).await.expect("poll"), Polled::Records(_)) {}
    assert_eq!(real.health.report().components["bus"], ComponentState::Ready);
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let Some(server) = stack::kafka_tls() else { return };
    let mut real = real(&server);
    real.config.sasl.as_mut().expect("set above").password = Secret::new("wrong");
    let bus = real.open_kafka();
    assert!(is_refused(bus.publish(vec![message(0, "a")]).await));
    let is_told = || degraded(&real.health).is_some_and(|reason| reason.contains("bus.sasl"));
    wait_until("the login is blamed", is_told).await;
}

#[tokio::test]
async fn an_unknown_authority_is_told_and_nothing_is_sent() {
    let Some(server) = stack::kafka_tls() else { return };
    let mut real = real(&server);
    // The system's authorities do not know the broker's.
    real.config.tls = Some(Tls::default());
    let bus = real.open_kafka();
    assert!(is_refused(bus.publish(vec![message(0, "a")]).await));
    let is_told = || degraded(&real.health).is_some_and(|reason| reason.contains("bus.tls"));
    wait_until("the certificate is blamed", is_told).await;
}

#[tokio::test]
async fn an_unencrypted_listener_is_not_spoken_to() {
    let (Some(server), Some(plain)) = (stack::kafka_tls(), stack::kafka()) else { return };
    let mut real = real(&server);
    real.config.brokers = vec![plain];
    let bus = real.open_kafka();
    assert!(is_refused(bus.publish(vec![message(0, "a")]).await));
    wait_until("it is told", || degraded(&real.health).is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_put_right_is_taken_without_a_restart() {
    let Some(server) = stack::kafka_tls() else { return };
    let mut real = real(&server);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "wrong\n").expect("written");
    let sasl = real.config.sasl.as_mut().expect("set above");
    (sasl.password, sasl.password_file) = (Secret::new(""), file.path().to_owned());
    let bus = real.open_kafka();
    let is_told = || degraded(&real.health).is_some_and(|reason| reason.contains("bus.sasl"));
    wait_until("the login is blamed", is_told).await;
    std::fs::write(file.path(), format!("{}\n", server.password)).expect("written");
    let is_ready = || real.health.report().components["bus"] == ComponentState::Ready;
    wait_until("it is in", is_ready).await;
    bus.publish(vec![message(0, "a")]).await.expect("publish");
}
