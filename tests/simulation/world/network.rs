//! The way to the receiver and back: each request's fate is drawn when it begins.

use std::rc::Rc;

use tallymark::destination::Destination;
use tallymark::limits::{BATCH_AGE_MS, REQUEST_TIMEOUT_MS};
use tallymark::tracker::Send;

use super::{Happening, World};
use crate::browser::PageId;
use crate::edge::{self, ORIGIN};
use crate::receiver::Reply;

impl World {
    /// Every connection breaks: what is in the air is lost.
    pub fn break_connections(&mut self) {
        let mut unanswered = Vec::new();
        self.queue.retain(|_, happening| {
            let Happening::Arrive { page, send, answered, .. } = happening else { return true };
            if *answered {
                unanswered.push((*page, *send));
            }
            false
        });
        self.in_the_air = 0;
        unanswered.extend(std::mem::take(&mut self.answers).into_values());
        for (page, send) in unanswered {
            self.after(1_000, Happening::Answer(page, send, Reply::None));
        }
    }

    /// Carries back what the receiver has answered, and sees to it that it is woken.
    pub fn after_receiver(&mut self) {
        while let Some((call, reply)) = self.receiver.take_reply() {
            if let Some((page, send)) = self.answers.remove(&call) {
                self.after(200, Happening::Answer(page, send, reply));
            }
        }
        let due = self.receiver.due(self.server_now());
        let due = due.map_or(u64::MAX, |due| due.max(self.tick + 1));
        if due < self.receiver_due {
            self.receiver_due = due;
            self.at(due, Happening::Receiver);
        }
        if let Some(broken) = self.receiver.take_broken() {
            self.broken = Some(broken);
        }
    }

    /// A request begins: its fate is drawn here.
    pub(super) fn send(&mut self, id: PageId, send: &Send) {
        self.tally.count("request");
        let page = &self.pages[id.0];
        let body: Rc<[u8]> = page.tracker.body(send.id).into();
        let endpoint = ORIGIN.into();
        let key = edge::key(page.destination).into();
        let now = page.now(self.tick, self.slept_ms).wall;
        let url: Rc<str> =
            Destination::Worker { endpoint, key }.url("events", send.batch, now).into();
        self.tell(|| format!("{id:?} sends {}", &url[url.find("&id=").unwrap_or(0)..]));
        self.ledger.sealed(id, send.batch, send.rows);
        self.check_stored_before_sent(id, send.id, &url);
        if send.batch.v7_time().is_some_and(|time| now.since_ms(time) > BATCH_AGE_MS) {
            self.broken =
                Some(format!("{id:?}: sent a batch that its receiver may have forgotten"));
        }
        let arrive = |answered| Happening::Arrive {
            page: id,
            send: send.id,
            url: Rc::clone(&url),
            body: Rc::clone(&body),
            answered,
        };
        if self.is_offline {
            self.tally.count("request without a network");
            return self.after(50, Happening::Answer(id, send.id, Reply::None));
        }
        let wait = self.dice.between(1, 300);
        if !self.dice.chance(self.trouble_percent) {
            self.in_the_air += 1;
            return self.at(self.tick + wait, arrive(true));
        }
        let html = |status| Reply::http(status, "<html>not ours</html>");
        let timed_out = self.tick + u64::from(REQUEST_TIMEOUT_MS);
        match self.dice.below(9) {
            0 => {
                self.tally.count("request lost");
                self.at(self.tick + wait, Happening::Answer(id, send.id, Reply::None));
            }
            1 | 2 => {
                self.tally.count("answer lost");
                self.in_the_air += 1;
                self.at(self.tick + wait, arrive(false));
                let later = self.dice.between(0, 5_000);
                self.at(self.tick + wait + later, Happening::Answer(id, send.id, Reply::None));
            }
            3 => {
                self.tally.count("request sent again by the browser itself");
                self.in_the_air += 2;
                let first = self.dice.between(1, 3_000);
                self.at(self.tick + first, arrive(false));
                self.at(self.tick + wait, arrive(true));
            }
            4 => {
                self.tally.count("request late");
                self.in_the_air += 1;
                let late = self.dice.between(1_000, 40_000);
                self.at(self.tick + late, arrive(false));
                self.at(timed_out, Happening::Answer(id, send.id, Reply::None));
            }
            5 => {
                self.tally.count("answer lost");
                self.in_the_air += 1;
                self.at(self.tick + wait, arrive(false));
                let status = self.dice.pick(&[500, 502, 504]);
                self.at(self.tick + wait + 50, Happening::Answer(id, send.id, html(status)));
            }
            _ => {
                self.tally.count("answer of somebody else's");
                let status = self.dice.pick(&[200, 403, 401, 404, 413, 429, 500, 503]);
                self.at(self.tick + wait, Happening::Answer(id, send.id, html(status)));
            }
        }
    }
}
