//! The worker's real core, configured as a deployment would be.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tallymark_worker::worker::Worker;

use crate::insert::SITES;

/// The origin of every page of a run.
pub const ORIGIN: &str = "https://e.example";

/// One deployment's configuration, as far as deployments differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// `BODY_BYTES`.
    pub cap_bytes: usize,
    /// Deployed without the sites' keys.
    pub is_keyless: bool,
}

/// A site's write key.
pub fn key(site: usize) -> &'static str {
    ["pk_0", "pk_1"][site]
}

impl Deployment {
    /// Its worker. Made once a thread: the queries are parsed with it.
    pub fn worker(self) -> Rc<Worker> {
        thread_local! {
            static WORKERS: RefCell<HashMap<Deployment, Rc<Worker>>> = RefCell::default();
        }
        WORKERS.with_borrow_mut(|workers| {
            Rc::clone(workers.entry(self).or_insert_with(|| Rc::new(self.made())))
        })
    }

    fn made(self) -> Worker {
        let of_site = |(number, name): (usize, &&str)| {
            let key =
                if self.is_keyless { format!("pk_other_{number}") } else { key(number).into() };
            serde_json::json!({ "site": name, "key": key, "origins": [ORIGIN] })
        };
        let sites: Vec<_> = SITES.iter().enumerate().map(of_site).collect();
        let environment = serde_json::json!({
            "CLICKHOUSE_URL": "http://clickhouse.example:8123",
            "CLICKHOUSE_INSERT_USER": "writer",
            "CLICKHOUSE_READ_USER": "reader",
            "SITES": serde_json::to_string(&sites).unwrap(),
            "BODY_BYTES": self.cap_bytes,
        });
        Worker::new(&serde_json::from_value(environment).unwrap(), [1, 2, 3, 4])
    }
}
