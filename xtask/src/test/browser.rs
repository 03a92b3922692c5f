//! A Chromium and its driver: found, or installed where that is ours to do.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What a browser test needs.
pub struct Browser {
    /// The browser itself.
    pub chromium: PathBuf,
    /// Its WebDriver.
    pub driver: PathBuf,
}

const CHROMIUMS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// One list for this and for tests/e2e/harness.mjs. Root needs `--no-sandbox`; the others keep
/// Chromium from the network and from asking.
const FLAGS: &str = include_str!("../../../tests/chromium-flags.json");

impl Browser {
    /// `CHROMIUM` and `CHROMEDRIVER`, else what is on the path, else what apt brings.
    pub fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if !debian_root() {
            bail!(
                "Chromium or chromedriver is missing; install both in the same version (Debian: \
                 apt install chromium chromium-driver), or name them in CHROMIUM and CHROMEDRIVER"
            );
        }
        process::step("updating apt's lists", &mut process::command("apt-get", ["update", "-qq"]))?;
        process::step(
            "installing chromium and chromium-driver",
            process::command("apt-get", ["install", "-y", "-qq", "--no-install-recommends"])
                .args(["chromium", "chromium-driver"])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
        Self::find().context("apt installed chromium, yet it cannot be found")
    }

    fn find() -> Option<Self> {
        let chromium =
            named("CHROMIUM").or_else(|| CHROMIUMS.iter().find_map(|name| which(name)))?;
        let driver = named("CHROMEDRIVER").or_else(|| which("chromedriver"))?;
        Some(Self { chromium, driver })
    }

    /// Writes the capabilities that wasm-bindgen's test runner asks its driver for.
    pub fn webdriver_json(&self) -> Result<PathBuf> {
        let file = paths::at("target/webdriver.json");
        let flags: Value =
            serde_json::from_str(FLAGS).context("tests/chromium-flags.json is damaged")?;
        let options = json!({ "binary": self.chromium, "args": flags });
        let text = json!({ "goog:chromeOptions": options }).to_string();
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Ubuntu's package only points at a snap, so being like Debian is not enough.
fn debian_root() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = release.lines().any(|line| line == "ID=debian");
    debian
        && process::answer("id", &["-u"]).as_deref() == Some("0")
        && Path::new("/usr/bin/apt-get").exists()
}
