//! libFuzzer around the property of a token.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| tallymark_fuzz::parsers::token_holds(body));
