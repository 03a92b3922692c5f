//! The worker and the demo site in workerd: its config as text, and its start.

use crate::{ffi, paths};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What runs in workerd, beside what is the same for everyone.
pub struct Plan {
    /// Port of the demo site on 127.0.0.1; the worker's routes answer there too.
    pub site_port: u16,
    /// The worker's variables.
    pub worker_vars: Vec<(String, String)>,
    /// The demo site's variables.
    pub site_vars: Vec<(String, String)>,
    /// Where the group-maker's storage is; workerd wants it to be there.
    pub groups_dir: PathBuf,
}

const COMPATIBILITY_DATE: &str = "2026-04-01";

/// Starts workerd and waits until it listens. Its output goes to `workerd.log`.
pub fn start(plan: &Plan, data_dir: &Path) -> Result<Child> {
    std::fs::create_dir_all(&plan.groups_dir)
        .with_context(|| format!("cannot make {}", plan.groups_dir.display()))?;
    let config = data_dir.join("workerd.capnp");
    std::fs::write(&config, config_text(plan, &paths::root()))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let log_path = data_dir.join("workerd.log");
    let log = std::fs::File::create(&log_path)
        .with_context(|| format!("cannot write {}", log_path.display()))?;

    // Events such as "listen" come on a descriptor of choice: stdout, beside console.log.
    let mut command = Command::new(binary()?);
    command.args(["serve", "--import-path=/", "--control-fd=1"]).arg(&config);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
    let mut child = ffi::die_with_parent(&mut command)
        .spawn()
        .with_context(|| "cannot start workerd".to_owned())?;
    let Some(stdout) = child.stdout.take() else { bail!("workerd has no output") };
    let mut lines = BufReader::new(stdout);
    if !listens(&mut lines, &log)? {
        let status = child.wait()?;
        let said = std::fs::read_to_string(&log_path).unwrap_or_default();
        bail!("workerd ended before it listened ({status}): {}", said.trim());
    }
    std::thread::spawn(move || drain(lines, log));
    Ok(child)
}

/// Reads events until the site's socket listens; false if workerd ended before.
fn listens(lines: &mut BufReader<ChildStdout>, mut log: &std::fs::File) -> Result<bool> {
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if line.contains(r#""event":"listen""#) && line.contains(r#""socket":"http""#) {
            return Ok(true);
        }
        log.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(false)
}

/// Keeps the pipe empty, or workerd would block on its next console.log.
fn drain(mut lines: BufReader<ChildStdout>, mut log: std::fs::File) {
    // Nobody is left to tell when the log cannot be written.
    let _ = std::io::copy(&mut lines, &mut log);
}

/// The binary itself: the script that npm puts before it would outlive us.
fn binary() -> Result<PathBuf> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!("there is no workerd for {os} on {arch}"),
    };
    let binary = paths::at("node_modules/@cloudflare")
        .join(format!("workerd-{platform}"))
        .join("bin/workerd");
    if !binary.is_file() {
        bail!("{} is missing; run `cargo xtask build` once", binary.display());
    }
    Ok(binary)
}

fn config_text(plan: &Plan, root: &Path) -> String {
    let at = |path: &str| text(&root.join(path).to_string_lossy());
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "site", worker = .site),
    (name = "tallymark", worker = .tallymark),
    (name = "files", disk = {www}),
    (name = "assets", disk = {assets}),
    (name = "groups", disk = (path = {groups}, writable = true)),
    # ClickHouse is on this machine, which the default would not let the worker reach.
    (name = "internet", network = (
      allow = ["public", "private"],
      tlsOptions = (trustBrowserCas = true)
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "site")],
);

const site :Workerd.Worker = (
  modules = [(name = "site.js", esModule = embed {site})],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
    (name = "TALLYMARK", service = "tallymark"),
    (name = "FILES", service = "files"),
{site_vars}  ],
);

const tallymark :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed {worker}),
    (name = "tallymark_worker_bg.wasm", wasm = embed {wasm}),
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  durableObjectNamespaces = [
    (className = "GroupMaker", uniqueKey = "tallymark-groups", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "groups"),
  bindings = [
    (name = "ASSETS", service = "assets"),
    (name = "GROUPS", durableObjectNamespace = "GroupMaker"),
{worker_vars}  ],
);
"#,
        www = at("target/www"),
        assets = at("worker/dist/assets"),
        groups = text(&plan.groups_dir.to_string_lossy()),
        port = plan.site_port,
        site = at("www/site.js"),
        worker = at("worker/dist/index.js"),
        wasm = at("worker/dist/tallymark_worker_bg.wasm"),
        site_vars = bindings(&plan.site_vars),
        worker_vars = bindings(&plan.worker_vars),
    )
}

fn bindings(vars: &[(String, String)]) -> String {
    vars.iter()
        .map(|(name, value)| format!("    (name = {}, text = {}),\n", text(name), text(value)))
        .collect()
}

/// A text literal of Cap'n Proto.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted() {
        assert_eq!(text("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }

    #[test]
    fn variables_and_the_port_are_in_the_config() {
        let plan = Plan {
            site_port: 8787,
            worker_vars: vec![("SITES".into(), r#"[{"site":"demo"}]"#.into())],
            site_vars: vec![("PAGE_USER".into(), "page".into())],
            groups_dir: PathBuf::from("/data/groups"),
        };
        let config = config_text(&plan, Path::new("/repo"));
        assert!(config.contains(r#"address = "127.0.0.1:8787""#));
        assert!(config.contains(r#"(name = "SITES", text = "[{\"site\":\"demo\"}]"),"#));
        assert!(config.contains(r#"(name = "PAGE_USER", text = "page"),"#));
        assert!(config.contains(r#"embed "/repo/worker/dist/index.js""#));
        assert!(config.contains(r#"(path = "/data/groups", writable = true)"#));
    }
}
