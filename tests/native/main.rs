//! Native tests: the core on its own, every input and every result the test's.

// wasm-pack compiles every test target for wasm, where proptest and files are not.
#![cfg(not(target_arch = "wasm32"))]
// Clippy allows these in `#[test]` functions only; what those call is a test just as much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocks;
mod columns;
#[path = "../golden/format.rs"]
mod golden_format;
#[path = "../golden/ours.rs"]
mod golden_ours;
mod goldens;
mod layout;
mod naive;
mod observe;
mod tracker;
mod twin;
