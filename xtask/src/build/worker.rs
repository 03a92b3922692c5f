//! The worker's deployable files: `worker/dist/index.js`, its wasm, and the tracker to serve.

use super::{stamp, wasm};
use crate::paths;
use anyhow::Result;

const CORE: wasm::Module = wasm::Module {
    package: "tallymark-worker",
    profile: "edge",
    features: "wasm",
    rustc: &[],
    snip: &[],
    // After a panic the entry goes on with another instance.
    bindgen: &["--experimental-reset-state-function"],
    optimise: &["-O3"],
    out: "target/worker-bindgen",
};

/// The runtime compiles the wasm itself from a static import, so that one stays outside.
const ESBUILD: &[&str] = &[
    "worker/entry/index.js",
    "--bundle",
    "--format=esm",
    "--target=es2022",
    "--external:./tallymark_worker_bg.wasm",
    "--external:cloudflare:*",
    "--alias:#glue=./target/worker-bindgen/tallymark_worker.js",
    "--outfile=worker/dist/index.js",
];

/// Builds `worker/dist/`; `pkg/` must be there.
pub fn build() -> Result<()> {
    CORE.build()?;
    let (glue, pkg, dist) = (paths::at(CORE.out), paths::at("pkg"), paths::at("worker/dist"));
    let inputs =
        [paths::at("worker/entry"), glue.clone(), pkg.clone(), paths::at("package-lock.json")];
    let words: Vec<String> = ESBUILD.iter().map(|word| (*word).to_owned()).collect();
    stamp::if_changed("worker", &inputs, &words, &dist.join("index.js"), || {
        stamp::fresh(&dist)?;
        wasm::esbuild("the worker", &words)?;
        let wasm = "tallymark_worker_bg.wasm";
        stamp::copy(&glue.join(wasm), &dist.join(wasm))?;
        // What lies deeper is for bundlers, Node and workers.
        stamp::copy_files(&pkg, &dist.join("assets/tallymark"), |file| {
            file.components().count() == 1
                && file.extension().is_some_and(|end| end == "js" || end == "wasm")
        })
    })
}
