//! The nouns of Sentinel Mesh: labels, samples, batches, windows, log records, events and object
//! states. No I/O, no serialisation, no clock: everything else depends on this crate, and this
//! crate on nothing of ours.

mod batch;
mod canary;
mod dead_letter;
mod event;
mod labels;
mod log;
mod object;
mod rollup;
mod selector;
mod series;
mod setting;
mod time;
mod topic;

pub use batch::{FrameKind, MetricBatch, Point, StreamKey};
pub use canary::{
    CANARY_LIFE, CANARY_NAMESPACE, CANARY_SENT, CANARY_SEQUENCE, CANARY_TARGET, CanaryBeat, CanaryBeats,
    CanaryCount, CanarySeen, CanaryTrack, CanaryWindows,
};
pub use dead_letter::DeadLetter;
pub use event::{EventBatch, EventRecord, EventSeverity, ObjectRef};
pub use labels::{LabelPool, Labels, LabelsError, METRIC_NAME};
pub use log::{LogBatch, LogRecord, LogSeverity};
pub use object::{
    Condition, ContainerKind, ContainerState, ContainerStatus, NodeDetail, ObjectDetail, ObjectKey,
    ObjectState, OwnerRef, PodDetail, Resources, WorkloadDetail, WorkloadRef,
};
pub use rollup::{Aggregate, Field, Resolution, Rollup, RollupBatch, Sketch, Summary, Window};
pub use selector::{LabelMatcher, MatchOp, Selector, SelectorError};
pub use series::{MetricKind, Series, SeriesId, SeriesRef};
pub use setting::{AccessRole, ApiToken, Kept, RetentionError, RetentionSetting, Setting, SettingValue};
pub use time::Timestamp;
pub use topic::Topic;
