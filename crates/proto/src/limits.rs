//! Bounds on what a frame may hold, so that no input can take memory without limit.

/// Series of one stream. The largest real stream known is the state of 20,000 pods: some 400,000.
pub const MAX_SERIES: usize = 1 << 20;
/// Samples of one frame.
pub const MAX_POINTS: usize = 1 << 21;
/// A frame, unfolded. The key frame of [`MAX_SERIES`] series of Kubernetes is about 20 MiB.
pub(crate) const FRAME_BYTES: usize = 64 << 20;
/// A self-contained message, unfolded. An object's manifest is at most 3 MiB, a batch of log lines about 1.
pub(crate) const MESSAGE_BYTES: usize = 16 << 20;
/// Text of all labels that one frame defines; a short frame can name a long text many times.
pub(crate) const LABEL_BYTES: usize = 512 << 20;
/// Text of a stream's symbol table.
pub(crate) const SYMBOL_BYTES: usize = 64 << 20;
/// Time groups of one stream; encoders send a key frame long before.
pub(crate) const MAX_GROUPS: usize = 4 * MAX_SERIES;
/// Streams that one decoder follows at a time.
pub(crate) const MAX_STREAMS: usize = 1 << 16;
