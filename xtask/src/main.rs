//! The commands of this repository: `cargo xtask demo`, `cargo xtask test` and their parts.
fn main() {}
