//! Tests of the whole: routes over fakes of the ports, and the server over TCP.

mod bad_requests;
mod contract;
pub(crate) mod harness;
mod lists;
mod queries;
pub(crate) mod records;
pub(crate) mod served;
mod server;
mod settings;
mod shapes;
mod verification;
