//! The worker, in front of it whatever may fail, and behind it a sink.
//!
//! The worker is the real one: its pure core decides about every request and every answer. What it
//! asks of ClickHouse goes to the model.

use std::collections::{BTreeMap, HashSet, VecDeque};

use tallymark::rng::Uuid;
use tallymark::time::{Now, UnixMs};
use tallymark_worker::answer::Answer;
use tallymark_worker::exchange::{Exchange, Request, Step};

use crate::dice::Dice;
use crate::edge::{Deployment, ORIGIN, SHARDS};
use crate::group::{Around, Group};
use crate::insert;
use crate::server::{Server, Weakness};
use crate::tally::Tally;

/// A whole HTTP answer, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    None,
    Http { status: u16, body: String, retry_after_s: Option<u32> },
}

impl Reply {
    pub fn http(status: u16, body: &str) -> Self {
        Self::Http { status, body: body.into(), retry_after_s: None }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let retry_after = answer.headers.iter().find(|(name, _)| *name == "retry-after");
        Self::Http {
            status: answer.status,
            body: String::from_utf8(answer.body).unwrap(),
            retry_after_s: retry_after.map(|(_, seconds)| seconds.parse().unwrap()),
        }
    }
}

/// How the worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    Up,
    Down,
    /// The platform in front of it lets little through, in the worker's name.
    RateLimits,
}

/// A request that has come in, by a number that its sender gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(pub u64);

/// What the receiver said for good about a batch, for the ledger to hold drops against.
pub type Said = Vec<(Uuid, u16)>;

/// Where the worker's batches go.
#[derive(Debug)]
pub enum Sink {
    /// One insert a batch.
    Direct,
    /// Through the shards' objects.
    Group(Box<Group>),
}

#[derive(Debug)]
pub struct Receiver {
    pub worker: Worker,
    pub deployment: Deployment,
    pub server: Server,
    sink: Sink,
    /// The addresses of calls that wait for a shard.
    urls: BTreeMap<Call, String>,
    pub said: Said,
    /// What the worker did that no worker may do.
    pub broken: Option<String>,
    replies: VecDeque<(Call, Reply)>,
}

impl Receiver {
    pub fn new(
        mutant: &str,
        is_grouped: bool,
        now: Now,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Self {
        let deployment =
            Deployment { cap_bytes: 1_000_000, is_keyless: false, is_grouped, shards: SHARDS };
        let mut server = Server::new(Weakness::of(mutant));
        let sink = if is_grouped {
            let mut group = Group::new(
                deployment.worker(),
                &mut Around { now, server: &mut server, dice, tally },
            );
            group.routes_by_session = mutant == "routes_by_session";
            group.has_fresh_tokens = mutant == "fresh_token_a_try";
            group.tells_before_sync = mutant == "tells_before_sync";
            group.forgets_keys = mutant == "keys_forgotten_at_a_start";
            Sink::Group(Box::new(group))
        } else {
            Sink::Direct
        };
        Self {
            worker: Worker::Up,
            deployment,
            server,
            sink,
            urls: BTreeMap::new(),
            said: Vec::new(),
            broken: None,
            replies: VecDeque::new(),
        }
    }

    pub fn heal(&mut self, now: Now, dice: &mut Dice, tally: &mut Tally) {
        self.worker = Worker::Up;
        self.deployment.is_keyless = false;
        self.server.heal();
        self.set_disk_fails(false);
        if self.deployment.shards != SHARDS {
            self.deploy_shards(SHARDS, now, dice, tally);
        }
    }

    /// The shards' disks begin or cease to fail.
    pub fn set_disk_fails(&mut self, fails: bool) {
        if let Sink::Group(group) = &mut self.sink {
            group.disk_fails = fails;
        }
    }

    /// Somebody has what was set aside tried again.
    pub fn replay(&mut self, now: Now, dice: &mut Dice, tally: &mut Tally) {
        if let Sink::Group(group) = &mut self.sink {
            group.replay(&mut Around { now, server: &mut self.server, dice, tally });
            self.settle_puts(tally);
        }
    }

    /// Somebody deploys with another `GROUP_SHARDS`.
    pub fn deploy_shards(&mut self, shards: u32, now: Now, dice: &mut Dice, tally: &mut Tally) {
        self.deployment.shards = shards;
        if let Sink::Group(group) = &mut self.sink {
            group.redeploy(shards, &mut Around { now, server: &mut self.server, dice, tally });
            self.settle_puts(tally);
        }
    }

    /// One request as it arrives. Its reply comes out of [`Receiver::take_reply`], now or later.
    pub fn post(
        &mut self,
        call: Call,
        url: &str,
        body: &[u8],
        now: Now,
        dice: &mut Dice,
        tally: &mut Tally,
    ) {
        if self.worker == Worker::Down {
            tally.count("request to a worker that is down");
            let is_silent = dice.chance(50);
            let bad_gateway = Reply::http(502, "<html>bad gateway");
            self.replies.push_back((call, if is_silent { Reply::None } else { bad_gateway }));
            return;
        }
        if self.worker == Worker::RateLimits && dice.chance(70) {
            let body = r#"{"code":"rate_limited","message":"because"}"#.into();
            let retry_after_s = Some(dice.between(0, 5) as u32);
            tally.count("answer: rate limited");
            self.replies.push_back((call, Reply::Http { status: 429, body, retry_after_s }));
            return;
        }
        let mut exchange = Exchange::new(self.deployment.worker());
        let mut step = exchange.begin(&Request {
            method: "POST",
            url,
            origin: Some(ORIGIN),
            content_length: Some(body.len()),
            now: now.wall,
            ..Request::default()
        });
        loop {
            step = match step {
                Step::Read { cap_bytes, .. } if body.len() > cap_bytes => exchange.too_large(),
                Step::Read { .. } => exchange.body(body),
                Step::Fetch(request) => {
                    let outcome = self.server.fetch(&request, body, now, dice, tally);
                    exchange.upstream(&outcome)
                }
                Step::Put(put) => {
                    let Sink::Group(group) = &mut self.sink else {
                        self.broken = Some("a put without a group-maker".into());
                        return;
                    };
                    self.urls.insert(call, url.into());
                    let around = &mut Around { now, server: &mut self.server, dice, tally };
                    group.put(call, exchange, &put, around);
                    return self.settle_puts(tally);
                }
                Step::Respond(answer) => return self.answered(call, url, answer, tally),
                other => {
                    self.broken = Some(format!("the worker asks for {other:?}"));
                    return;
                }
            };
        }
    }

    /// Calls that a shard has answered.
    fn settle_puts(&mut self, tally: &mut Tally) {
        while let Sink::Group(group) = &mut self.sink
            && let Some((call, step)) = group.take_reply()
        {
            let url = self.urls.remove(&call).unwrap_or_default();
            match step {
                Step::Respond(answer) => self.answered(call, &url, answer, tally),
                other => self.broken = Some(format!("the worker asks for {other:?} after a put")),
            }
        }
    }

    fn answered(&mut self, call: Call, url: &str, answer: Answer, tally: &mut Tally) {
        match answer.status {
            413 => tally.count("answer: too large"),
            503 => tally.count("answer: busy"),
            _ => {}
        }
        if let Some(batch) = Uuid::parse(insert::parameter(url, "id").as_bytes())
            && (400..429).contains(&answer.status)
        {
            self.said.push((batch, answer.status));
        }
        self.replies.push_back((call, answer.into()));
    }

    /// A reply that has been given.
    pub fn take_reply(&mut self) -> Option<(Call, Reply)> {
        self.replies.pop_front()
    }

    /// When [`Receiver::handle_timeout`] has something to do.
    pub fn due(&self, now: Now) -> Option<u64> {
        let of_group = match &self.sink {
            Sink::Group(group) => group.due(now),
            Sink::Direct => None,
        };
        self.server.due().into_iter().chain(of_group).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now, dice: &mut Dice, tally: &mut Tally) {
        self.server.handle_timeout(now, tally);
        if let Sink::Group(group) = &mut self.sink {
            group.handle_timeout(&mut Around { now, server: &mut self.server, dice, tally });
            self.settle_puts(tally);
        }
    }

    /// The process of a shard ends, and another starts.
    pub fn restart(&mut self, now: Now, dice: &mut Dice, tally: &mut Tally) {
        if let Sink::Group(group) = &mut self.sink {
            group.crash(&mut Around { now, server: &mut self.server, dice, tally });
            self.settle_puts(tally);
        }
    }

    /// The groups that wait for people, each with its blocks.
    pub fn set_aside(&self) -> Vec<(Uuid, Vec<Vec<u8>>)> {
        match &self.sink {
            Sink::Group(group) => group.set_aside(),
            Sink::Direct => Vec::new(),
        }
    }

    /// Batches that are acknowledged and not in ClickHouse yet.
    pub fn waiting(&self, now: Now) -> usize {
        match &self.sink {
            Sink::Group(group) => group.waiting(now),
            Sink::Direct => 0,
        }
    }

    /// Other people's inserts push out the tokens of batches this old.
    pub fn forget(&mut self, before: UnixMs) {
        let open = match &mut self.sink {
            Sink::Group(group) => {
                group.rest();
                group.open_groups()
            }
            Sink::Direct => HashSet::new(),
        };
        self.server.forget(before, &open);
    }

    /// What worker or server did that may not be.
    pub fn take_broken(&mut self) -> Option<String> {
        let of_group = match &self.sink {
            Sink::Group(group) => group.broken(),
            Sink::Direct => None,
        };
        self.broken.take().or_else(|| self.server.broken.take()).or(of_group)
    }
}
