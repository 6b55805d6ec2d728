//! The doors through which data come in.

pub mod kubernetes;
