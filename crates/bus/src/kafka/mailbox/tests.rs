use bytes::Bytes;
use sentinel_model::{Timestamp, Topic};

use super::*;
use crate::{Position, Record};

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: Topic::Logs, partition }
}

/// Of ten bytes.
fn delivered(partition: u32, offset: u64) -> Delivered {
    let record = Record {
        key: Bytes::new(),
        value: Bytes::from_static(&[0; 10]),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(1),
    };
    Delivered { position: Position { at: at(partition), offset }, record, appended: None }
}

fn limit(max_records: usize, max_bytes: usize) -> PollLimit {
    PollLimit { max_records, max_bytes, wait: Duration::ZERO }
}

/// What a poll without limits shows, in words.
fn take(mailbox: &Mailbox) -> String {
    match mailbox.take_now(limit(100, 10_000)) {
        None => "nothing".to_owned(),
        Some(Taken::Polled(Polled::Assigned(list))) => {
            format!("assigned {:?}", list.iter().map(|(at, _)| at.partition).collect::<Vec<_>>())
        }
        Some(Taken::Polled(Polled::Revoked(list))) => {
            format!("revoked {:?}", list.iter().map(|at| at.partition).collect::<Vec<_>>())
        }
        Some(Taken::Polled(_)) => "something else".to_owned(),
        Some(Taken::Records(records, ends)) => {
            let records: Vec<_> =
                records.iter().map(|record| (record.position.at.partition, record.position.offset)).collect();
            format!("records {records:?} ends {:?}", ends.iter().map(|at| at.partition).collect::<Vec<_>>())
        }
    }
}

fn commit_for(mailbox: &Mailbox, partition: u32) -> Result<(), BusError> {
    mailbox.check_owner(&[(at(partition), Commit::default())])
}

#[test]
fn partitions_come_before_their_records() {
    let mailbox = Mailbox::new(1_000);
    mailbox.assign(vec![(at(0), None), (at(1), None)]);
    mailbox.put(vec![delivered(0, 5)]);
    assert_eq!(take(&mailbox), "assigned [0, 1]");
    assert_eq!(take(&mailbox), "records [(0, 5)] ends []");
    assert_eq!(take(&mailbox), "nothing");
}

#[test]
fn nothing_of_a_revoked_partition_is_given_out() {
    let mailbox = Mailbox::new(1_000);
    mailbox.assign(vec![(at(0), None), (at(1), None)]);
    mailbox.put(vec![delivered(0, 5), delivered(1, 7), delivered(0, 6)]);
    take(&mailbox);
    let ticket = mailbox.revoke(vec![at(0)], false);
    assert!(!mailbox.is_known(ticket));
    assert_eq!(take(&mailbox), "revoked [0]");
    assert!(mailbox.is_known(ticket));
    assert_eq!(take(&mailbox), "records [(1, 7)] ends []");
    assert!(!mailbox.is_full());
}

#[test]
fn commits_are_taken_only_for_what_the_application_knows_to_own() {
    let mailbox = Mailbox::new(1_000);
    mailbox.assign(vec![(at(0), None)]);
    assert!(matches!(commit_for(&mailbox, 0), Err(BusError::NotOwner { .. })), "it has not been told");
    take(&mailbox);
    assert!(commit_for(&mailbox, 0).is_ok());
    mailbox.revoke(vec![at(0)], false);
    assert!(commit_for(&mailbox, 0).is_err(), "whether it has been told or not");
    mailbox.assign(vec![(at(0), None)]);
    assert!(commit_for(&mailbox, 0).is_err(), "what it knows is of an earlier time");
    take(&mailbox);
    assert!(commit_for(&mailbox, 0).is_err());
    take(&mailbox);
    assert!(commit_for(&mailbox, 0).is_ok());
}

#[test]
fn what_was_revoked_before_it_was_told_is_never_owned() {
    let mailbox = Mailbox::new(1_000);
    mailbox.assign(vec![(at(0), None), (at(1), None)]);
    mailbox.revoke(vec![at(0)], false);
    assert_eq!(take(&mailbox), "assigned [0, 1]");
    assert!(commit_for(&mailbox, 0).is_err() && commit_for(&mailbox, 1).is_ok());
}

#[test]
fn an_empty_change_is_not_told() {
    let mailbox = Mailbox::new(1_000);
    mailbox.assign(Vec::new());
    assert!(mailbox.is_known(mailbox.revoke(Vec::new(), false)), "there is nothing to know");
    assert_eq!(take(&mailbox), "nothing");
}

#[test]
fn keeps_to_the_limits_but_gives_one_at_least() {
    let mailbox = Mailbox::new(1_000);
    mailbox.put((0..6).map(|offset| delivered(0, offset)).collect());
    let n_taken = |max_records, max_bytes| match mailbox.take_now(limit(max_records, max_bytes)) {
        Some(Taken::Records(records, _)) => records.len(),
        _ => 0,
    };
    assert_eq!(
        (n_taken(2, 100), n_taken(10, 25), n_taken(10, 1), n_taken(0, 0), n_taken(1, 1)),
        (2, 2, 1, 1, 0)
    );
}

#[test]
fn is_full_at_its_bytes_and_takes_up_again_at_half() {
    let mailbox = Mailbox::new(40);
    mailbox.put((0..3).map(|offset| delivered(0, offset)).collect());
    assert!(!mailbox.is_full() && !mailbox.is_half_empty());
    mailbox.put(vec![delivered(0, 3)]);
    assert!(mailbox.is_full());
    mailbox.take_now(limit(3, 1_000));
    assert!(!mailbox.is_full() && mailbox.is_half_empty());
}

#[test]
fn ends_stand_behind_the_records_that_came_before_them() {
    let mailbox = Mailbox::new(1_000);
    mailbox.put(vec![delivered(0, 0), delivered(0, 1)]);
    mailbox.put_end(at(0));
    mailbox.put_end(at(0));
    assert!(matches!(mailbox.take_now(limit(1, 1)), Some(Taken::Records(_, ends)) if ends.is_empty()));
    assert_eq!(take(&mailbox), "records [(0, 1)] ends [0]");
}

#[tokio::test]
async fn is_hungry_while_it_waits_and_when_it_waited_last() {
    let mailbox = std::sync::Arc::new(Mailbox::new(1_000));
    assert_eq!(mailbox.last_hungry(), None, "nobody has asked");
    assert!(mailbox.take(limit(10, 100)).await.is_none());
    let asked = mailbox.last_hungry().expect("it has asked");
    assert_eq!(mailbox.last_hungry(), Some(asked));
    let asking = sentinel_runtime::spawn("asking", {
        let mailbox = std::sync::Arc::clone(&mailbox);
        async move { mailbox.take(PollLimit { wait: Duration::from_secs(60), ..limit(10, 100) }).await.is_some() }
    });
    sentinel_testkit::wait_until("it waits", || mailbox.last_hungry() > Some(asked)).await;
    mailbox.put(vec![delivered(0, 0)]);
    assert!(asking.await, "it is woken");
    mailbox.put(vec![delivered(0, 1)]);
    assert_eq!(mailbox.last_hungry(), None, "there is something to take");
}
