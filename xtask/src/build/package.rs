//! The npm package: `pkg-template/` and the tracker's wasm become `pkg/`.

use super::{stamp, wasm};
use crate::{paths, process};
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TRACKER: wasm::Module = wasm::Module {
    package: "tallymark",
    profile: "page",
    features: "js",
    // 64 KiB of stack bring the memory from 17 pages to 2 (measured).
    rustc: &["-C", "link-arg=-zstack-size=65536"],
    // Nobody reads what a panic would say: it aborts, and there is no hook (200 bytes of brotli).
    snip: &["panicking::panic_fmt"],
    bindgen: &[],
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

/// Flattened once, later rounds find more. Nothing but the stack's end is in low memory.
const OPTIMISE: &[&str] = &[
    "--low-memory-unused",
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "-Oz",
    "--converge",
    "--always-inline-max-function-size=4",
    "--one-caller-inline-max-function-size=30",
];

/// One entry of the package, bundled by itself: what it imports dynamically becomes a file of its
/// own beside it, with a hash of its content in the name.
struct Entry {
    /// Its source, below `pkg-template/`; the same path below `pkg/` is what becomes of it.
    file: &'static str,
    /// Whether visitors download it.
    small: bool,
    flags: &'static [&'static str],
}

const MODULE: &[&str] = &["--bundle", "--target=es2022", "--format=esm", "--splitting"];
const WASM_APART: &str = "--external:*.wasm";

/// With timers that let a process end.
const NODE: &[&str] = &["--platform=node", "--inject:./pkg-template/node/env.js"];

/// The wasm as bytes in the script that imports it.
const WASM_INSIDE: &[&str] = &[
    "--loader:.wasm=binary",
    "--alias:#engine.wasm=./target/page-bindgen/tallymark_bg.wasm",
    "--alias:#split.wasm=./target/split-bindgen/tallymark_bg.wasm",
];

/// The same in one file, and in a world that the test moves instead of the page's.
const TEST_KIT: &[&str] = &[
    "--loader:.wasm=binary",
    "--alias:#engine.wasm=./target/page-bindgen/tallymark_bg.wasm",
    "--alias:#split.wasm=./target/split-bindgen/tallymark_bg.wasm",
    "--inject:./pkg-template/test/env.js",
    "--splitting=false",
];

const ENTRIES: [Entry; 9] = [
    Entry { file: "index.js", small: true, flags: &[WASM_APART] },
    Entry { file: "people.js", small: true, flags: &[WASM_APART] },
    Entry { file: "inline/index.js", small: true, flags: WASM_INSIDE },
    Entry { file: "node/index.js", small: false, flags: NODE },
    Entry { file: "node/people.js", small: false, flags: NODE },
    Entry { file: "worker/index.js", small: false, flags: &[WASM_APART] },
    Entry { file: "worker/people.js", small: false, flags: &[WASM_APART] },
    Entry { file: "test/index.js", small: false, flags: TEST_KIT },
    Entry { file: "snippet.js", small: true, flags: &["--format=iife", "--splitting=false"] },
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
    let words: Vec<String> = ENTRIES.iter().flat_map(Entry::words).collect();
    stamp::if_changed("package", &inputs, &words, &pkg.join("package.json"), || {
        stamp::fresh(&pkg)?;
        for entry in &ENTRIES {
            entry.build()?;
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

impl Entry {
    /// What esbuild is told.
    fn words(&self) -> Vec<String> {
        let folder = Path::new("pkg").join(self.file).with_file_name("");
        let minify = self.small.then_some("--minify");
        let words = MODULE.iter().chain(self.flags).chain(&minify).map(|word| (*word).to_owned());
        let given = [format!("pkg-template/{}", self.file)];
        given.into_iter().chain(words).chain([format!("--outdir={}", folder.display())]).collect()
    }

    fn build(&self) -> Result<()> {
        let out = paths::at("pkg").join(self.file);
        let folder = out.parent().unwrap_or(&out).to_owned();
        let contents = || -> Result<BTreeMap<PathBuf, Vec<u8>>> {
            let files = stamp::files_below(&folder)?;
            files.into_iter().map(|file| Ok((file.clone(), std::fs::read(file)?))).collect()
        };
        let before = contents()?;
        wasm::esbuild(&format!("the npm package, {}", self.file), &self.words())?;
        // A part that another entry has too is written once more.
        for (file, content) in contents()?.iter().filter(|_| self.small) {
            if before.get(file) != Some(content) {
                minify(file)?;
            }
        }
        Ok(())
    }
}

/// What esbuild leaves, and a slower minifier still finds: 200 bytes of brotli (measured).
fn minify(script: &Path) -> Result<()> {
    let mut command = process::command(paths::npm_tool("terser"), TERSER);
    process::step("minifying", command.arg("-o").args([script, script]))
}
