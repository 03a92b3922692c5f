//! libFuzzer around the property of the rules of CDC_RULES.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| tallymark_fuzz::parsers::rules_hold(body));
