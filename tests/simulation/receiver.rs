//! The worker, in front of it whatever may fail, and behind it a sink.
//!
//! The worker is the real one: its pure core decides about every request and every answer. What it
//! asks of ClickHouse goes to the model.

use std::collections::VecDeque;

use tallymark::rng::Uuid;
use tallymark::time::{Now, UnixMs};
use tallymark_worker::answer::Answer;
use tallymark_worker::exchange::{Exchange, Request, Step};

use crate::dice::Dice;
use crate::edge::{Deployment, ORIGIN};
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

#[derive(Debug)]
pub struct Receiver {
    pub worker: Worker,
    pub deployment: Deployment,
    pub server: Server,
    pub said: Said,
    /// What the worker did that no worker may do.
    pub broken: Option<String>,
    replies: VecDeque<(Call, Reply)>,
}

impl Receiver {
    pub fn new(weakness: Weakness) -> Self {
        Self {
            worker: Worker::Up,
            deployment: Deployment { cap_bytes: 1_000_000, is_keyless: false },
            server: Server::new(weakness),
            said: Vec::new(),
            broken: None,
            replies: VecDeque::new(),
        }
    }

    pub fn heal(&mut self) {
        self.worker = Worker::Up;
        self.deployment.is_keyless = false;
        self.server.heal();
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
                Step::Respond(answer) => return self.answered(call, url, answer, tally),
                other => {
                    self.broken = Some(format!("the worker asks for {other:?}"));
                    return;
                }
            };
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
    pub fn due(&self) -> Option<u64> {
        self.server.due()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now, tally: &mut Tally) {
        self.server.handle_timeout(now, tally);
    }

    /// Other people's inserts push out the tokens of batches this old.
    pub fn forget(&mut self, before: UnixMs) {
        self.server.forget(before);
    }

    /// What worker or server did that may not be.
    pub fn take_broken(&mut self) -> Option<String> {
        self.broken.take().or_else(|| self.server.broken.take())
    }
}
