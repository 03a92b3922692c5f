//! libFuzzer around the property of a URL.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| tallymark_fuzz::parsers::url_holds(body));
