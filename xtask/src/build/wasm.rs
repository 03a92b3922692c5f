//! From a crate to wasm with its JavaScript glue: cargo, wasm-bindgen, wasm-opt, esbuild.

use super::stamp;
use crate::{paths, process};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// The wasm features that rustc and wasm-bindgen put to use; each is in every browser since 2023.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// A crate to be built as a wasm module.
pub struct Module {
    /// The package in the workspace.
    pub package: &'static str,
    /// Cargo's profile.
    pub profile: &'static str,
    /// Cargo features, comma separated.
    pub features: &'static str,
    /// For rustc alone.
    pub rustc: &'static [&'static str],
    /// Functions, by a part of their name, that are replaced by a trap.
    pub snip: &'static [&'static str],
    /// For wasm-bindgen alone.
    pub bindgen: &'static [&'static str],
    /// How wasm-opt optimises.
    pub optimise: &'static [&'static str],
    /// Where the glue and the optimised wasm go.
    pub out: &'static str,
}

impl Module {
    /// Builds it; leaves `<out>/<name>.js` and `<out>/<name>_bg.wasm`.
    pub fn build(&self) -> Result<()> {
        self.compile()?;
        let name = self.name();
        let raw = paths::at("target/wasm32-unknown-unknown")
            .join(self.profile)
            .join(format!("{name}.wasm"));
        let out = paths::at(self.out);
        let glued = out.join(format!("{name}_bg.wasm"));
        let words = self
            .bindgen
            .iter()
            .chain(self.optimise)
            .chain(&FEATURES)
            .map(|word| (*word).to_owned());
        let snip = paths::at("xtask/snip.mjs");
        let inputs = [
            raw.clone(),
            paths::tool("wasm-bindgen"),
            paths::at("package-lock.json"),
            snip.clone(),
        ];
        let stamped = self.out.replace('/', "-");
        stamp::if_changed(&stamped, &inputs, &words.collect::<Vec<_>>(), &glued, || {
            stamp::fresh(&out)?;
            process::step(
                &format!("wasm-bindgen, {name}"),
                process::command(
                    paths::tool("wasm-bindgen"),
                    ["--target", "web", "--no-typescript", "--keep-debug"],
                )
                .args(self.bindgen)
                .arg("--out-dir")
                .args([&out, &raw]),
            )?;
            if !self.snip.is_empty() {
                process::step(
                    &format!("snipping, {name}"),
                    process::command("node", [&snip, &glued, &glued]).args(self.snip),
                )?;
            }
            let bytes = size(&glued);
            process::step(
                &format!("wasm-opt, {name}: {bytes} bytes before"),
                process::command(paths::npm_tool("wasm-opt"), self.optimise)
                    .args(FEATURES)
                    .args(["--strip-debug", "--strip-producers", "--strip-target-features", "-o"])
                    .args([&glued, &glued]),
            )?;
            eprintln!("  {name}: {} bytes of wasm", size(&glued));
            Ok(())
        })
    }

    /// The crate type is given here: a crate that is also a cdylib silently loses LTO
    /// (measured: 5,678 against 4,127 bytes).
    fn compile(&self) -> Result<()> {
        let mut command = process::command("cargo", ["rustc", "--quiet", "--lib"]);
        command.args(["--package", self.package, "--profile", self.profile]);
        command.args(["--target", "wasm32-unknown-unknown", "--crate-type", "cdylib"]);
        if !self.features.is_empty() {
            command.args(["--features", self.features]);
        }
        command.arg("--").args(self.rustc);
        process::step(&format!("compiling {}", self.package), &mut command)
    }

    fn name(&self) -> String {
        self.package.replace('-', "_")
    }
}

/// Runs esbuild with these arguments.
pub fn esbuild(what: &str, args: &[String]) -> Result<()> {
    process::step(
        &format!("bundling {what}"),
        &mut process::command(
            paths::npm_tool("esbuild"),
            args.iter().chain([&"--log-level=warning".to_owned()]),
        ),
    )
    .with_context(|| format!("cannot bundle {what}"))
}

fn size(file: &PathBuf) -> u64 {
    fs::metadata(file).map_or(0, |data| data.len())
}
