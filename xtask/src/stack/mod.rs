//! ClickHouse, the worker and the demo site together: for the demo, and for tests.
//!
//! Invariant: no child outlives the stack. It stops them in order when it is dropped; if this
//! process is killed, the kernel does (Linux).

pub mod command;

use crate::clickhouse::client::Client;
use crate::clickhouse::embedded::{self, Embedded};
use crate::clickhouse::users::{self, User, Users};
use crate::clickhouse::{DATABASE, free_port, migrate};
use crate::progress::Step;
use crate::{process, workerd};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use tallymark_worker::migrate::Options;

/// The key that the demo's pages use, and the site that it belongs to.
const DEMO: (&str, &str) = ("pk_demo", "demo");

/// What to start, and where.
pub struct Plan {
    /// Port of the site, on 127.0.0.1.
    pub site_port: u16,
    /// Port of the embedded ClickHouse, on 127.0.0.1.
    pub clickhouse_port: u16,
    /// Where everything that is written goes.
    pub data_dir: PathBuf,
    /// Where the worker finds ClickHouse, if not at the embedded one itself: a test's proxy.
    pub worker_clickhouse_url: Option<String>,
    /// Origins that may use the demo's key beside the site's own.
    pub origins: Vec<String>,
    /// Further sites as the worker's variable `SITES` lists them.
    pub sites: Vec<Value>,
    /// Variables of the worker that add to or replace ours.
    pub vars: Vec<(String, String)>,
    /// How many embedded servers the tables are spread over; the worker asks the first.
    pub shards: usize,
    /// Whether what ends by itself is started again, on the same data: a test kills it.
    pub respawn: bool,
}

impl Plan {
    /// The embedded server by itself.
    fn server(&self) -> embedded::Plan {
        embedded::Plan {
            data_dir: self.data_dir.clone(),
            http_port: self.clickhouse_port,
            tables: self.tables().to_owned(),
            ..embedded::Plan::default()
        }
    }

    /// All embedded servers, the first one's data in our folder, the others' in folders of it.
    fn servers(&self) -> Result<Vec<embedded::Plan>> {
        if self.shards < 2 {
            return Ok(vec![self.server()]);
        }
        let shards: Vec<_> =
            std::iter::repeat_with(free_port).take(self.shards).collect::<Result<_>>()?;
        let server = |(at, &port): (usize, &u16)| -> Result<_> {
            let first = self.server();
            let (data_dir, http_port) = match at {
                0 => (first.data_dir, first.http_port),
                _ => (first.data_dir.join(format!("shard-{at}")), free_port()?),
            };
            let tables = first.tables;
            let (tcp_port, shards) = (Some(port), shards.clone());
            Ok(embedded::Plan { data_dir, http_port, is_bare: false, tables, tcp_port, shards })
        };
        shards.iter().enumerate().map(server).collect()
    }

    /// The worker's variable `TABLES`: the embedded server makes them too.
    fn tables(&self) -> &str {
        let tables = self.vars.iter().find(|(name, _)| name == "TABLES");
        tables.map_or("", |(_, value)| value)
    }
}

/// A running stack.
pub struct Stack {
    workerd: Child,
    workerd_plan: workerd::Plan,
    clickhouse: Server,
    /// The other shards.
    others: Vec<Embedded>,
    signals: Signals,
    site_url: String,
    data_dir: PathBuf,
    respawn: bool,
}

/// The ClickHouse in use.
enum Server {
    Embedded(Embedded),
    /// The one that `CLICKHOUSE_URL` names, whose user then plays every role but the page's.
    Own {
        url: String,
        users: Users,
    },
}

impl Server {
    fn url(&self) -> &str {
        match self {
            Self::Embedded(Embedded { url, .. }) | Self::Own { url, .. } => url,
        }
    }

    fn embedded(&mut self) -> Option<&mut Embedded> {
        match self {
            Self::Embedded(server) => Some(server),
            Self::Own { .. } => None,
        }
    }

    fn users(&self) -> &Users {
        match self {
            Self::Embedded(Embedded { users, .. }) | Self::Own { users, .. } => users,
        }
    }
}

impl Stack {
    /// Starts ClickHouse with its tables, then the worker and the site.
    pub fn start(plan: &Plan) -> Result<Self> {
        // From here on a signal waits for `until_told`, so that nothing is left half started.
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
        let site_url = format!("http://127.0.0.1:{}", plan.site_port);

        let step = Step::new("starting ClickHouse");
        let (clickhouse, others) = match own_server(plan.tables())? {
            Some(server) => (server, Vec::new()),
            None => start_servers(&plan.servers()?)?,
        };
        step.done();
        let step = Step::new("starting the worker");
        let workerd_plan = workerd::Plan {
            site_port: plan.site_port,
            worker_vars: worker_vars(plan, &clickhouse),
            site_vars: site_vars(&clickhouse),
            groups_dir: plan.data_dir.join("groups"),
        };
        let workerd = workerd::start(&workerd_plan, &plan.data_dir)?;
        step.done();
        Ok(Self {
            workerd,
            workerd_plan,
            clickhouse,
            others,
            signals,
            site_url,
            data_dir: plan.data_dir.clone(),
            respawn: plan.respawn,
        })
    }

    /// Where the site answers.
    pub fn site_url(&self) -> &str {
        &self.site_url
    }

    /// Waits for SIGINT, SIGTERM or SIGHUP; an error if a child ends by itself, unless it is to be
    /// started again, which `again` is told.
    pub fn until_told(&mut self, again: impl Fn(&Self)) -> Result<()> {
        loop {
            for signal in self.signals.wait() {
                if signal != SIGCHLD {
                    return Ok(());
                }
            }
            if let Some(status) = self.workerd.try_wait()? {
                ended("workerd", status, self.respawn, &self.data_dir)?;
                self.workerd = workerd::start(&self.workerd_plan, &self.data_dir)?;
                again(self);
            }
            let mut is_again = false;
            for server in self.clickhouse.embedded().into_iter().chain(&mut self.others) {
                if let Some(status) = server.child().try_wait()? {
                    ended("ClickHouse", status, self.respawn, &self.data_dir)?;
                    server.restart()?;
                    is_again = true;
                }
            }
            if is_again {
                again(self);
            }
        }
    }

    /// Everything that a test needs to know.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "site": self.site_url,
            "clickhouse": self.clickhouse.url(),
            "database": DATABASE,
            "users": self.clickhouse.users().json(),
            "key": DEMO.0,
            "dataDir": self.data_dir,
            "pids": { "workerd": self.workerd.id() },
        });
        if let Server::Embedded(server) = &self.clickhouse {
            json["pids"]["clickhouse"] = server.pid().into();
            let all = std::iter::once(server).chain(&self.others);
            let shard = |shard: &Embedded| json!({ "clickhouse": shard.url, "pid": shard.pid() });
            json["shards"] = all.map(shard).collect();
        }
        json
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The worker first, so that nothing is on its way to ClickHouse when that one ends.
        process::stop(&mut self.workerd);
    }
}

/// A child's end is an error, unless it is to be started again.
fn ended(name: &str, status: ExitStatus, is_respawned: bool, data_dir: &Path) -> Result<()> {
    if is_respawned {
        return Ok(());
    }
    bail!("{name} ended by itself ({status}); see {}", data_dir.display())
}

/// The first of the servers, and the others.
fn start_servers(plans: &[embedded::Plan]) -> Result<(Server, Vec<Embedded>)> {
    let [first, others @ ..] = plans else { bail!("no server is planned") };
    let server = Embedded::start(first)?;
    let mut started = Vec::new();
    for plan in others {
        // Who may do what on one of them may do it on all.
        std::fs::create_dir_all(&plan.data_dir)?;
        std::fs::copy(first.data_dir.join(users::FILE), plan.data_dir.join(users::FILE))?;
        started.push(Embedded::start(plan)?);
    }
    Ok((Server::Embedded(server), started))
}

fn own_server(tables: &str) -> Result<Option<Server>> {
    let Ok(url) = std::env::var("CLICKHOUSE_URL") else { return Ok(None) };
    let or = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let user =
        User { name: or("CLICKHOUSE_USER", "default"), password: or("CLICKHOUSE_PASSWORD", "") };
    let admin = Client::new(&url).with_user(&user);
    let tables = migrate::tables(tables).map_err(anyhow::Error::msg)?;
    migrate::apply(&admin, Options::default(), &tables, None)
        .with_context(|| format!("cannot use the ClickHouse at {url} (CLICKHOUSE_URL)"))?;
    Ok(Some(Server::Own { url, users: Users::all(&user) }))
}

fn worker_vars(plan: &Plan, server: &Server) -> Vec<(String, String)> {
    let url = plan.worker_clickhouse_url.as_deref().unwrap_or(server.url());
    let users = server.users();
    let ours = [
        ("CLICKHOUSE_URL", url),
        ("CLICKHOUSE_DATABASE", DATABASE),
        ("CLICKHOUSE_INSERT_USER", &users.insert.name),
        ("CLICKHOUSE_INSERT_PASSWORD", &users.insert.password),
        ("CLICKHOUSE_READ_USER", &users.read.name),
        ("CLICKHOUSE_READ_PASSWORD", &users.read.password),
        // Of use to whoever has the admin's key alone, which only a test sets.
        ("CLICKHOUSE_ADMIN_USER", &users.admin.name),
        ("CLICKHOUSE_ADMIN_PASSWORD", &users.admin.password),
        ("SITES", &sites(plan)),
        ("SINK", "group"),
    ];
    let replaced = |name: &str| plan.vars.iter().any(|(theirs, _)| theirs == name);
    ours.iter()
        .filter(|(name, _)| !replaced(name))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain(plan.vars.iter().cloned())
        .collect()
}

fn sites(plan: &Plan) -> String {
    let port = plan.site_port;
    let mut origins = vec![format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
    origins.extend(plan.origins.iter().cloned());
    let mut sites = vec![json!({ "site": DEMO.1, "key": DEMO.0, "origins": origins })];
    sites.extend(plan.sites.iter().cloned());
    Value::from(sites).to_string()
}

/// Only the embedded server has a user whose password a page may see.
fn site_vars(server: &Server) -> Vec<(String, String)> {
    let Server::Embedded(Embedded { url, users: Users { page, .. }, .. }) = server else {
        return Vec::new();
    };
    [
        ("CLICKHOUSE_PUBLIC_URL", url.as_str()),
        ("PAGE_DATABASE", DATABASE),
        ("PAGE_USER", &page.name),
        ("PAGE_PASSWORD", &page.password),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            site_port: 8787,
            clickhouse_port: 18123,
            data_dir: PathBuf::new(),
            worker_clickhouse_url: None,
            origins: vec!["http://other.test".to_owned()],
            sites: vec![json!({ "site": "b", "key": "k", "origins": ["*"] })],
            vars: vec![("CLICKHOUSE_URL".to_owned(), "http://proxy".to_owned())],
            shards: 1,
            respawn: false,
        }
    }

    fn server() -> Server {
        let user = User { name: "u".to_owned(), password: "p".to_owned() };
        Server::Own { url: "http://real".to_owned(), users: Users::all(&user) }
    }

    #[test]
    fn a_given_variable_replaces_ours() {
        let vars = worker_vars(&plan(), &server());
        let urls: Vec<_> = vars.iter().filter(|(name, _)| name == "CLICKHOUSE_URL").collect();
        assert_eq!(urls, [&("CLICKHOUSE_URL".to_owned(), "http://proxy".to_owned())]);
    }

    #[test]
    fn the_demo_key_is_bound_to_the_site_and_the_given_origins() {
        let sites: Value = serde_json::from_str(&sites(&plan())).unwrap();
        let expected = ["http://127.0.0.1:8787", "http://localhost:8787", "http://other.test"];
        assert_eq!(sites[0]["origins"], json!(expected));
        assert_eq!(sites[1]["key"], "k");
    }

    #[test]
    fn a_foreign_server_has_no_user_for_pages() {
        assert_eq!(site_vars(&server()), []);
    }
}
