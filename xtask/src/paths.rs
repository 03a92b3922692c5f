//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The repository's root: the folder above this crate.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A path below the root, written with `/`.
pub fn at(path: &str) -> PathBuf {
    root().join(path)
}

/// A tool that `setup` installs with cargo.
pub fn tool(name: &str) -> PathBuf {
    at("target/tools/bin").join(name)
}

/// A tool that comes as an npm package.
pub fn npm_tool(name: &str) -> PathBuf {
    at("node_modules/.bin").join(name)
}
