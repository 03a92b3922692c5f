//! The tracker: a state machine that joins buffer, flush timer, session, retry and outbox.
//!
//! Nothing happens here by itself. A shell says what happened (`handle_*`) and asks what to do
//! ([`Tracker::poll_output`]) until it is told to wait. Calling too early is harmless.

use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::{Answer, Verdict};
use crate::buffer::{Buffer, PageContext, Row, row_bytes_at_most};
use crate::destination::Destination;
use crate::error::{DropReason, Refusal};
use crate::event::{Event, Page};
use crate::flush::FlushTimer;
use crate::limits::{BATCH_AGE_MS, BLOCK_ROWS, MAX_BYTES, REQUEST_TIMEOUT_MS, REQUESTS_IN_FLIGHT};
use crate::outbox::{Ended, Outbox, SendId};
use crate::pending::{FlushId, FlushResult, PendingFlushes};
use crate::retry::Retry;
use crate::rng::{Rng, Uuid};
use crate::session::Session;
use crate::stats::Stats;
use crate::time::{Now, TickMs};

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
        }
    }
}

/// What the shell is asked to do, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Post the bytes of [`Tracker::body`], then call [`Tracker::handle_answer`].
    Send(Send),
    /// Something that somebody may want to know.
    Report(Report),
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
    /// The batch's id is drawn when it opens, at its first row.
    buffer: Buffer,
    timer: FlushTimer,
    is_shut_down: bool,
    outbox: Outbox,
    retry: Retry,
    flushes: PendingFlushes,
    stats: Stats,
    /// What [`Tracker::poll_output`] gives out, from `polled` on.
    outputs: Vec<Output>,
    polled: usize,
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
        Self {
            session: Session::begin(now.wall, &mut rng),
            page: PageContext::new(rng.uuid_v7(now.wall), &Page::default()),
            next_seq: 0,
            buffer: Buffer::new(&config.destination),
            timer: FlushTimer::new(now.tick, u64::from(config.max_time_ms)),
            is_shut_down: false,
            outbox: Outbox::default(),
            retry: Retry::default(),
            flushes: PendingFlushes::default(),
            stats: Stats::default(),
            outputs: Vec::new(),
            polled: 0,
            last_tick: now.tick,
            has_sealed: false,
            rng,
            config,
        }
    }

    /// A new page view begins: a new page id, and `seq` from 0.
    pub fn handle_page(&mut self, now: Now, page: &Page<'_>) {
        self.observe(now);
        self.page = PageContext::new(self.rng.uuid_v7(now.wall), page);
        self.next_seq = 0;
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
            self.count_dropped(reason, 1);
            return Err(reason);
        }
        if self.buffer.rows() >= self.config.max_rows {
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
        self.count_dropped(reason, rows);
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

    /// The page hides or goes away: what is open is sealed and sent, to outlive the page.
    pub fn handle_leave(&mut self, now: Now) {
        self.observe(now);
        self.seal();
        self.retry.hurry();
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
        }
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
            self.outputs.push(Output::Report(Report::Batch(BatchReport {
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
        if let Some(output) = self.outputs.get_mut(self.polled) {
            self.polled += 1;
            return core::mem::replace(output, Output::Wake(None));
        }
        self.outputs.clear();
        self.polled = 0;
        Output::Wake(self.wake_at())
    }

    /// The bytes that a try sends; empty once it has ended.
    #[must_use]
    pub fn body(&self, id: SendId) -> &[u8] {
        self.outbox.body(id).unwrap_or_default()
    }

    /// Events that nobody has accepted, refused or dropped yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.outbox.rows() + u64::from(self.buffer.rows())
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
        if self.buffer.body_bytes() + row_bytes > max_bytes {
            self.seal();
        }
        if self.buffer.is_empty() {
            if self.buffer.body_bytes() + row_bytes > max_bytes {
                return Err(DropReason::Invalid);
            }
            self.buffer.open(self.rng.uuid_v7(now.wall));
            self.timer.arm(now.tick);
        }
        self.buffer.push(&Row {
            event,
            page: &self.page,
            session_id: self.session.touch(event.occurred_at, &mut self.rng),
            seq: self.next_seq,
        });
        self.next_seq = self.next_seq.wrapping_add(1);
        Ok(())
    }

    /// Turns the open buffer into a batch that waits.
    fn seal(&mut self) {
        self.timer.disarm();
        if let Some(batch) = self.buffer.seal() {
            self.outbox.push(batch);
            self.has_sealed = true;
        }
    }

    /// Drops the oldest batches until what waits is within its limit.
    fn trim(&mut self) {
        while self.waiting() > u64::from(self.config.max_waiting_rows) {
            let Some(batch) = self.outbox.drop_oldest() else { break };
            self.drop_batch(batch.id, batch.rows, DropReason::QueueFull);
        }
    }

    /// Begins as many tries as may be under way.
    fn pump(&mut self, now: Now) {
        while let Some(batch) = self.outbox.drop_older_than(now.wall.plus_ms(-BATCH_AGE_MS)) {
            self.drop_batch(batch.id, batch.rows, DropReason::TooOld);
        }
        while self.may_send() && self.retry.resume_at() <= now.tick {
            let Some(started) = self.outbox.start_next(now.tick) else { break };
            self.stats.requests += 1;
            self.stats.bytes += started.body_bytes as u64;
            if started.first {
                self.stats.sent += u64::from(started.rows);
            }
            self.outputs.push(Output::Send(Send {
                id: started.send,
                url: self.config.destination.url(&self.config.table, started.batch, now.wall),
                keepalive: started.keepalive,
                timeout_ms: REQUEST_TIMEOUT_MS,
            }));
        }
    }

    fn may_send(&self) -> bool {
        let most = if self.retry.is_probing() { 1 } else { REQUESTS_IN_FLIGHT };
        self.outbox.has_waiting() && self.outbox.in_flight() < most
    }

    fn apply(&mut self, now: Now, id: SendId, verdict: Verdict) -> Option<(Ended, Outcome)> {
        match verdict {
            Verdict::Accepted => {
                let ended = self.outbox.settle(id)?;
                self.retry.answered();
                self.stats.delivered += u64::from(ended.rows);
                self.flushes.settled(ended.batch, ended.rows, true);
                Some((ended, Outcome::Accepted))
            }
            Verdict::Refused(reason) => self.refuse(id, reason),
            Verdict::TooLarge => self.refuse(id, DropReason::Refused(Refusal::TooLarge)),
            Verdict::Again { retry_after_ms, unanswered } => {
                let ended = self.outbox.wait_again(id, unanswered)?;
                self.retry.failed(now.tick, retry_after_ms, &mut self.rng);
                self.flushes.failed(ended.batch);
                Some((ended, Outcome::Again))
            }
        }
    }

    fn refuse(&mut self, id: SendId, reason: DropReason) -> Option<(Ended, Outcome)> {
        let ended = self.outbox.settle(id)?;
        self.retry.answered();
        self.drop_batch(ended.batch, ended.rows, reason);
        Some((ended, Outcome::Refused(reason)))
    }

    fn drop_batch(&mut self, batch: Uuid, rows: u32, reason: DropReason) {
        self.flushes.settled(batch, rows, false);
        self.count_dropped(reason, rows);
    }

    fn count_dropped(&mut self, reason: DropReason, rows: u32) {
        self.stats.count_dropped(reason, rows);
        self.outputs.push(Output::Report(Report::Dropped { reason, rows }));
    }

    fn report_flushes(&mut self) {
        while let Some(result) = self.flushes.pop_done() {
            self.outputs.push(Output::Report(Report::Flushed(result)));
        }
    }

    fn wake_at(&self) -> Option<TickMs> {
        let tick = self.timer.due().filter(|_| !self.is_shut_down);
        let resume = Some(self.retry.resume_at()).filter(|_| self.may_send());
        match (tick, resume) {
            (Some(tick), Some(resume)) => Some(tick.min(resume)),
            (tick, resume) => tick.or(resume),
        }
    }
}
