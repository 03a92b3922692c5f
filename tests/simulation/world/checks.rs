//! What has to hold at every moment of a run, whoever asks.

use std::collections::BTreeSet;

use tallymark::journal::{RECORD_HEAD_BYTES, RecordKey};
use tallymark::limits::{REQUESTS_AT_LEAVE, STORE_TIMEOUT_MS};
use tallymark::outbox::{Batch, SendId};
use tallymark::rng::Uuid;
use tallymark::tracker::Report;

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
        let open_bytes =
            (page.config.max_bytes as usize).min(800 + 120 * page.config.max_rows as usize);
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
            Report::Dropped { reason, batch: Some(batch), .. } => {
                if !self.ledger.is_justified(*batch, *reason, &self.receiver) {
                    self.broken = Some(format!("{id:?}: dropped as {reason:?}, which nobody said"));
                }
                self.tally.count(&reason.name());
                let whole = self.answered.filter(|_| !self.ledger.knows(*batch));
                self.ledger.drop_batch(whole.unwrap_or(*batch));
            }
            Report::Dropped { .. } | Report::Flushed(_) => {}
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
