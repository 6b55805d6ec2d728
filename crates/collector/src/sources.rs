//! The doors through which data come in.

pub(crate) mod canary;
pub mod kubernetes;
pub(crate) mod own;
pub(crate) mod replay;
pub(crate) mod schedule;
pub(crate) mod scrape;
