//! The tracker: a state machine that joins buffer, flush timer, session, retry and outbox.
//!
//! Nothing happens here by itself. A shell says what happened (`handle_*`) and asks what to do
//! ([`Tracker::poll_output`]) until it is told to wait. Calling too early is harmless.

mod storing;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::{Answer, Verdict};
use crate::buffer::{Buffer, PageContext, Row, row_bytes_at_most};
use crate::destination::Destination;
use crate::drops::{DROPPED, PageDrops};
use crate::error::{DropReason, Refusal};
use crate::event::{Event, Page};
use crate::flush::FlushTimer;
use crate::journal::{Commit, DestinationId, Journal};
use crate::limits::{
    BATCH_AGE_MS, BLOCK_ROWS, FLUSH_TRIES, MAX_BYTES, REQUEST_TIMEOUT_MS, REQUESTS_AT_LEAVE,
    REQUESTS_IN_FLIGHT, WAITING_BYTES,
};
use crate::outbox::{Batch, Ended, Hold, Outbox, SendId};
use crate::pending::{FlushId, FlushResult, PendingFlushes};
use crate::retry::Retry;
use crate::rng::{Rng, Uuid};
use crate::session::Session;
use crate::split;
use crate::stats::Stats;
use crate::time::{Now, TickMs, UnixMs};

/// What a tracker is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where batches go.
    pub destination: Destination,
    /// The table; default `events`.
    pub table: String,
    /// Rows that fill a batch: default 500, 1 to [`BLOCK_ROWS`].
    pub max_rows: u32,
    /// Bytes of a block that fill a batch: default 56,000, at most [`MAX_BYTES`].
    pub max_bytes: u32,
    /// Milliseconds between two ticks: default 10,000.
    pub max_time_ms: u32,
    /// Rows that may wait in memory: default 20,000. Over it the oldest batch goes.
    pub max_waiting_rows: u32,
    /// What becomes of batches that cannot be delivered now.
    pub on_failure: OnFailure,
    /// Bytes in the browser's storage: 0, the default here, is no journal. Over it the oldest
    /// batch goes.
    pub journal_bytes: u32,
}

/// What becomes of batches that cannot be delivered now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They wait in storage too, and outlive the page. Without storage as `Requeue`.
    #[default]
    Persist,
    /// They wait in memory, in their old place.
    Requeue,
    /// They are dropped after [`FLUSH_TRIES`] tries.
    Discard,
}

impl Config {
    /// The defaults, for a destination.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            table: String::from("events"),
            max_rows: 500,
            max_bytes: 56_000,
            max_time_ms: 10_000,
            max_waiting_rows: 20_000,
            on_failure: OnFailure::Persist,
            journal_bytes: 0,
        }
    }

    fn has_journal(&self) -> bool {
        self.on_failure == OnFailure::Persist && self.journal_bytes > 0
    }
}

/// What the shell is asked to do, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Post the bytes of [`Tracker::body`], then call [`Tracker::handle_answer`].
    Send(Send),
    /// Something that somebody may want to know.
    Report(Report),
    /// Take the Web Lock of this journal and open the database, then call
    /// [`Tracker::handle_opened`]. This and the next three come only with a journal.
    Open(Uuid),
    /// Do these writes in one transaction, begun at once and behind all earlier ones, then call
    /// [`Tracker::handle_committed`].
    Commit(Commit),
    /// Look for journals whose lock nobody holds; take the lock of each, if nobody else does
    /// first, and call [`Tracker::handle_orphans`] with its records.
    Adopt,
    /// Let go of all locks.
    Release,
    /// Nothing more to do now. Call [`Tracker::handle_timeout`] at that tick, if there is one;
    /// it replaces every earlier wish.
    Wake(Option<TickMs>),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The try, for [`Tracker::body`] and [`Tracker::handle_answer`].
    pub id: SendId,
    /// The address to post to.
    pub url: String,
    /// Whether the request may outlive the page.
    pub keepalive: bool,
    /// Milliseconds after which it counts as unanswered.
    pub timeout_ms: u32,
}

/// Something that somebody may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A try of a batch has ended.
    Batch(BatchReport),
    /// A flush has settled.
    Flushed(FlushResult),
    /// Rows were dropped.
    Dropped {
        /// Why.
        reason: DropReason,
        /// How many.
        rows: u32,
        /// The batch they were in, if they had come that far.
        batch: Option<Uuid>,
    },
}

/// One try of one batch, as it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchReport {
    /// The batch.
    pub id: Uuid,
    /// Its events.
    pub rows: u32,
    /// Bytes of its body.
    pub body_bytes: u32,
    /// Milliseconds from request to answer.
    pub elapsed_ms: u32,
    /// The answer's status, 0 for none.
    pub status: u16,
    /// What became of the batch.
    pub outcome: Outcome,
}

/// What became of a batch by one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Accepted,
    /// It will be tried again.
    Again,
    /// It was dropped.
    Refused(DropReason),
}

/// The state machine of one tracker on one page, for one table.
#[derive(Debug)]
pub struct Tracker {
    config: Config,
    rng: Rng,
    session: Session,
    page: PageContext,
    next_seq: u32,
    /// The open buffer; `None` while no event waits in it. Its id is drawn when it opens.
    open: Option<Buffer>,
    timer: FlushTimer,
    is_shut_down: bool,
    outbox: Outbox,
    retry: Retry,
    flushes: PendingFlushes,
    stats: Stats,
    drops: PageDrops,
    to: DestinationId,
    journal: Journal,
    /// When the open buffer's record is due; `None` while it has all rows.
    write_at: Option<TickMs>,
    /// When to look for orphans next.
    adopt_at: TickMs,
    outputs: VecDeque<Output>,
    last_tick: TickMs,
    /// Whether a batch was sealed since the outbox was last looked through: most events only
    /// append a row, and must not pay for a walk over all that waits.
    has_sealed: bool,
}

impl Tracker {
    /// A tracker on a page of which nothing is known yet. Numbers of `config` beyond their bounds
    /// are brought back to them: refusing them is the shell's part, by the option's name.
    #[must_use]
    pub fn new(config: Config, seed: [u64; 4], now: Now) -> Self {
        let mut rng = Rng::new(seed);
        let config = Config {
            max_rows: config.max_rows.clamp(1, BLOCK_ROWS as u32),
            max_bytes: config.max_bytes.min(MAX_BYTES as u32),
            max_waiting_rows: config.max_waiting_rows.max(config.max_rows),
            ..config
        };
        let to = DestinationId::of(&config.destination, &config.table);
        let mut tracker = Self {
            session: Session::begin(now.wall, &mut rng),
            page: PageContext::new(rng.uuid_v7(now.wall), &Page::default()),
            next_seq: 0,
            open: None,
            timer: FlushTimer::new(now.tick, u64::from(config.max_time_ms)),
            is_shut_down: false,
            outbox: Outbox::default(),
            retry: Retry::default(),
            flushes: PendingFlushes::default(),
            stats: Stats::default(),
            drops: PageDrops::default(),
            to,
            journal: Journal::off(to),
            write_at: None,
            adopt_at: now.tick,
            outputs: VecDeque::new(),
            last_tick: now.tick,
            has_sealed: false,
            rng,
            config,
        };
        if tracker.config.has_journal() {
            tracker.open_journal(now);
        }
        tracker
    }

    /// A new page view begins: a new page id, and `seq` from 0.
    pub fn handle_page(&mut self, now: Now, page: &Page<'_>) {
        self.observe(now);
        self.page = PageContext::new(self.rng.uuid_v7(now.wall), page);
        self.next_seq = 0;
        self.drops.clear();
    }

    /// One event. At `max_rows`, this event included, the buffer is sealed and sent.
    ///
    /// # Errors
    ///
    /// [`DropReason::Invalid`] when a field breaks its bound or the event alone is larger than
    /// `max_bytes`; it is counted, and nothing else changes.
    pub fn handle_event(&mut self, now: Now, event: &Event<'_>) -> Result<(), DropReason> {
        self.observe(now);
        self.stats.tracked += 1;
        if let Err(reason) = self.append(now, event) {
            self.count_dropped(None, reason, 1);
            return Err(reason);
        }
        self.tell_drops(now);
        self.note_unwritten(now.tick);
        if self.open.as_ref().is_some_and(|buffer| buffer.rows() >= self.config.max_rows) {
            self.seal();
        }
        if self.has_sealed {
            self.has_sealed = false;
            self.pump(now);
        }
        self.trim();
        Ok(())
    }

    /// The shell dropped rows before they came here.
    pub fn handle_dropped(&mut self, reason: DropReason, rows: u32) {
        self.stats.tracked += u64::from(rows);
        self.count_dropped(None, reason, rows);
    }

    /// Seals what is open and sends everything now, whatever timer and threshold say. A
    /// [`Report::Flushed`] with the returned id follows when all of it has settled.
    pub fn handle_flush(&mut self, now: Now) -> FlushId {
        self.observe(now);
        self.seal();
        let id = self.flushes.begin(self.outbox.ids().collect());
        self.retry.hurry();
        self.pump(now);
        self.report_flushes();
        id
    }

    /// The page hides: what is open is sealed, stored and sent at once, to outlive the page. What
    /// the browser's allowance has no room for stays, in storage if there is one.
    pub fn handle_leave(&mut self, now: Now) {
        self.observe(now);
        self.seal();
        self.retry.hurry();
        // With a journal nothing is lost if a receiver that is down is spared.
        let most = if self.retry.is_probing() && self.journal.is_working() {
            1
        } else {
            REQUESTS_AT_LEAVE
        };
        self.start_tries(now, most, true);
        self.pump(now);
    }

    /// No more ticks: flushes, and from here on only a threshold or a flush sends.
    pub fn handle_shutdown(&mut self, now: Now) -> FlushId {
        self.is_shut_down = true;
        self.handle_flush(now)
    }

    /// The tick that [`Output::Wake`] asked for has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.observe(now);
        if !self.is_shut_down && self.timer.has_come(now.tick) {
            self.seal();
            self.look_for_orphans(now.tick);
        }
        self.write_open(now.tick);
        if self.outbox.release(now.tick) {
            self.journal.fail();
        }
        self.hand_over();
        self.pump(now);
    }

    /// A request has ended. An answer to a try that is no longer known changes nothing.
    pub fn handle_answer(&mut self, now: Now, id: SendId, answer: &Answer<'_>) {
        self.observe(now);
        let status = match answer {
            Answer::None => 0,
            Answer::Http(response) => response.status,
        };
        let verdict = answer.verdict(self.config.destination.receiver());
        if let Some((ended, outcome)) = self.apply(now, id, verdict) {
            self.outputs.push_back(Output::Report(Report::Batch(BatchReport {
                id: ended.batch,
                rows: ended.rows,
                body_bytes: u32::try_from(ended.body_bytes).unwrap_or(u32::MAX),
                elapsed_ms: u32::try_from(now.tick.since_ms(ended.began)).unwrap_or(u32::MAX),
                status,
                outcome,
            })));
        }
        self.trim();
        self.report_flushes();
        self.pump(now);
    }

    /// What to do next; [`Output::Wake`] is always the last of a series.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        match self.journal.commit() {
            Some(commit) => Output::Commit(commit),
            None => Output::Wake(self.wake_at()),
        }
    }

    /// The bytes that a try sends; empty once it has ended.
    #[must_use]
    pub fn body(&self, id: SendId) -> &[u8] {
        self.outbox.body(id).unwrap_or_default()
    }

    /// Events that nobody has accepted, refused or dropped yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.outbox.rows() + self.open.as_ref().map_or(0, |buffer| u64::from(buffer.rows()))
    }

    /// The sealed batches that wait or are in flight, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.outbox.batches()
    }

    /// The id under which the open buffer will be sealed, while there is one.
    #[must_use]
    pub fn open_batch(&self) -> Option<Uuid> {
        self.open.as_ref().map(Buffer::id)
    }

    /// All counters.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ticks never run backwards: a shell's clock that does is a bug of the shell's.
    fn observe(&mut self, now: Now) {
        debug_assert!(now.tick >= self.last_tick, "ticks run backwards");
        self.last_tick = self.last_tick.max(now.tick);
    }

    fn append(&mut self, now: Now, event: &Event<'_>) -> Result<(), DropReason> {
        event.check()?;
        let max_bytes = self.config.max_bytes as usize;
        let row_bytes = row_bytes_at_most(event, &self.page);
        if self.open.as_ref().is_some_and(|buffer| buffer.body_bytes() + row_bytes > max_bytes) {
            self.seal();
        }
        let buffer = match &mut self.open {
            Some(buffer) => buffer,
            None => {
                let empty = Buffer::open(self.rng.uuid_v7(now.wall), &self.config.destination);
                if empty.body_bytes() + row_bytes > max_bytes {
                    return Err(DropReason::Invalid);
                }
                self.timer.arm(now.tick);
                self.open.insert(empty)
            }
        };
        buffer.push(&Row {
            event,
            page: &self.page,
            session_id: self.session.touch(event.occurred_at, &mut self.rng),
            seq: self.next_seq,
        });
        self.next_seq = self.next_seq.wrapping_add(1);
        Ok(())
    }

    /// Appends the drop counters that have changed, if the open buffer has room; else they are
    /// told with a later event.
    fn tell_drops(&mut self, now: Now) {
        while self.open.as_ref().is_some_and(|buffer| buffer.rows() < self.config.max_rows) {
            let Some((entity_type, rows)) = self.drops.tell() else { return };
            let value = f64::from(rows);
            let event = Event { name: DROPPED, entity_type, value, ..Event::at(now.wall) };
            // One that does not fit into `max_bytes` beside the page's texts is told in stats alone.
            if self.append(now, &event).is_ok() {
                self.stats.tracked += 1;
            }
        }
    }

    /// Turns the open buffer into a batch that waits.
    fn seal(&mut self) {
        self.timer.disarm();
        self.write_at = None;
        if let Some(buffer) = self.open.take() {
            let id = buffer.id();
            self.outbox.push(buffer.seal(), self.hold());
            self.store(id);
            self.has_sealed = true;
        }
    }

    /// Drops the oldest batches until what waits is within its limits.
    fn trim(&mut self) {
        while self.waiting() > u64::from(self.config.max_waiting_rows)
            || self.outbox.bytes() > WAITING_BYTES
        {
            let Some(batch) = self.outbox.drop_oldest() else { break };
            self.drop_batch(batch.id, batch.rows, DropReason::QueueFull);
        }
    }

    /// Begins as many tries as may be under way.
    fn pump(&mut self, now: Now) {
        while let Some(batch) = self.outbox.drop_older_than(now.wall.plus_ms(-BATCH_AGE_MS)) {
            self.drop_batch(batch.id, batch.rows, DropReason::TooOld);
        }
        self.start_tries(now, self.most_in_flight(), false);
    }

    fn start_tries(&mut self, now: Now, most: usize, lasting: bool) {
        while self.outbox.in_flight() < most && self.retry.resume_at() <= now.tick {
            let Some(started) = self.outbox.start_next(now.tick, lasting) else { break };
            self.stats.requests += 1;
            self.stats.bytes += started.body_bytes as u64;
            if started.first {
                self.stats.sent += u64::from(started.rows);
            }
            self.outputs.push_back(Output::Send(Send {
                id: started.send,
                url: self.config.destination.url(&self.config.table, started.batch, now.wall),
                keepalive: started.keepalive,
                timeout_ms: REQUEST_TIMEOUT_MS,
            }));
        }
    }

    fn most_in_flight(&self) -> usize {
        if self.retry.is_probing() { 1 } else { REQUESTS_IN_FLIGHT }
    }

    fn apply(&mut self, now: Now, id: SendId, verdict: Verdict) -> Option<(Ended, Outcome)> {
        match verdict {
            Verdict::Accepted => {
                let (ended, _) = self.outbox.settle(id)?;
                self.retry.answered();
                self.journal.forget(ended.batch);
                self.stats.delivered += u64::from(ended.rows);
                self.flushes.settled(ended.batch, ended.rows, true);
                Some((ended, Outcome::Accepted))
            }
            Verdict::Refused(reason) => self.refuse(id, reason),
            Verdict::TooLarge => self.split(now, id),
            Verdict::Again { retry_after_ms, unanswered } => {
                let ended = self.outbox.wait_again(id, unanswered)?;
                self.retry.failed(now.tick, retry_after_ms, &mut self.rng);
                self.flushes.failed(ended.batch);
                if self.config.on_failure == OnFailure::Discard
                    && ended.failures >= u32::from(FLUSH_TRIES)
                {
                    let batch = self.outbox.take(ended.batch)?;
                    self.drop_batch(batch.id, batch.rows, DropReason::Discarded);
                    return Some((ended, Outcome::Refused(DropReason::Discarded)));
                }
                Some((ended, Outcome::Again))
            }
        }
    }

    /// The receiver finds a batch too large. Nothing of it has been stored if no try of it ever
    /// went unanswered and nobody else can have sent it: then its halves go on as batches of their
    /// own. Their ids keep its time: the horizon and the partition are the rows', not the id's.
    fn split(&mut self, now: Now, id: SendId) -> Option<(Ended, Outcome)> {
        let (ended, batch) = self.outbox.settle(id)?;
        self.retry.answered();
        let is_stored = self.journal.has(ended.batch);
        let halves = split::in_two(&batch.body);
        let reason = match halves {
            None => DropReason::Refused(Refusal::TooLarge),
            _ if ended.unanswered => DropReason::RefusedUncertain,
            _ if is_stored && !self.journal.is_working() => DropReason::RefusedUncertain,
            Some(halves) => {
                let time = ended.batch.v7_time().unwrap_or(now.wall);
                self.go_on_as(ended.batch, time, halves, is_stored);
                return Some((ended, Outcome::Again));
            }
        };
        self.drop_batch(ended.batch, ended.rows, reason);
        Some((ended, Outcome::Refused(reason)))
    }

    fn go_on_as(
        &mut self,
        whole: Uuid,
        time: UnixMs,
        halves: [(u32, Vec<u8>); 2],
        is_stored: bool,
    ) {
        let ids = [(); 2].map(|()| self.rng.uuid_v7(time));
        self.flushes.split(whole, ids);
        self.journal.forget(whole);
        for (id, (rows, body)) in ids.into_iter().zip(halves) {
            let hold = if is_stored { Hold::Strict } else { self.hold() };
            self.outbox.push_half(Batch { id, rows, body }, hold);
            self.store(id);
        }
    }

    fn refuse(&mut self, id: SendId, reason: DropReason) -> Option<(Ended, Outcome)> {
        let (ended, _) = self.outbox.settle(id)?;
        self.retry.answered();
        self.drop_batch(ended.batch, ended.rows, reason);
        Some((ended, Outcome::Refused(reason)))
    }

    fn drop_batch(&mut self, batch: Uuid, rows: u32, reason: DropReason) {
        self.flushes.settled(batch, rows, false);
        self.journal.forget(batch);
        self.count_dropped(Some(batch), reason, rows);
    }

    fn count_dropped(&mut self, batch: Option<Uuid>, reason: DropReason, rows: u32) {
        self.stats.count_dropped(reason, rows);
        self.drops.count(reason, rows);
        self.outputs.push_back(Output::Report(Report::Dropped { reason, rows, batch }));
    }

    fn report_flushes(&mut self) {
        while let Some(result) = self.flushes.pop_done() {
            self.outputs.push_back(Output::Report(Report::Flushed(result)));
        }
    }

    fn wake_at(&self) -> Option<TickMs> {
        let tick = self.timer.due().filter(|_| !self.is_shut_down);
        let may_send = self.outbox.in_flight() < self.most_in_flight();
        let ready = self.outbox.ready_at().filter(|_| may_send);
        let resume = ready.map(|ready| ready.max(self.retry.resume_at()));
        let hand_over = Some(self.last_tick).filter(|_| self.journal.may_hand_over());
        [tick, resume, self.write_at(), hand_over].into_iter().flatten().min()
    }
}
