//! The npm package: `pkg-template/` and the tracker's wasm become `pkg/`.

use super::{stamp, wasm};
use crate::{paths, process};
use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;

const TRACKER: wasm::Module = wasm::Module {
    package: "tallymark",
    profile: "page",
    features: "js",
    // 64 KiB of stack bring the memory from 17 pages to 2 (measured).
    rustc: &["-C", "link-arg=-zstack-size=65536"],
    // Nobody reads what a panic would say: it aborts, and there is no hook (200 bytes of brotli).
    snip: &["panicking::panic_fmt"],
    optimise: OPTIMISE,
    out: "target/page-bindgen",
};

/// Fetched when a receiver finds a batch too large.
const SPLIT: wasm::Module =
    wasm::Module { features: "js-split", out: "target/split-bindgen", ..TRACKER };

/// Fetched in place of the first where a site measures visits.
const VISIT: wasm::Module =
    wasm::Module { features: "js-visit", out: "target/visit-bindgen", ..TRACKER };

/// Fetched beside that one where automatic events are asked for. Nothing in it can panic.
const OBSERVE: wasm::Module =
    wasm::Module { features: "js-observe", out: "target/observe-bindgen", snip: &[], ..TRACKER };

/// Flattened once, the second round finds more. Nothing but the stack's end is in low memory.
const OPTIMISE: &[&str] = &[
    "--low-memory-unused",
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--converge",
    "--one-caller-inline-max-function-size=30",
];

/// How the entries are bundled; each `*.js` at the top of `pkg-template/` is an entry. What they
/// import dynamically becomes a file of its own, with a hash of its content in the name.
const ESBUILD: &[&str] = &[
    "--bundle",
    "--format=esm",
    "--splitting",
    "--minify",
    "--target=es2022",
    "--external:*.wasm",
    "--outdir=pkg",
];

const TERSER: &[&str] =
    &["--module", "--ecma", "2022", "--compress", "passes=4,keep_fargs=false", "--mangle"];

/// Builds `pkg/` from scratch unless nothing that it is made of has changed.
pub fn build() -> Result<()> {
    SPLIT.build()?;
    VISIT.build()?;
    OBSERVE.build()?;
    TRACKER.build()?;
    let (template, pkg) = (paths::at("pkg-template"), paths::at("pkg"));
    let wasm = |module: &wasm::Module| paths::at(module.out).join("tallymark_bg.wasm");
    let mut entries = Vec::new();
    for file in stamp::files_below(&template)? {
        let top = file.parent() == Some(template.as_path());
        if top && file.extension().is_some_and(|end| end == "js") {
            entries.push(file.to_string_lossy().into_owned());
        }
    }
    if entries.is_empty() {
        bail!("pkg-template/ has no entry (*.js) to make the npm package from");
    }
    let inputs = [
        template.clone(),
        wasm(&TRACKER),
        wasm(&SPLIT),
        wasm(&VISIT),
        wasm(&OBSERVE),
        paths::at("src/effects"),
        paths::at("worker/queries"),
        paths::at("LICENSE"),
        paths::at("package-lock.json"),
    ];
    let words: Vec<String> = ESBUILD.iter().map(|word| (*word).to_owned()).collect();
    stamp::if_changed("package", &inputs, &words, &pkg.join("package.json"), || {
        stamp::fresh(&pkg)?;
        wasm::esbuild("the npm package", &[entries, words.clone()].concat())?;
        for file in stamp::files_below(&pkg)? {
            minify(&file)?;
        }
        stamp::copy_files(&template, &pkg, |file| file.extension().is_none_or(|end| end != "js"))?;
        let types = tallymark_worker::query::typescript::declarations();
        let types = types.map_err(|error| anyhow!("a query's head is wrong: {error:?}"))?;
        std::fs::write(pkg.join("queries.d.ts"), types).context("cannot write pkg/queries.d.ts")?;
        stamp::copy(&paths::at("LICENSE"), &pkg.join("LICENSE"))?;
        stamp::copy(&wasm(&TRACKER), &pkg.join("tallymark_bg.wasm"))?;
        stamp::copy(&wasm(&VISIT), &pkg.join("tallymark_visit_bg.wasm"))?;
        stamp::copy(&wasm(&OBSERVE), &pkg.join("tallymark_observe_bg.wasm"))?;
        stamp::copy(&wasm(&SPLIT), &pkg.join("tallymark_split_bg.wasm"))
    })
}

/// What esbuild leaves, and a slower minifier still finds: 200 bytes of brotli (measured).
fn minify(script: &Path) -> Result<()> {
    let mut command = process::command(paths::npm_tool("terser"), TERSER);
    process::step("minifying", command.arg("-o").args([script, script]))
}
