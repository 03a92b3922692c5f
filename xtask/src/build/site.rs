//! The demo site: static files, the chart library and the Rust example, into `target/www/`.

use super::{stamp, wasm};
use crate::paths;
use anyhow::Result;
use std::path::Path;

const EXAMPLE: wasm::Module = wasm::Module {
    package: "tallymark-example",
    profile: "page",
    features: "",
    rustc: &[],
    snip: &[],
    bindgen: &[],
    optimise: &["-Oz"],
    out: "target/example-bindgen",
};

/// Files of the chart library that the pages load.
const CHARTS: [(&str, &str); 2] = [
    ("dist/uPlot.esm.js", "vendor/uplot/uPlot.esm.js"),
    ("dist/uPlot.min.css", "vendor/uplot/uPlot.min.css"),
];

/// Builds `target/www/`. `www/site.js` is the server's, not the pages'.
pub fn build() -> Result<()> {
    EXAMPLE.build()?;
    let (from, uplot, out) =
        (paths::at("www"), paths::at("node_modules/uplot"), paths::at("target/www"));
    let example = paths::at(EXAMPLE.out);
    let inputs = [from.clone(), example.clone(), uplot.join("package.json")];
    stamp::if_changed("site", &inputs, &[], &out.join("index.html"), || {
        stamp::fresh(&out)?;
        stamp::copy_files(&from, &out, |file| {
            file != Path::new("site.js") && !is_rust_source(file)
        })?;
        for (file, to) in CHARTS {
            stamp::copy(&uplot.join(file), &out.join(to))?;
        }
        stamp::copy_files(&example, &out.join("rust"), |_| true)
    })
}

fn is_rust_source(file: &Path) -> bool {
    file.starts_with("rust/src") || file == Path::new("rust/Cargo.toml")
}
