//! libFuzzer around the property of a body of JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| tallymark_fuzz::json::holds(body));
