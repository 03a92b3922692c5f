//! A Rust application in the browser that tracks with `tallymark::web`.
