//! Logs, events, objects and dead letters give back what went in, or a clear error.

use bytes::Bytes;
use proptest::prelude::*;
use sentinel_model::{
    Condition, ContainerKind, ContainerState, ContainerStatus, DeadLetter, EventBatch, EventRecord,
    EventSeverity, LogBatch, LogRecord, LogSeverity, NodeDetail, ObjectDetail, ObjectKey, ObjectRef,
    ObjectState, OwnerRef, PodDetail, Resources, Timestamp, Topic, WorkloadDetail, WorkloadRef,
};
use sentinel_proto::{Wire, WireError};

// === Arbitrary messages ===

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z-]{0,8}", "\\PC{0,12}"]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 12)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn log_batch() -> impl Strategy<Value = LogBatch> {
    let record = (any::<i64>(), texts(), prop::sample::select(LogSeverity::ALL.to_vec())).prop_map(
        |(timestamp_ns, texts, severity)| LogRecord {
            timestamp_ns,
            namespace: texts[0].as_str().into(),
            workload_kind: texts[1].as_str().into(),
            workload: texts[2].as_str().into(),
            pod: texts[3].as_str().into(),
            container: texts[4].as_str().into(),
            node: texts[0].as_str().into(),
            severity,
            body: texts[5].clone(),
        },
    );
    (texts(), any::<u64>(), any::<u64>(), time(), prop::collection::vec(record, 0..8)).prop_map(
        |(texts, epoch, sequence, observed, records)| LogBatch {
            cluster: texts[0].as_str().into(),
            collector: texts[1].as_str().into(),
            epoch,
            sequence,
            observed,
            records,
        },
    )
}

fn event_batch() -> impl Strategy<Value = EventBatch> {
    let severity = prop::sample::select(vec![
        EventSeverity::Info,
        EventSeverity::Warning,
        EventSeverity::Error,
        EventSeverity::Critical,
    ]);
    let record = (texts(), severity, any::<u32>(), time(), time()).prop_map(
        |(texts, severity, count, first_seen, last_seen)| EventRecord {
            uid: texts[0].clone(),
            resource_version: texts[1].clone(),
            kind: texts[2].clone(),
            severity,
            reason: texts[3].clone(),
            message: texts[4].clone(),
            regarding: ObjectRef {
                kind: texts[5].clone(),
                namespace: texts[6].clone(),
                name: texts[7].clone(),
                uid: texts[8].clone(),
            },
            workload_kind: texts[9].clone(),
            workload: texts[10].clone(),
            reporter: texts[11].clone(),
            node: texts[0].clone(),
            count,
            first_seen,
            last_seen,
        },
    );
    (texts(), any::<u64>(), any::<u64>(), time(), prop::collection::vec(record, 0..8)).prop_map(
        |(texts, epoch, sequence, observed, records)| EventBatch {
            cluster: texts[0].as_str().into(),
            collector: texts[1].as_str().into(),
            epoch,
            sequence,
            observed,
            records,
        },
    )
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let condition = (texts(), prop::option::of(time())).prop_map(|(texts, since)| Condition {
        kind: texts[0].clone(),
        status: texts[1].clone(),
        reason: texts[2].clone(),
        message: texts[3].clone(),
        since,
    });
    prop::collection::vec(condition, 0..3)
}

fn resources() -> impl Strategy<Value = Resources> {
    let amount = || prop::option::of(-1e18..1e18);
    (amount(), amount(), amount(), amount()).prop_map(
        |(cpu_cores, memory_bytes, ephemeral_storage_bytes, pods)| Resources {
            cpu_cores,
            memory_bytes,
            ephemeral_storage_bytes,
            pods,
        },
    )
}

fn state() -> impl Strategy<Value = ContainerState> {
    let terminated = (text(), text(), any::<i32>(), any::<i32>(), prop::option::of(time())).prop_map(
        |(reason, message, exit_code, signal, finished)| ContainerState::Terminated {
            reason,
            message,
            exit_code,
            signal,
            started: None,
            finished,
        },
    );
    prop_oneof![
        Just(ContainerState::Absent),
        (text(), text()).prop_map(|(reason, message)| ContainerState::Waiting { reason, message }),
        prop::option::of(time()).prop_map(|started| ContainerState::Running { started }),
        terminated,
    ]
}

fn container() -> impl Strategy<Value = ContainerStatus> {
    let kind = prop::sample::select(vec![
        ContainerKind::App,
        ContainerKind::Init,
        ContainerKind::Sidecar,
        ContainerKind::Ephemeral,
    ]);
    ((text(), text(), kind, any::<bool>(), any::<u32>()), state(), state(), resources(), resources())
        .prop_map(|((name, image, kind, is_ready, restart_count), state, last_state, requests, limits)| {
            ContainerStatus {
                name,
                kind,
                image,
                is_ready,
                is_started: !is_ready,
                restart_count,
                state,
                last_state,
                requests,
                limits,
            }
        })
}

fn pod() -> impl Strategy<Value = PodDetail> {
    let times = (prop::option::of(time()), prop::option::of(time()));
    (texts(), times, conditions(), prop::collection::vec(container(), 0..3)).prop_map(
        |(texts, (started, deletion_requested), conditions, containers)| PodDetail {
            phase: texts[0].clone(),
            status: texts[1].clone(),
            node: texts[2].clone(),
            pod_ip: texts[3].clone(),
            qos_class: texts[4].clone(),
            service_account: texts[5].clone(),
            started,
            deletion_requested,
            conditions,
            containers,
        },
    )
}

fn node() -> impl Strategy<Value = NodeDetail> {
    (texts(), conditions(), resources(), resources(), any::<bool>()).prop_map(
        |(texts, conditions, capacity, allocatable, is_unschedulable)| NodeDetail {
            conditions,
            capacity,
            allocatable,
            is_unschedulable,
            taints: texts[..3].to_vec(),
            kubelet_version: texts[3].clone(),
            os_image: texts[4].clone(),
            kernel_version: texts[5].clone(),
            container_runtime: texts[6].clone(),
            architecture: texts[7].clone(),
            internal_ip: texts[8].clone(),
            roles: texts[9..].to_vec(),
        },
    )
}

fn workload() -> impl Strategy<Value = WorkloadDetail> {
    let selector = prop::collection::btree_map(text(), text(), 0..3);
    (
        prop::collection::vec(any::<u32>(), 6),
        any::<[i64; 2]>(),
        any::<bool>(),
        texts(),
        conditions(),
        selector,
    )
        .prop_map(|(counts, generations, is_paused, texts, conditions, selector)| WorkloadDetail {
            desired: counts[0],
            current: counts[1],
            ready: counts[2],
            available: counts[3],
            updated: counts[4],
            failed: counts[5],
            generation: generations[0],
            observed_generation: generations[1],
            is_paused,
            schedule: texts[0].clone(),
            images: texts[1..3].to_vec(),
            conditions,
            selector,
        })
}

fn object() -> impl Strategy<Value = ObjectState> {
    let detail = prop_oneof![
        pod().prop_map(|pod| ObjectDetail::Pod(Box::new(pod))),
        node().prop_map(|node| ObjectDetail::Node(Box::new(node))),
        workload().prop_map(|workload| ObjectDetail::Workload(Box::new(workload))),
        Just(ObjectDetail::Other),
    ];
    let labels = prop::collection::btree_map(text(), text(), 0..4);
    (texts(), prop::option::of(time()), time(), any::<bool>(), labels, detail).prop_map(
        |(texts, created, observed, is_deleted, labels, detail)| ObjectState {
            key: ObjectKey {
                cluster: texts[0].as_str().into(),
                kind: texts[1].as_str().into(),
                uid: texts[2].clone(),
            },
            namespace: texts[3].clone(),
            name: texts[4].clone(),
            resource_version: texts[5].clone(),
            created,
            observed,
            is_deleted,
            labels,
            owners: vec![OwnerRef {
                kind: texts[6].clone(),
                name: texts[7].clone(),
                uid: texts[8].clone(),
                is_controller: is_deleted,
            }],
            workload: created.map(|_| WorkloadRef { kind: texts[9].clone(), name: texts[10].clone() }),
            detail,
            manifest: texts[11].repeat(50),
        },
    )
}

fn dead_letter() -> impl Strategy<Value = DeadLetter> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    (texts(), any::<u32>(), any::<u64>(), time(), bytes(), bytes()).prop_map(
        |(texts, partition, offset, observed, key, value)| DeadLetter {
            topic: texts[0].clone(),
            partition,
            offset,
            reason: texts[1].clone(),
            detail: texts[2].clone(),
            observed,
            role: texts[3].clone(),
            key,
            value,
        },
    )
}

// === What must hold for each kind of message ===

fn goes_through<M: Wire + PartialEq + std::fmt::Debug>(message: &M) -> Result<(), TestCaseError> {
    let bytes = message.encode();
    prop_assert_eq!(&M::decode(&bytes).expect("what was written"), message);
    for end in [0, 1, 5, 6, bytes.len() - 1] {
        prop_assert!(M::decode(&bytes[..end]).is_err(), "cut at {}", end);
    }
    let mut flipped = bytes.to_vec();
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        flipped[at] ^= 4;
        prop_assert!(M::decode(&flipped).is_err(), "flipped at {}", at);
        flipped[at] ^= 4;
    }
    Ok(())
}

proptest! {
    #[test]
    fn log_batches_go_through(batch in log_batch()) {
        goes_through(&batch)?;
    }

    #[test]
    fn event_batches_go_through(batch in event_batch()) {
        goes_through(&batch)?;
    }

    #[test]
    fn objects_go_through(object in object()) {
        goes_through(&object)?;
    }

    #[test]
    fn dead_letters_go_through(letter in dead_letter()) {
        goes_through(&letter)?;
    }

    #[test]
    fn a_message_of_one_topic_read_as_another_never_panics(batch in log_batch(), object in object()) {
        let _ = EventBatch::decode(&batch.encode());
        let _ = ObjectState::decode(&batch.encode());
        let _ = LogBatch::decode(&object.encode());
        let _ = DeadLetter::decode(&object.encode());
    }
}

// === Keys and errors ===

fn record(namespace: &str, workload: &str, pod: &str) -> LogRecord {
    LogRecord {
        timestamp_ns: 0,
        namespace: namespace.into(),
        workload_kind: "".into(),
        workload: workload.into(),
        pod: pod.into(),
        container: "".into(),
        node: "".into(),
        severity: LogSeverity::Info,
        body: "the same line again and again".into(),
    }
}

fn logs(records: Vec<LogRecord>) -> LogBatch {
    let observed = Timestamp::from_millis(5);
    LogBatch { cluster: "c".into(), collector: "k".into(), epoch: 1, sequence: 2, observed, records }
}

#[test]
fn keys_name_the_entity() {
    assert_eq!(logs(vec![record("shop", "cart", "cart-1"), record("x", "y", "z")]).key(), "c/shop/cart");
    assert_eq!(logs(vec![record("shop", "", "cart-1")]).key(), "c/shop/cart-1");
    assert_eq!(logs(vec![]).key(), "c//");
    let event = |workload: &str| EventRecord {
        uid: "u".into(),
        resource_version: "1".into(),
        kind: "Normal".into(),
        severity: EventSeverity::Info,
        reason: "Started".into(),
        message: String::new(),
        regarding: ObjectRef { namespace: "shop".into(), name: "cart-1".into(), ..ObjectRef::default() },
        workload_kind: String::new(),
        workload: workload.into(),
        reporter: String::new(),
        node: String::new(),
        count: 1,
        first_seen: Timestamp::MIN,
        last_seen: Timestamp::MAX,
    };
    let events = |workload| EventBatch {
        cluster: "c".into(),
        collector: "k".into(),
        epoch: 1,
        sequence: 2,
        observed: Timestamp::MIN,
        records: vec![event(workload)],
    };
    assert_eq!(events("cart").key(), "c/shop/cart");
    assert_eq!(events("").key(), "c/shop/cart-1");
}

#[test]
fn topics_are_those_of_the_model() {
    let topics = [LogBatch::TOPIC, EventBatch::TOPIC, ObjectState::TOPIC, DeadLetter::TOPIC];
    assert_eq!(topics, [Topic::Logs, Topic::Events, Topic::Objects, Topic::DeadLetters]);
}

#[test]
fn log_batches_name_each_text_once_and_fold_repeated_lines() {
    let batch = logs(vec![record("namespace-of-the-shop", "cart", "cart-7d9f-x"); 1_000]);
    let bytes = batch.encode().len();
    assert!(bytes < 1_000, "{bytes} bytes for 1,000 equal lines");
}

#[test]
fn a_message_too_large_to_unfold_is_refused() {
    let mut line = record("n", "w", "p");
    line.body = "x".repeat(17 << 20);
    let bytes = logs(vec![line]).encode();
    assert!(bytes.len() < 10_000, "it is small on the wire");
    let error = LogBatch::decode(&bytes).expect_err("17 MiB");
    assert!(matches!(error, WireError::TooLarge { .. }), "{error}");
    assert_eq!(error.reason(), "too_large");
}

#[test]
fn a_tombstone_is_not_a_message() {
    let error = ObjectState::decode(&[]).expect_err("an empty value");
    assert!(matches!(error, WireError::Empty));
    assert_eq!(error.reason(), "corrupt");
}
