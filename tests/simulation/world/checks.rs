//! What has to hold at every moment of a run, whoever asks.

use std::collections::BTreeSet;

use tallymark::error::DropReason;
use tallymark::journal::{RECORD_HEAD_BYTES, RecordKey};
use tallymark::limits::{BATCH_AGE_MS, REQUESTS_AT_LEAVE, STORE_TIMEOUT_MS};
use tallymark::outbox::{Batch, SendId};
use tallymark::rng::Uuid;
use tallymark::tracker::{OnFailure, Report};

use super::World;
use super::words::short;
use crate::browser::PageId;
use crate::page::Page;

impl World {
    /// The records in storage. One that was damaged may be another version's, and is left alone for
    /// a day.
    pub(super) fn left(&self) -> Vec<RecordKey> {
        let keys = self.browser.records.keys();
        keys.filter(|key| !self.browser.damaged.contains(key)).copied().collect()
    }

    /// A queue that failed goes on by itself, not at the next event.
    pub(super) fn check_all_sent(&mut self) {
        let waits = |page: &&Page| page.takes_events() && page.tracker.waiting() > 0;
        if let Some(page) = self.pages.iter().find(waits) {
            let waiting = page.tracker.waiting();
            self.broken.get_or_insert(format!("{:?} waits with {waiting} for no reason", page.id));
        }
    }

    pub(super) fn check_limits(&mut self, id: PageId) {
        let page = &self.pages[id.0];
        let in_flight_rows = u64::from(page.config.max_rows) * REQUESTS_AT_LEAVE as u64;
        let most_rows = u64::from(page.config.max_waiting_rows.max(page.config.max_rows));
        // What is in flight, and the open buffer, cannot be let go.
        let open_bytes = (page.config.max_bytes as usize).min(bytes_at_most(page.config.max_rows));
        if page.tracker.waiting() > most_rows + in_flight_rows {
            self.broken = Some(format!("{id:?}: {} rows in memory", page.tracker.waiting()));
        }
        let over = page.tracker.journal_bytes().saturating_sub(page.config.journal_bytes as usize);
        if over > 0 {
            let sent = self.sends.range((id, 0)..=(id, u32::MAX));
            let sent: BTreeSet<Uuid> = sent.map(|(_, batch)| *batch).collect();
            let in_flight = page.tracker.batches().filter(|batch| sent.contains(&batch.id));
            let record_bytes = |batch: &Batch| batch.body.len() + RECORD_HEAD_BYTES + 24;
            if over > open_bytes + in_flight.map(record_bytes).sum::<usize>() {
                self.broken = Some(format!("{id:?}: {over} bytes too many in storage"));
            }
        }
    }

    pub(super) fn report(&mut self, id: PageId, report: &Report) {
        self.tell(|| format!("{id:?} {}", short(report)));
        match report {
            Report::Dropped { reason, batch: Some(batch), rows } => {
                let page = &mut self.pages[id.0];
                page.drops.count(*reason, *rows);
                self.ledger.count_dropped(id, page.view, *reason, *rows);
                if self.ledger.settled(id, *batch).is_some_and(|known| known != *rows) {
                    self.broken = Some(format!("{id:?}: {rows} rows dropped of another batch"));
                }
                if !self.is_reason(id, *batch, *reason) {
                    self.broken = Some(format!("{id:?}: dropped as {reason:?} for no reason"));
                }
                self.tally.count(&reason.name());
                let whole = self.answered.filter(|_| !self.ledger.knows(*batch));
                self.ledger.drop_batch(whole.unwrap_or(*batch));
            }
            Report::Dropped { .. } | Report::Flushed(_) => {}
        }
    }

    /// Whether a page may drop a batch as this. What a limit drops is for [`World::check_drops`].
    fn is_reason(&self, id: PageId, batch: Uuid, reason: DropReason) -> bool {
        let page = &self.pages[id.0];
        let said = |status| self.ledger.is_refused(batch, status, &self.receiver);
        let age_ms = |time| page.now(self.tick, self.slept_ms).wall.since_ms(time);
        match reason {
            DropReason::QUEUE_FULL | DropReason::STORAGE_FULL => true,
            DropReason::TOO_OLD => {
                said(410) || batch.v7_time().is_some_and(|time| age_ms(time) > BATCH_AGE_MS)
            }
            DropReason::TOO_LARGE | DropReason::REFUSED_UNCERTAIN => said(413),
            DropReason::DISCARDED => page.config.on_failure == OnFailure::Discard,
            reason if reason.name() == "refused_bad_block" => {
                said(400) && self.receiver.server.refused.contains(&batch)
            }
            reason => reason.name() == "refused_bad_key" && said(401),
        }
    }

    /// What a limit has dropped had to go: with the last of it the page would still be over. The last
    /// is told first.
    pub(super) fn check_drops(&mut self, id: PageId, reports: &[Report]) {
        let page = &self.pages[id.0];
        let mut rows = page.tracker.waiting();
        let mut bytes = page.tracker.journal_bytes();
        let (mut queue_is_over, mut storage_is_over) = (None, None);
        for report in reports {
            let Report::Dropped { reason, rows: dropped, batch: Some(batch) } = report else {
                continue;
            };
            rows += u64::from(*dropped);
            let record_bytes = self.record_bytes.get(batch).copied().unwrap_or_default();
            bytes += record_bytes.max(bytes_at_most(*dropped));
            if *reason == DropReason::QUEUE_FULL {
                queue_is_over.get_or_insert(rows > page.config.max_waiting_rows.into());
            }
            if *reason == DropReason::STORAGE_FULL {
                storage_is_over.get_or_insert(bytes > page.config.journal_bytes as usize);
            }
        }
        if queue_is_over == Some(false) || storage_is_over == Some(false) {
            self.broken = Some(format!("{id:?}: dropped within the limit: {}", short(&reports)));
        }
    }

    /// Storage that is well has a batch before the network has, but for those sent at leaving.
    pub(super) fn check_stored_before_sent(&mut self, id: PageId, send: SendId, url: &str) {
        let page = &mut self.pages[id.0];
        let batch = url.split("&id=").nth(1).and_then(|rest| Uuid::parse(&rest.as_bytes()[..36]));
        let Some(batch) = batch else { return };
        self.sends.insert((id, send.0), batch);
        let is_well = page.failed_at.is_none() && page.slowest_ms < STORE_TIMEOUT_MS;
        let since = page.storing_since.map_or(u64::MAX, |since| since + STORE_TIMEOUT_MS);
        if self.leaving {
            page.sent_at_leave.push(batch);
        }
        if page.sent_at_leave.contains(&batch)
            || !page.tracker.is_storing()
            || !is_well
            || since > self.tick
        {
            return;
        }
        if !self.browser.were_stored.contains(&batch) {
            self.broken = Some(format!("{id:?}: sent a batch that is not in storage"));
        }
    }
}

/// Bytes of a block of so many of the simulation's events, at most.
const fn bytes_at_most(rows: u32) -> usize {
    800 + 120 * rows as usize
}
