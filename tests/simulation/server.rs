//! ClickHouse's HTTP interface over the model of its tables, with what may go wrong on the way.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tallymark::rng::Uuid;
use tallymark::time::{Now, UnixMs};
use tallymark_worker::upstream::{Outcome, Reply, Request};

use crate::clickhouse::{ClickHouse, Insert, RowKey, Trouble};
use crate::dice::Dice;
use crate::insert::{self, PlacedBy};
use crate::tally::Tally;

/// How ClickHouse is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    /// Nothing listens, or a proxy says so.
    Down,
    /// It has too many parts.
    Refuses,
    /// Its view fails every other time.
    ViewFails,
    /// The worker gives up waiting every other time; what it asked for happens, now or later.
    Slow,
    /// It is replaced by one that is stricter than the worker's check and refuses some rows for good;
    /// the old one still takes every other insert of these, and its answers are lost.
    Strict,
    /// It is killed in the middle of every other insert, and starts again.
    Dies,
}

/// What the tables, or those who made them, leave out when they are a mutant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weakness {
    pub window_on_source_only: bool,
    pub placed_by_corrected_time: bool,
}

impl Weakness {
    pub fn of(mutant: &str) -> Self {
        Self {
            window_on_source_only: mutant == "window_on_source_only",
            placed_by_corrected_time: mutant == "placed_by_corrected_time",
        }
    }
}

#[derive(Debug)]
pub struct Server {
    pub health: Health,
    pub tables: ClickHouse,
    /// What the worker sent that no worker may send.
    pub broken: Option<String>,
    /// Batches that the rollup has not counted and can no longer: their tokens are forgotten.
    pub uncounted: BTreeSet<Uuid>,
    /// Tokens of what it refused for good.
    pub refused: HashSet<Uuid>,
    placed_by: PlacedBy,
    /// Inserts that the worker no longer waits for, by when they happen.
    late: BTreeMap<(u64, u64), Insert>,
    inserts: u64,
}

/// The exception of `throwIf`, standing for any that a view may fail with.
const VIEW_FAILED: &str = "395";
const TOO_MANY_PARTS: &str = "252";
const INCORRECT_DATA: &str = "117";

fn is_poison(event: u64) -> bool {
    event % 29 == 7
}

impl Server {
    pub fn new(weakness: Weakness) -> Self {
        let rollup = if weakness.window_on_source_only { 0 } else { 10_000 };
        let by_time = weakness.placed_by_corrected_time;
        Self {
            health: Health::Up,
            tables: ClickHouse::new(10_000, rollup),
            broken: None,
            uncounted: BTreeSet::new(),
            refused: HashSet::new(),
            placed_by: if by_time { PlacedBy::CorrectedTime } else { PlacedBy::BatchId },
            late: BTreeMap::new(),
            inserts: 0,
        }
    }

    pub fn heal(&mut self) {
        self.health = Health::Up;
    }

    /// A request of the worker's about one batch, made of these bytes of a page.
    pub fn fetch(
        &mut self,
        request: &Request,
        sealed: &[u8],
        now: Now,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Outcome {
        if let Some(batch) = insert::looked_up(request) {
            return self.look_up(batch, dice, tally);
        }
        match insert::read(request, &[], self.placed_by) {
            Ok(insert) => {
                self.check_rows(&insert, sealed);
                self.insert(insert, now, dice, tally)
            }
            Err(why) => self.refuse(why),
        }
    }

    /// An insert of several batches, of blocks of so many bytes.
    pub fn fetch_group(
        &mut self,
        request: &Request,
        blocks: &[usize],
        now: Now,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Outcome {
        match insert::read(request, blocks, self.placed_by) {
            Ok(insert) => self.insert(insert, now, dice, tally),
            Err(why) => self.refuse(why),
        }
    }

    fn refuse(&mut self, why: String) -> Outcome {
        self.broken = Some(why);
        Outcome::Failed
    }

    fn insert(&mut self, insert: Insert, now: Now, dice: &mut Dice, tally: &mut Tally) -> Outcome {
        tally.count("insert");
        match self.health {
            Health::Down if dice.chance(50) => Outcome::Failed,
            Health::Down => Outcome::Answer(Reply {
                status: 502,
                body: b"<html>no upstream".into(),
                ..Reply::default()
            }),
            Health::Refuses => exception(TOO_MANY_PARTS),
            Health::ViewFails if dice.chance(50) => {
                tally.count("insert whose view failed");
                self.tables.insert(&insert, Trouble::InView);
                exception(VIEW_FAILED)
            }
            Health::Strict if insert.rows().any(|row| is_poison(row.event)) => {
                if dice.chance(50) {
                    tally.count("insert whose answer was lost with the old ClickHouse");
                    self.tables.insert(&insert, Trouble::None);
                    return Outcome::TimedOut;
                }
                tally.count("insert refused for good");
                self.refused.insert(insert.token);
                exception(INCORRECT_DATA)
            }
            Health::Slow if dice.chance(50) => {
                tally.count("insert that the worker gave up on");
                self.inserts += 1;
                let when = now.tick.0 + dice.pick(&[0, 500, 20_000]);
                self.late.insert((when, self.inserts), insert);
                Outcome::TimedOut
            }
            Health::Dies if dice.chance(50) => {
                tally.count("insert while ClickHouse was killed");
                let until = [Trouble::None, Trouble::BeforeSource, Trouble::InView];
                self.tables.insert(&insert, dice.pick(&until));
                Outcome::Failed
            }
            _ => {
                self.tables.insert(&insert, Trouble::None);
                Outcome::Answer(Reply { status: 200, has_query_id: true, ..Reply::default() })
            }
        }
    }

    /// What the table has of a batch, and whether its token is remembered.
    fn look_up(&mut self, batch: Uuid, dice: &mut Dice, tally: &mut Tally) -> Outcome {
        tally.count("look-up");
        if self.health == Health::Down || self.health != Health::Up && dice.chance(20) {
            return Outcome::Failed;
        }
        let has = self.tables.has(batch);
        if has.known && !has.counted {
            tally.count("look-up of a batch whose view had failed");
        }
        if has.known && !has.remembered {
            tally.count("look-up of a batch whose token is forgotten");
            self.uncounted.extend((!has.counted).then_some(batch));
        }
        let (known, remembered) = (u8::from(has.known), u8::from(has.remembered));
        let body = format!("{{\"known\":{known},\"remembered\":{remembered}}}\n").into();
        Outcome::Answer(Reply { status: 200, has_query_id: true, body, ..Reply::default() })
    }

    /// What the page sealed is what is inserted, row by row.
    fn check_rows(&mut self, insert: &Insert, sealed: &[u8]) {
        let keys = |row: &RowKey| (row.page, row.seq, row.event);
        let mut posted: Vec<_> =
            insert::rows(sealed).unwrap_or_default().iter().map(keys).collect();
        let mut inserted: Vec<_> = insert.rows().map(keys).collect();
        posted.sort_unstable();
        inserted.sort_unstable();
        if posted != inserted {
            self.broken = Some(format!("{:?} has other rows than its batch", insert.token));
        }
    }

    pub fn due(&self) -> Option<u64> {
        self.late.first_key_value().map(|((tick, _), _)| *tick)
    }

    pub fn handle_timeout(&mut self, now: Now, tally: &mut Tally) {
        while let Some(first) = self.late.first_entry().filter(|it| it.key().0 <= now.tick.0) {
            let insert = first.remove();
            tally.count("insert after the worker gave up on it");
            self.tables.insert(&insert, Trouble::None);
        }
    }

    /// Other people's inserts push out the tokens of this age, but for these: what still waits for
    /// an answer is not that old where the server stood still as long.
    pub fn forget(&mut self, before: UnixMs, but: &HashSet<Uuid>) {
        // They happen long before that.
        for insert in std::mem::take(&mut self.late).into_values() {
            self.tables.insert(&insert, Trouble::None);
        }
        self.tables.forget(before, but);
    }
}

fn exception(code: &str) -> Outcome {
    let body = format!("Code: {code}. DB::Exception: as it is told").into();
    let exception_code = Some(code.into());
    Outcome::Answer(Reply { status: 500, exception_code, has_query_id: true, body })
}
