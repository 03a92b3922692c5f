//! The tracker: a state machine that joins buffer, flush timer, session, retry and outbox.
//!
//! Nothing happens here by itself. A shell says what happened (`handle_*`) and asks what to do
//! ([`Tracker::poll_output`]) until it is told to wait. Calling too early is harmless.

mod storing;

pub use storing::Found;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::answer::{Answer, Receiver, Verdict};
use crate::buffer::{Buffer, PageContext};
use crate::destination::Target;
use crate::error::DropReason;
use crate::event::{Event, Page};
use crate::flush::FlushTimer;
use crate::journal::{Journal, RecordKey, Saved, StoreId};
use crate::limits::{
    BATCH_AGE_MS, BLOCK_ROWS, FLUSH_TRIES, MAX_BYTES, REQUESTS_AT_LEAVE, REQUESTS_IN_FLIGHT,
    SQUEEZED_BYTES, WAITING_BYTES,
};
use crate::outbox::{Batch, Entry, Hold, Outbox, SendId};
use crate::pending::{Fate, FlushId, FlushResult, PendingFlushes};
use crate::retry::Retry;
use crate::rng::{Rng, Uuid};
use crate::session::Session;
use crate::stats::Stats;
use crate::time::{Now, TickMs, UnixMs};

/// What a tracker is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where batches go.
    pub target: Target,
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
    /// Bytes in the browser's storage: default 524,288; 0 is no journal. Over it the oldest batch
    /// goes.
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
    pub const fn new(target: Target) -> Self {
        Self {
            target,
            max_rows: 500,
            max_bytes: 56_000,
            max_time_ms: 10_000,
            max_waiting_rows: 20_000,
            on_failure: OnFailure::Persist,
            journal_bytes: 524_288,
        }
    }
}

/// What the shell is asked to do, or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Post the bytes of [`Tracker::body`], then call [`Tracker::handle_answer`].
    Send(Send),
    /// Cut [`Tracker::block`] in two, as [`in_two`](crate::split::in_two) does, then call
    /// [`Tracker::handle_split`].
    Split(Uuid),
    /// Something that somebody may want to know.
    Report(Report),
    /// Take the Web Lock of this journal and open the database, then call
    /// [`Tracker::handle_opened`]. This and the next four come only with a journal.
    Open(Uuid),
    /// Write [`Tracker::record`], behind all that was asked for before, then call
    /// [`Tracker::handle_stored`].
    Store(Store),
    /// Delete the record, behind all that was asked for before.
    Forget(RecordKey),
    /// Look for journals whose lock nobody holds, take the lock of one, if nobody else does first,
    /// and call [`Tracker::handle_orphan`] with each of its records; go on to the next until one
    /// had something for this page. Then call [`Tracker::handle_adopted`].
    Adopt,
    /// Let go of all locks.
    Release,
    /// Nothing more to do now. Call [`Tracker::handle_timeout`] at that tick, unless it is
    /// [`TickMs::NEVER`]; it replaces every earlier wish.
    Wake(TickMs),
}

/// One request. It may take [`REQUEST_TIMEOUT_MS`](crate::limits::REQUEST_TIMEOUT_MS); then it
/// counts as unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send {
    /// The try, for [`Tracker::body`] and [`Tracker::handle_answer`].
    pub id: SendId,
    /// The batch, for the address.
    pub batch: Uuid,
    /// Its events.
    pub rows: u32,
    /// Whether the request may outlive the page.
    pub keepalive: bool,
    /// Whether the body is worth being compressed on its way: not when the page goes, for that
    /// takes a moment. If it goes meanwhile, the body has to leave at once, as it is.
    pub squeeze: bool,
}

/// One write into the browser's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// For [`Tracker::handle_stored`].
    pub id: StoreId,
    /// Where, and for [`Tracker::record`] what.
    pub key: RecordKey,
    /// Whether it is worth being compressed afterwards.
    pub squeeze: bool,
}

/// Something that somebody may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
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
    /// The batch's id is drawn when it opens, at its first row.
    buffer: Buffer,
    /// What is known of the open buffer's record.
    buffer_saved: Saved,
    /// When the open buffer's record is due.
    write_at: TickMs,
    timer: FlushTimer,
    is_shut_down: bool,
    outbox: Outbox,
    retry: Retry,
    flushes: PendingFlushes,
    stats: Stats,
    journal: Journal,
    /// When storage that has been asked counts as failing.
    stored_by: TickMs,
    /// When to look for orphans next; never while the shell does.
    adopt_at: TickMs,
    /// Whether somebody holds a journal with records, so that it is worth looking by itself.
    is_orphan_likely: bool,
    /// What [`Tracker::poll_output`] gives out first.
    reports: Vec<Report>,
    /// Records to be deleted.
    forgotten: Vec<RecordKey>,
    now: Now,
    /// Whether the limits have been looked at since something happened.
    is_tidy: bool,
    /// Whether the page goes: what is sent has to outlive it.
    is_leaving: bool,
}

impl Tracker {
    /// A tracker on its first page view. Numbers of `config` beyond their bounds are brought back to
    /// them: refusing them is the shell's part, by the option's name.
    #[must_use]
    pub fn new(mut config: Config, seed: [u64; 4], now: Now, page: &Page<'_>) -> Self {
        let mut rng = Rng::new(seed);
        config.max_rows = config.max_rows.clamp(1, BLOCK_ROWS as u32);
        config.max_bytes = config.max_bytes.min(MAX_BYTES as u32);
        config.max_waiting_rows = config.max_waiting_rows.max(config.max_rows);
        let mut journal = Journal::default();
        if config.on_failure == OnFailure::Persist && config.journal_bytes > 0 {
            journal.reopen(rng.uuid_v7(now.wall));
        }
        let session = Session::begin(now.wall, &mut rng);
        let page = PageContext::new(rng.uuid_v7(now.wall), page);
        Self {
            session,
            buffer: Buffer::new(page),
            buffer_saved: Saved::No,
            write_at: TickMs::NEVER,
            timer: FlushTimer::new(now.tick, u64::from(config.max_time_ms)),
            is_shut_down: false,
            outbox: Outbox::default(),
            retry: Retry::default(),
            flushes: PendingFlushes::default(),
            stats: Stats::default(),
            journal,
            stored_by: TickMs::NEVER,
            adopt_at: now.tick,
            is_orphan_likely: false,
            reports: Vec::new(),
            forgotten: Vec::new(),
            now,
            is_tidy: false,
            is_leaving: false,
            rng,
            config,
        }
    }

    /// A new page view begins: a new page id, and `seq` from 0.
    pub fn handle_page(&mut self, now: Now, page: &Page<'_>) {
        self.observe(now);
        self.buffer.turn_page(PageContext::new(self.rng.uuid_v7(now.wall), page));
    }

    /// Another page of the site has seen its last event at `last_event`, in the session `id`: the
    /// page goes on with that one if its own is older.
    pub fn handle_session(&mut self, id: Uuid, last_event: UnixMs) {
        self.session.join(id, last_event);
    }

    /// The id of the session that the last event was in.
    #[must_use]
    pub const fn session_id(&self) -> Uuid {
        self.session.id()
    }

    /// One event. At `max_rows`, this event included, the buffer is sealed and sent.
    ///
    /// # Errors
    ///
    /// [`DropReason::INVALID`] when a field breaks its bound or the event alone is larger than
    /// `max_bytes`; it is counted, and nothing else changes.
    pub fn handle_event(&mut self, now: Now, event: &Event<'_>) -> Result<(), DropReason> {
        self.observe(now);
        self.stats.tracked += 1;
        if let Err(reason) = self.append(event) {
            self.count_dropped(None, reason, 1);
            return Err(reason);
        }
        self.note_unwritten();
        if self.buffer.rows() >= self.config.max_rows {
            self.seal();
        }
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
        self.retry.hurry();
        self.flushes.begin(&self.outbox)
    }

    /// The page hides: what is open is sealed, stored and sent at once, to outlive the page. What
    /// the browser's allowance has no room for stays, in storage if there is one.
    pub fn handle_leave(&mut self, now: Now) {
        self.observe(now);
        self.is_leaving = true;
        self.seal();
        self.retry.hurry();
    }

    /// No more ticks: flushes, and from here on only a threshold or a flush sends.
    pub fn handle_shutdown(&mut self, now: Now) -> FlushId {
        self.is_shut_down = true;
        self.handle_flush(now)
    }

    /// The tick that [`Output::Wake`] asked for has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.observe(now);
        if !self.is_shut_down && self.timer.due() <= now.tick {
            self.seal();
        }
        self.write_open();
        self.hand_over();
    }

    /// A request has ended: what becomes of its batch. An answer to a try that is no longer known
    /// changes nothing.
    pub fn handle_answer(&mut self, now: Now, id: SendId, answer: &Answer) -> Option<Outcome> {
        self.observe(now);
        let verdict = answer.verdict(self.config.target.receiver);
        let entry = self.outbox.end(id)?;
        Some(self.settle(entry, verdict))
    }

    /// The halves of a batch, as [`Output::Split`] asked; none if it is of one row. They go on as
    /// batches of their own, whose ids keep its time: the horizon and the partition are the rows',
    /// not the id's.
    pub fn handle_split(&mut self, now: Now, whole: Uuid, mut halves: Vec<Batch>) {
        self.observe(now);
        let Some(entry) = self.outbox.take_oldest(&|entry| entry.batch.id == whole) else { return };
        let is_saved = !entry.saved.is_nothing();
        if halves.is_empty() {
            return self.drop_entry(&entry, DropReason::TOO_LARGE);
        }
        if !self.may_split(&entry) {
            return self.drop_entry(&entry, DropReason::REFUSED_UNCERTAIN);
        }
        self.flushes.note(&entry, Fate::Split);
        let hold = if is_saved { Hold::Strict } else { self.hold() };
        for half in &mut halves {
            let mut batch = core::mem::take(half);
            batch.id = self.rng.uuid_v7(whole.v7_time().unwrap_or(now.wall));
            let mut half = entry.half(batch, hold);
            half.saved = self.to_be_saved(entry.saved);
            self.outbox.push(half);
        }
    }

    /// What to do next; [`Output::Wake`] is always the last of a series. Not inlined into the shell,
    /// where what it returns would be taken to pieces: 102 bytes of brotli.
    #[inline(never)]
    pub fn poll_output(&mut self) -> Output {
        if !self.is_tidy {
            self.is_tidy = true;
            self.tidy();
        }
        if let Some(report) = self.reports.pop() {
            return Output::Report(report);
        }
        if let Some(key) = self.forgotten.pop() {
            return Output::Forget(key);
        }
        if let Some(output) = self.next_store() {
            return output;
        }
        if let Some(whole) = self.outbox.next_to_split() {
            return Output::Split(whole);
        }
        if let Some(output) = self.next_send() {
            return output;
        }
        self.is_leaving = false;
        Output::Wake(self.wake_at())
    }

    /// The bytes that a try sends; empty once it has ended.
    #[must_use]
    pub fn body(&self, id: SendId) -> &[u8] {
        self.outbox.body(id).unwrap_or_default()
    }

    /// The bytes of a batch; empty if it is not there.
    #[must_use]
    pub fn block(&self, batch: Uuid) -> &[u8] {
        self.batches().find(|it| it.id == batch).map_or(&[], |it| it.body.as_slice())
    }

    /// Events that nobody has accepted, refused or dropped yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.outbox.rows() + u64::from(self.buffer.rows())
    }

    /// The sealed batches that wait or are in flight, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.outbox.entries().map(|entry| &entry.batch)
    }

    /// The id under which the open buffer will be sealed, while there is one.
    #[must_use]
    pub fn open_batch(&self) -> Option<Uuid> {
        (!self.buffer.is_empty()).then(|| self.buffer.id())
    }

    /// All counters.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ticks never run backwards: a shell's clock that does is a bug of the shell's.
    fn observe(&mut self, now: Now) {
        debug_assert!(now.tick >= self.now.tick, "ticks run backwards");
        self.now = now;
        self.is_tidy = false;
    }

    fn append(&mut self, event: &Event<'_>) -> Result<(), DropReason> {
        event.check()?;
        let max_bytes = self.config.max_bytes as usize;
        let row_bytes = self.buffer.row_bytes_at_most(event);
        if self.body_bytes() + row_bytes > max_bytes {
            // What the page's texts take is known better after it.
            self.buffer.catch_up();
        }
        if self.body_bytes() + row_bytes > max_bytes {
            self.seal();
        }
        if self.buffer.is_empty() {
            if self.body_bytes() + row_bytes > max_bytes {
                return Err(DropReason::INVALID);
            }
            self.buffer.open(self.rng.uuid_v7(self.now.wall));
            self.timer.arm(self.now.tick);
        }
        let session_id = self.session.touch(event.occurred_at, &mut self.rng);
        self.buffer.push(event, session_id);
        Ok(())
    }

    /// Turns the open buffer into a batch that waits.
    fn seal(&mut self) {
        self.timer.disarm();
        // The record of an open buffer that has all its rows is the batch's already.
        let is_written = core::mem::replace(&mut self.write_at, TickMs::NEVER) == TickMs::NEVER;
        let was_saved = core::mem::take(&mut self.buffer_saved);
        if let Some(batch) = self.buffer.seal(self.config.target.site.as_deref()) {
            let mut entry = Entry::new(batch, self.hold());
            entry.key.journal = self.journal.id();
            entry.saved = self.to_be_saved(was_saved);
            entry.is_rewritten = !was_saved.is_nothing();
            if is_written && was_saved.is_there() {
                (entry.saved, entry.hold) = (was_saved, Hold::Free);
            }
            self.outbox.push(entry);
        }
    }

    /// Keeps every limit; the oldest batch goes first.
    fn tidy(&mut self) {
        self.buffer.catch_up();
        self.note_slow_storage();
        let horizon = self.now.wall.plus_ms(-BATCH_AGE_MS);
        let is_old = |entry: &Entry| entry.batch.id.v7_time().is_none_or(|time| time < horizon);
        self.drop_while(DropReason::TOO_OLD, &is_old, &|_| true);
        // The whole may be in storage instead of its halves: neither may go.
        let is_lost =
            |entry: &Entry| matches!((entry.hold, entry.saved), (Hold::Strict, Saved::Maybe));
        self.drop_while(DropReason::REFUSED_UNCERTAIN, &is_lost, &|_| true);
        self.drop_while(DropReason::QUEUE_FULL, &|_| true, &|tracker| {
            tracker.waiting() > tracker.config.max_waiting_rows.into()
                || tracker.outbox.survey().body_bytes > WAITING_BYTES
        });
        self.drop_while(DropReason::STORAGE_FULL, &|entry| !entry.saved.is_nothing(), &|tracker| {
            tracker.journal_bytes() > tracker.config.journal_bytes as usize
        });
        while let Some(result) = self.flushes.pop_done() {
            self.reports.push(Report::Flushed(result));
        }
    }

    /// Drops the oldest of the batches that are meant, as long as it has to be.
    fn drop_while(
        &mut self,
        reason: DropReason,
        is_meant: &dyn Fn(&Entry) -> bool,
        has_to: &dyn Fn(&Self) -> bool,
    ) {
        while has_to(self)
            && let Some(entry) = self.outbox.take_oldest(is_meant)
        {
            self.drop_entry(&entry, reason);
        }
    }

    /// Begins a try, if one may be begun.
    fn next_send(&mut self) -> Option<Output> {
        let survey = self.outbox.survey();
        if survey.in_flight >= self.most_in_flight() || self.retry.resume_at() > self.now.tick {
            return None;
        }
        let (mut send, first, body_bytes) =
            self.outbox.start_next(self.is_leaving, survey.lasting_bytes)?;
        self.stats.requests += 1;
        self.stats.bytes += body_bytes as u64;
        send.squeeze = !self.is_leaving
            && self.config.target.receiver == Receiver::Worker
            && SQUEEZED_BYTES.contains(&body_bytes);
        if first {
            self.stats.sent += u64::from(send.rows);
        }
        Some(Output::Send(send))
    }

    fn most_in_flight(&self) -> usize {
        if self.retry.is_probing() && (!self.is_leaving || self.journal.is_working()) {
            // With a journal nothing is lost if a receiver that is down is spared at leaving.
            1
        } else if self.is_leaving {
            REQUESTS_AT_LEAVE
        } else {
            REQUESTS_IN_FLIGHT
        }
    }

    /// A try of a batch has ended, which is out of the outbox: what becomes of it.
    fn settle(&mut self, mut entry: Box<Entry>, verdict: Verdict) -> Outcome {
        let reason = match verdict {
            Verdict::Again { retry_after_ms, unanswered } => {
                self.retry.failed(self.now.tick, retry_after_ms, &mut self.rng);
                self.flushes.note(&entry, Fate::Failed);
                entry.unanswered |= unanswered;
                entry.failures = entry.failures.saturating_add(1);
                if self.config.on_failure == OnFailure::Discard && entry.failures >= FLUSH_TRIES {
                    DropReason::DISCARDED
                } else {
                    self.outbox.push(entry);
                    return Outcome::Again;
                }
            }
            Verdict::Accepted => {
                self.retry.answered();
                self.stats.delivered += u64::from(entry.batch.rows);
                self.flushes.note(&entry, Fate::Delivered);
                self.forget(&entry);
                return Outcome::Accepted;
            }
            Verdict::Refused(reason) => {
                self.retry.answered();
                reason
            }
            Verdict::TooLarge => {
                self.retry.answered();
                if self.may_split(&entry) {
                    entry.hold = Hold::Split;
                    self.outbox.push(entry);
                    return Outcome::Again;
                }
                DropReason::REFUSED_UNCERTAIN
            }
        };
        self.drop_entry(&entry, reason);
        Outcome::Refused(reason)
    }

    /// Whether a batch that the receiver finds too large may go on as its halves: only if nothing
    /// of it can have been stored, because no try of it ever went unanswered and nobody else can
    /// have sent it.
    fn may_split(&self, entry: &Entry) -> bool {
        !entry.unanswered && (entry.saved.is_nothing() || self.journal.is_working())
    }

    fn drop_entry(&mut self, entry: &Entry, reason: DropReason) {
        self.flushes.note(entry, Fate::Dropped);
        self.forget(entry);
        self.count_dropped(Some(entry.batch.id), reason, entry.batch.rows);
    }

    fn count_dropped(&mut self, batch: Option<Uuid>, reason: DropReason, rows: u32) {
        self.stats.count_dropped(reason, rows);
        self.reports.push(Report::Dropped { reason, rows, batch });
    }

    fn wake_at(&self) -> TickMs {
        let survey = self.outbox.survey();
        let mut at = self.write_at().min(self.stored_by);
        if !self.is_shut_down {
            at = at.min(self.timer.due());
        }
        if survey.is_ready && survey.in_flight < self.most_in_flight() {
            at = at.min(self.retry.resume_at());
        }
        if self.is_orphan_likely && self.may_adopt() {
            at = at.min(self.adopt_at);
        }
        if self.may_hand_over() { self.now.tick } else { at }
    }

    /// Bytes of the block as it would be sealed now, or a little more.
    fn body_bytes(&self) -> usize {
        self.buffer.body_bytes(self.config.target.site.as_deref())
    }
}
