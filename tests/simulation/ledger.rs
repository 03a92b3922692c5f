//! What was promised for each event, and whether it was kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use tallymark::error::DropReason;
use tallymark::rng::Uuid;

use crate::browser::PageId;
use crate::clickhouse::{ClickHouse, RowKey};
use crate::insert::rows;
use crate::receiver::Receiver;
use crate::tally::Tally;

/// One event that a tracker took.
#[derive(Debug)]
pub struct Tracked {
    pub page: PageId,
    pub at: u64,
    pub destination: usize,
    /// It has been in storage.
    pub stored: bool,
    /// The last batch it was in.
    pub batch: Option<Uuid>,
    /// One of the batches it was in was dropped.
    pub dropped: bool,
    /// What it tells, if it is a `$dropped`.
    pub told: Option<Told>,
}

/// A total that a page has told: so many of its rows were dropped on this page view until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub view: u32,
    pub reason: DropReason,
    pub total: u32,
}

/// How a page ended, as far as it may excuse a loss.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// Events tracked from then on had no time to be stored.
    pub too_late_from: u64,
    /// Events tracked before this were at the mercy of storage that had failed.
    pub unsafe_before: u64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// By number, from 1,000.
    pub events: Vec<Tracked>,
    batches: HashMap<Uuid, Vec<u64>>,
    dropped: HashSet<Uuid>,
    /// Of each half, the batch that it is a half of.
    wholes: HashMap<Uuid, Uuid>,
    pub deaths: HashMap<PageId, Death>,
    /// Rows of each batch as a page sent it: who adopts an open buffer's record may have fewer.
    rows: HashMap<(PageId, Uuid), u32>,
    /// Rows dropped on each page view, by reason.
    totals: HashMap<(PageId, u32, DropReason), u32>,
}

const FIRST: u64 = 1_000;

impl Ledger {
    pub fn next_number(&self) -> u64 {
        FIRST + self.events.len() as u64
    }

    fn event_mut(&mut self, number: u64) -> Option<&mut Tracked> {
        self.events.get_mut(number.checked_sub(FIRST)? as usize)
    }

    pub fn knows(&self, batch: Uuid) -> bool {
        self.batches.contains_key(&batch)
    }

    /// The event was put into the buffer that will be this batch.
    pub fn join(&mut self, batch: Uuid, number: u64) {
        self.batches.entry(batch).or_default().push(number);
        if let Some(event) = self.event_mut(number) {
            event.batch = Some(batch);
        }
    }

    /// A half of a batch, or a record.
    pub fn note(&mut self, batch: Uuid, body: &[u8], stored: bool) {
        let numbers: Vec<u64> = rows(body).unwrap().iter().map(|row| row.event).collect();
        let is_dropped = self.dropped.contains(&batch);
        for &number in &numbers {
            if let Some(event) = self.event_mut(number) {
                event.stored |= stored;
                event.batch = Some(batch);
                event.dropped |= is_dropped;
            }
        }
        self.batches.entry(batch).or_insert(numbers);
    }

    pub fn drop_batch(&mut self, batch: Uuid) {
        self.dropped.insert(batch);
        for number in self.batches.get(&batch).cloned().unwrap_or_default() {
            if let Some(event) = self.event_mut(number) {
                event.dropped = true;
            }
        }
    }

    /// The rows of a block were set aside for people to look at: they may be missing, and no more.
    pub fn set_aside(&mut self, body: &[u8], tally: &mut Tally) {
        for row in rows(body).unwrap() {
            if let Some(event) = self.event_mut(row.event) {
                event.dropped = true;
                tally.count("event set aside");
            }
        }
    }

    /// A batch is sent with so many rows.
    pub fn sealed(&mut self, page: PageId, batch: Uuid, rows: u32) {
        self.rows.insert((page, batch), rows);
    }

    /// The rows of a batch that a page has sent; it is settled now.
    pub fn settled(&mut self, page: PageId, batch: Uuid) -> Option<u32> {
        self.rows.remove(&(page, batch))
    }

    /// Rows were dropped on this page view.
    pub fn count_dropped(&mut self, page: PageId, view: u32, reason: DropReason, rows: u32) {
        *self.totals.entry((page, view, reason)).or_default() += rows;
    }

    /// These are halves of a batch that its receiver finds too large.
    pub fn split(&mut self, whole: Uuid, half: Uuid) {
        self.wholes.insert(half, whole);
    }

    /// Whether the receiver has given reason to drop the batch, or its whole.
    pub fn is_refused(&self, batch: Uuid, status: u16, receiver: &Receiver) -> bool {
        let said = |batch| receiver.said.contains(&(batch, status));
        said(batch) || self.wholes.get(&batch).is_some_and(|whole| said(*whole))
    }

    /// Holds both tables against what was tracked.
    pub fn check(&self, receiver: &Receiver, tally: &mut Tally) -> Result<(), String> {
        let mut found = vec![0_u32; self.events.len()];
        let tables = &receiver.server.tables;
        self.check_rollup(tables, &receiver.server.uncounted, tally)?;
        for (row, &times) in tables.rows() {
            if times != 1 {
                let event = self.events.get(row.event.saturating_sub(FIRST) as usize);
                return Err(format!("{row:?} is in the table {times} times: {event:?}"));
            }
            self.check_row(row, &mut found)?;
        }
        for (event, found) in self.events.iter().zip(&found) {
            match found {
                0 if event.dropped => tally.count("event dropped for a reason"),
                0 => self.excuse(event, tally)?,
                1 => tally.count("event in the table"),
                more => return Err(format!("an event is in the table {more} times: {event:?}")),
            }
        }
        self.check_totals(&found, tally)
    }

    /// The rollup has counted each row of the table once. One that was given up may be missing: a
    /// view that failed is made good by a retry, and there was none, or it came too late.
    fn check_rollup(
        &self,
        table: &ClickHouse,
        uncounted: &BTreeSet<Uuid>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        for (row, times) in table.counted() {
            if *times != 1 || !table.rows().contains_key(row) {
                let event = self.events.get(row.event.saturating_sub(FIRST) as usize);
                return Err(format!("the rollup counted {row:?} {times} times: {event:?}"));
            }
        }
        for row in table.rows().keys().filter(|row| !table.counted().contains_key(row)) {
            let event = row.event.checked_sub(FIRST).and_then(|at| self.events.get(at as usize));
            let is_late = |batch: Option<Uuid>| batch.is_some_and(|it| uncounted.contains(&it));
            if let Some(event) = event.filter(|event| !event.dropped && !is_late(event.batch)) {
                self.excuse(event, &mut Tally::default())
                    .map_err(|why| format!("the rollup did not count {row:?}: {why}"))?;
            }
            tally.count("row given up after the table took it and the rollup did not");
        }
        Ok(())
    }

    fn check_row(&self, row: &RowKey, found: &mut [u32]) -> Result<(), String> {
        let at = row.event.checked_sub(FIRST).map(|at| at as usize);
        let event = at.and_then(|at| self.events.get(at)).ok_or("a row that nobody tracked")?;
        if event.destination != row.site {
            return Err(format!("an event went elsewhere: {event:?}"));
        }
        if row.total != event.told.map_or(0, |told| told.total) {
            return Err(format!("{row:?} has another total than {event:?}"));
        }
        found[at.unwrap_or_default()] += 1;
        Ok(())
    }

    /// What the tables say was dropped on a page view, the greatest total by reason, is what was
    /// dropped; less only where the last total was lost, or has not been told.
    fn check_totals(&self, found: &[u32], tally: &mut Tally) -> Result<(), String> {
        let mut last: HashMap<(PageId, u32, DropReason), (u32, bool)> = HashMap::new();
        let mut in_table: HashMap<(PageId, u32, DropReason), u32> = HashMap::new();
        for (event, found) in self.events.iter().zip(found) {
            let Some(Told { view, reason, total }) = event.told else { continue };
            let of = (event.page, view, reason);
            last.insert(of, (total, *found > 0));
            if *found > 0 {
                let greatest = in_table.entry(of).or_default();
                *greatest = total.max(*greatest);
            }
        }
        for (of, &dropped) in &self.totals {
            let (told, arrived) = last.get(of).copied().unwrap_or_default();
            let stored = in_table.get(of).copied().unwrap_or_default();
            if stored > dropped || told > dropped || arrived && stored != told {
                return Err(format!("{of:?}: {dropped} dropped, {told} told, {stored} stored"));
            }
            tally.count(match stored {
                stored if stored == dropped => "total of drops as it was in the end",
                _ => "total of drops lost, or not told in the end",
            });
        }
        let unknown = last.keys().find(|of| !self.totals.contains_key(of));
        unknown.map_or(Ok(()), |of| Err(format!("{of:?}: a total of nothing was told")))
    }

    fn excuse(&self, event: &Tracked, tally: &mut Tally) -> Result<(), String> {
        let Some(death) = self.deaths.get(&event.page) else {
            return Err(format!("lost by a page that lives: {event:?}"));
        };
        if event.stored {
            return Err(format!("lost although it was stored: {event:?} {death:?}"));
        }
        if event.at >= death.too_late_from {
            tally.count("event tracked just before a crash");
        } else if event.at <= death.unsafe_before {
            tally.count("event lost without storage");
        } else {
            return Err(format!("lost although there was time to store it: {event:?} {death:?}"));
        }
        Ok(())
    }
}
