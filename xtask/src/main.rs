//! Checks of the repository itself: `cargo xtask tidy`.

mod arrows;
mod tidy;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(),
        _ => bail!("write `cargo xtask tidy`"),
    }
}
