//! What goes wrong, one thing at a time.

use tallymark::event::Page as Place;
use tallymark::tracker::Tracker;

use crate::browser::{Mood, PageId};
use crate::page::State;
use crate::receiver::Worker;
use crate::server::Health;
use crate::world::{End, Happening, TABS, World};

impl World {
    /// Draws one fault and lets it happen.
    pub fn fault(&mut self) {
        match self.dice.below(100) {
            0..44 => self.tab_fault(),
            44..56 => self.network_fault(),
            56..70 => self.receiver_fault(),
            70..84 => self.storage_fault(),
            84..87 => self.sleep(),
            87..90 => self.turn_clock(),
            90..92 => self.damage(),
            92..94 => self.destination = 1 - self.destination,
            _ => self.calls(),
        }
    }

    fn some_page(&mut self) -> Option<PageId> {
        let first = self.dice.below(TABS as u64) as usize;
        (0..TABS).find_map(|step| self.tabs[(first + step) % TABS])
    }

    fn tab_fault(&mut self) {
        let Some(id) = self.some_page() else { return };
        if self.pages[id.0].runs() && !self.pages[id.0].takes_events() {
            return;
        }
        match self.pages[id.0].state {
            State::Visible | State::Hidden => match self.dice.below(10) {
                0..4 => self.end(id, End::Crash),
                4 => {
                    self.hide_over(id);
                    self.end(id, End::Close);
                }
                5..7 => {
                    if self.dice.chance(25) {
                        // Its last writes are late, and its last requests refused for now.
                        self.browser.lag_ms = 2_000;
                        self.receiver.worker = Worker::RateLimits;
                    }
                    self.hide_over(id);
                    self.pages[id.0].state = State::Hidden;
                    let soon = self.dice.pick(&[0, 2_000]);
                    self.after(soon, Happening::Cache(id));
                    if self.dice.chance(50) {
                        // Forward to another page in the same tab; back comes later, or never.
                        let destination = self.destination;
                        let tab = self.tabs.iter().position(|page| *page == Some(id));
                        self.open_page(tab.unwrap_or(0), destination, true);
                    }
                }
                7 if self.pages[id.0].state == State::Visible => self.hide(id),
                7 => self.show(id),
                _ => {
                    if self.pages[id.0].state == State::Visible {
                        self.hide(id);
                    }
                    self.freeze(id);
                    self.tally.count("page frozen");
                }
            },
            State::Frozen if self.dice.chance(40) => self.end(id, End::Crash),
            State::Frozen => self.show(id),
            State::Cached if self.dice.chance(30) => self.end(id, End::Close),
            State::Cached => self.restore(id),
            State::Gone => {}
        }
    }

    /// Back out of the bfcache, when somebody else may have sent what it had left.
    pub fn come_back(&mut self, id: PageId) {
        if self.pages[id.0].state == State::Cached {
            self.receiver.worker = Worker::Up;
            self.deploy_cap(&[1_000]);
            self.restore(id);
        }
    }

    /// A deployment with another cap. Not between a request and its twin: a browser sends a request
    /// again within moments.
    fn deploy_cap(&mut self, caps_bytes: &[usize]) {
        if self.in_the_air == 0 {
            self.receiver.deployment.cap_bytes = self.dice.pick(caps_bytes);
        }
    }

    fn network_fault(&mut self) {
        match self.dice.below(3) {
            0 => self.is_offline = !self.is_offline,
            1 => self.trouble_percent = self.dice.pick(&[0, 20, 60, 100]),
            _ => (self.is_offline, self.trouble_percent) = (false, 10),
        }
    }

    fn receiver_fault(&mut self) {
        let now = self.server_now();
        match self.dice.below(14) {
            0..2 => {
                self.receiver.heal(now, &mut self.dice, &mut self.tally);
                self.after_receiver();
            }
            2..4 => self.receiver.worker = Worker::Down,
            4 => self.receiver.worker = Worker::RateLimits,
            5 if self.dice.chance(30) => self.receiver.deployment.is_keyless = true,
            8 => {
                self.receiver.restart(now, &mut self.dice, &mut self.tally);
                self.after_receiver();
            }
            6 => self.receiver.server.health = self.dice.pick(&[Health::Down, Health::Refuses]),
            7 => {
                let healths = [Health::ViewFails, Health::Slow, Health::Dies];
                self.receiver.server.health = self.dice.pick(&healths);
            }
            10 => self.receiver.server.health = Health::Strict,
            11 => self.receiver.set_disk_fails(true),
            9 => {
                let shards = self.dice.pick(&[1, 3]);
                self.receiver.deploy_shards(shards, now, &mut self.dice, &mut self.tally);
                self.after_receiver();
            }
            _ => self.deploy_cap(&[1_000, 1_500, 4_000, 1_000_000]),
        }
    }

    fn storage_fault(&mut self) {
        match self.dice.below(6) {
            0 => self.browser.mood = self.dice.pick(&[Mood::Refuses, Mood::Lies]),
            1 => self.browser.lag_ms = self.dice.pick(&[50, 500, 5_000]),
            _ => (self.browser.mood, self.browser.lag_ms) = (Mood::Well, 5),
        }
    }

    /// The lid is closed for a while: wall clocks go on, nothing else does.
    fn sleep(&mut self) {
        self.break_connections();
        let hours = self.dice.pick(&[1, 8, 23, 26, 30]);
        self.slept_ms += hours * 3_600_000;
        self.tally.count("sleep");
        // Others' inserts take the place of tokens. A batch that its sender takes for a minute old is
        // older by what the clocks of who made it and who sends it differ: at most an hour, and turns.
        let now = self.server_now();
        self.receiver.forget(now.wall.plus_ms(-2 * 3_600_000));
    }

    fn turn_clock(&mut self) {
        let Some(id) = self.some_page() else { return };
        self.pages[id.0].skew_ms += self.dice.below(600_000) as i64 - 300_000;
        self.tally.count("clock turned");
    }

    fn damage(&mut self) {
        let count = self.browser.records.len() as u64;
        let at = self.dice.below(count.max(1)) as usize;
        let Some((key, record)) = self.browser.records.iter_mut().nth(at) else { return };
        let byte = self.dice.below(record.len() as u64) as usize;
        record[byte] ^= 1 << self.dice.below(8);
        self.browser.damaged.insert(*key);
        self.ledger.drop_batch(key.batch);
        self.tally.count("record damaged");
    }

    fn calls(&mut self) {
        let Some(id) = self.some_page().filter(|id| self.pages[id.0].runs()) else { return };
        match self.dice.below(3) {
            0 => {
                self.call(id, Tracker::handle_flush);
            }
            1 => self.call(id, Tracker::handle_timeout),
            _ => {
                let place = Place { pathname: "/next", ..Place::default() };
                self.pages[id.0].drops.clear();
                self.pages[id.0].view += 1;
                self.call(id, |tracker, now| tracker.handle_page(now, &place));
            }
        }
    }
}
