// Loads the Rust application; wasm-bindgen runs its `start` when it is there.
import init from "./tallymark_example.js";

await init();
