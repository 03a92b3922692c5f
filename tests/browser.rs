//! Both shells in a real browser: `wasm-pack test --headless --chrome -- --features js-visit,web`.
//!
//! `suite`, `answers` and `journal` hold what both must do; each shell's own file says how it is driven, and
//! tests what it alone has. The network, the clocks and the timers are the test's (`page`);
//! storage is the browser's own.
#![cfg(target_arch = "wasm32")]
// Clippy allows these in `#[test]` functions only; what those call is a test just as much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "browser/answers.rs"]
mod answers;
#[path = "browser/journal.rs"]
mod journal;
#[path = "browser/js.rs"]
mod js;
#[path = "browser/pack.rs"]
mod pack;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/suite.rs"]
mod suite;
#[path = "browser/web.rs"]
mod web;
#[path = "browser/web_asked.rs"]
mod web_asked;
#[path = "browser/web_verbs.rs"]
mod web_verbs;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
