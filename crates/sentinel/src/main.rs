//! `sentinel`: every role of Sentinel Mesh in one binary.

mod cli;
mod commands;
mod compose;
mod config;
mod dashboard;

use std::process::ExitCode;

use clap::Parser as _;

/// Scrapes and windows make many short-lived allocations on many threads; this allocator gives their memory
/// back (docs/benchmarks.md). `.cargo/config.toml` holds its settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Two TLS providers in one program panic at the first connection unless one is chosen here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", commands::chain(&error));
            ExitCode::FAILURE
        }
    }
}
