//! What an object's state means in one word, and why. Pure: states and now in, words out.

mod node;
mod pod;
mod workload;

pub use node::node_state;
pub use pod::{PodState, pod_state};
pub use workload::{PodsOf, workload_state};
