//! Batches, events and changes: from the body to the store, and its answer.

use super::{Exchange, Request, State, Step, out_of_turn, read};
use crate::answer::Answer;
use crate::batch::Head;
use crate::block;
use crate::cdc::{self, Changes};
use crate::config::Config;
use crate::enrich::{Sender, truncated_ip, whole_ip};
use crate::events::{self, Form, Receipt};
use crate::insert::{self, Found};
use crate::refusal::{Code, Refusal};
use crate::sink::{self, Next};
use crate::sites::caller;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use std::rc::Rc;

/// What is awaited on a batch's way.
#[derive(Debug)]
pub(super) enum Storing {
    /// The body of a batch.
    Batch(Head, Sender),
    /// The body of events as JSON.
    Events(events::Head, Sender),
    /// The body of changes for this site.
    Changes(String),
    /// The shard's answer to a batch.
    Put,
    /// The shard's answer whether it took a batch; what follows if it did not.
    Asked(Box<Next>),
    /// ClickHouse's answer to a look-up; the insert that follows it.
    LookUp(upstream::Request),
    /// ClickHouse's answer to an insert of a batch that its table had already, or had not.
    Insert { known: bool },
}

/// What follows once a batch is durable.
#[derive(Debug)]
pub(super) enum After {
    /// The client is told so.
    Tell,
    /// The client is told which of its events were taken.
    Receipt(Receipt),
    /// The next of these changes is stored.
    Changes(Changes),
}

impl Exchange {
    pub(super) fn begin_batch(
        &mut self,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let head = Head::read(url, request.origin, request.fetch_site, request.now, config)?;
        // A server's own address and place say nothing of whom its events are about.
        let sender = if head.is_server { Sender::default() } else { sender(request, config) };
        self.state = State::Storing(Storing::Batch(head, sender));
        read(request, config.body_bytes)
    }

    pub(super) fn begin_events(
        &mut self,
        form: Form,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let origin = caller(request.origin, request.fetch_site, url);
        // Nothing that could borrow it again runs meanwhile.
        let mut ids = worker.ids.try_borrow_mut().map_err(|_| out_of_turn())?;
        let (key, now) = (request.api_key, request.now);
        let head = events::Head::read(form, url, origin, key, now, config, &mut ids)?;
        self.state = State::Storing(Storing::Events(head, sender(request, config)));
        read(request, config.body_bytes)
    }

    pub(super) fn begin_changes(
        &mut self,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let origin = caller(request.origin, request.fetch_site, url);
        let site = cdc::authorize(url, origin, request.api_key, config)?;
        self.state = State::Storing(Storing::Changes(site));
        read(request, config.body_bytes)
    }

    pub(super) fn body_to_store(&mut self, awaited: Storing, body: &[u8]) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        match awaited {
            Storing::Batch(head, sender) => {
                let block = block::complete(body, &head, head.table, &sender, self.now)?;
                config.tables.check_near(head.table, &block, self.now)?;
                Ok(self.store(sink::next(config, head, block)?))
            }
            Storing::Events(head, sender) => {
                let events::Taken { batch, receipt } =
                    head.take(body, &sender, self.now, config)?;
                let Some((head, block)) = batch else {
                    return Ok(Step::Respond(receipt.answer(self.now)));
                };
                config.tables.check_near(head.table, &block, self.now)?;
                self.after = After::Receipt(receipt);
                Ok(self.store(sink::next(config, head, block)?))
            }
            Storing::Changes(site) => {
                let changes = Changes::read(body, &site, self.now, config)?;
                Ok(self.store_next(config, changes))
            }
            _ => Err(out_of_turn()),
        }
    }

    /// Hands a complete block to the store; its answer comes to [`Exchange::settled`].
    fn store(&mut self, next: Next) -> Step {
        let (state, step) = match next {
            Next::Put(put) => (Storing::Put, Step::Put(put)),
            Next::Ask { asked, then } => (Storing::Asked(then), Step::Ask(asked)),
            Next::Insert(insert) => (Storing::Insert { known: false }, Step::Fetch(insert)),
            Next::LookUp { question, insert } => (Storing::LookUp(insert), Step::Fetch(question)),
        };
        self.state = State::Storing(state);
        step
    }

    /// The shard said `accepted`, `known`, `unknown` or `busy`; `None` when it could not be asked.
    pub fn put(&mut self, taken: Option<&str>) -> Step {
        let State::Storing(awaited) = std::mem::replace(&mut self.state, State::Idle) else {
            return Step::Respond(out_of_turn());
        };
        let answer = match (awaited, taken) {
            (Storing::Asked(then), Some("unknown")) => return self.store(*then),
            (Storing::Put, Some("accepted")) => Answer::accepted(self.now, false),
            (Storing::Put | Storing::Asked(_), Some("known")) => Answer::accepted(self.now, true),
            (Storing::Put, Some("busy")) => {
                Refusal::new(Code::Busy, "too much waits already; send it again, unchanged").into()
            }
            (Storing::Put | Storing::Asked(_), _) => {
                insert::busy("the batch's shard could not be asked")
            }
            _ => out_of_turn(),
        };
        self.settled(answer)
    }

    pub(super) fn upstream_to_store(&mut self, awaited: Storing, outcome: &Outcome) -> Step {
        match awaited {
            Storing::LookUp(insert) => match insert::found(outcome) {
                Ok(Found::Forgotten) => self.settled(Answer::accepted(self.now, true)),
                Ok(found) => {
                    let known = found == Found::Remembered;
                    self.state = State::Storing(Storing::Insert { known });
                    Step::Fetch(insert)
                }
                Err(line) => self.settled(insert::busy(format!("look-up: {line}"))),
            },
            Storing::Insert { known } => self.settled(insert::answer(outcome, self.now, known)),
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn store_next(&mut self, config: &Config, mut changes: Changes) -> Step {
        match changes.next_batch() {
            Some((head, block)) => {
                self.after = After::Changes(changes);
                self.store(sink::one_insert(config, &head, &block))
            }
            None => Step::Respond(changes.answer(self.now)),
        }
    }

    /// The store has answered. A failure ends it: whoever sent changes sends all of them again, and
    /// those that were stored before are known by then.
    fn settled(&mut self, answer: Answer) -> Step {
        let worker = Rc::clone(&self.worker);
        match (std::mem::replace(&mut self.after, After::Tell), worker.config()) {
            (After::Receipt(receipt), _) if answer.status == 202 => {
                Step::Respond(receipt.answer(self.now))
            }
            (After::Changes(changes), Ok(config)) if answer.status == 202 => {
                self.store_next(config, changes)
            }
            _ => Step::Respond(answer),
        }
    }
}

/// Who sent the request, as far as its head tells.
fn sender(request: &Request<'_>, config: &Config) -> Sender {
    let read = if config.stores_whole_ip { whole_ip } else { truncated_ip };
    let ip = request.client_ip.and_then(read);
    let (place, agent) = (request.place.clone().bounded(), request.agent.clone().bounded());
    Sender { ip, place, agent }
}
