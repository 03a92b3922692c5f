//! The mutants, each with the sentence of the design (§3) that it leaves out.

/// One way to be wrong.
#[derive(Debug)]
pub struct Mutant {
    pub name: &'static str,
    pub changes: &'static [Change],
    /// What the simulation's own browser or tables leave out.
    pub weakness: &'static str,
}

/// A text that is in a file exactly once, and what stands there instead.
#[derive(Debug)]
pub struct Change {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

const fn change(file: &'static str, from: &'static str, to: &'static str) -> Change {
    Change { file, from, to }
}

const fn code(name: &'static str, changes: &'static [Change]) -> Mutant {
    Mutant { name, changes, weakness: "" }
}

const fn world(name: &'static str) -> Mutant {
    Mutant { name, changes: &[], weakness: name }
}

pub const MUTANTS: &[Mutant] = &[
    // Rule 1: the id is drawn when the buffer opens, and sealed bytes never change.
    code(
        "id_drawn_at_sealing",
        &[change(
            "src/tracker.rs",
            "            let mut entry = Entry::new(batch, self.hold());\n            entry.key.journal",
            "            let id = self.rng.uuid_v7(batch.id.v7_time().unwrap_or_default());\n            \
             let batch = Batch { id, ..batch };\n            \
             let mut entry = Entry::new(batch, self.hold());\n            entry.key.journal",
        )],
    ),
    code(
        "id_changed_on_retry",
        &[change(
            "src/tracker.rs",
            "                entry.unanswered |= unanswered;",
            "                entry.unanswered |= unanswered;\n                entry.batch.id.0[15] ^= 1;",
        )],
    ),
    code(
        "token_is_a_hash_of_what_is_inserted",
        &[change(
            "worker/src/insert.rs",
            "    let token = token.to_string();",
            "    let mut token = token;\n    \
             token.0[10..].copy_from_slice(&crate::xxh64::hash(&body).to_le_bytes()[..6]);\n    \
             let token = token.to_string();",
        )],
    ),
    // Rule 2: stored before sent, the open buffer within 100 ms, and only what is whole and ours
    // believed.
    code(
        "sent_before_stored",
        &[change(
            "src/tracker/storing.rs",
            "if self.journal.is_working() { Hold::Stored } else { Hold::Free }",
            "Hold::Free",
        )],
    ),
    code(
        "open_buffer_not_written",
        &[change(
            "src/tracker/storing.rs",
            "        if !self.buffer.is_empty() && self.journal.is_held() && self.write_at == TickMs::NEVER {",
            "        if false {",
        )],
    ),
    code(
        "only_the_first_burst_written",
        &[change(
            "src/tracker/storing.rs",
            "        if !self.buffer.is_empty() && self.journal.is_held() && self.write_at == TickMs::NEVER {",
            "        if self.buffer_saved.is_nothing() && self.journal.is_held()\n            \
             && !self.buffer.is_empty() && self.write_at == TickMs::NEVER {",
        )],
    ),
    code(
        "old_record_taken_for_the_new",
        &[change(
            "src/tracker.rs",
            "            entry.saved = self.to_be_saved(was_saved);",
            "            entry.saved =\n                \
             if was_saved.is_there() { was_saved } else { self.to_be_saved(was_saved) };",
        )],
    ),
    code(
        "stale_journal_sent_elsewhere",
        &[change(
            "src/journal.rs",
            "u64::from_le_bytes(*destination) == to.0)",
            "to.0 == to.0 || *destination == [0; 8])",
        )],
    ),
    code(
        "damaged_record_believed",
        &[change(
            "src/journal.rs",
            "    let is_whole = version == VERSION && *sum == checksum(key, behind);",
            "    let is_whole = version == VERSION || *sum == checksum(key, behind);",
        )],
    ),
    // Rule 3: a journal is its page's, and is handed over whole.
    world("adopts_without_lock"),
    code(
        "bfcache_page_does_not_seal",
        &[
            change(
                "src/tracker/storing.rs",
                "        self.handle_leave(now);\n        self.journal.leave();",
                "        self.observe(now);\n        self.journal.leave();",
            ),
            change(
                "src/tracker/storing.rs",
                "self.journal.is_leaving() && self.buffer.is_empty() &&",
                "self.journal.is_leaving() &&",
            ),
        ],
    ),
    code(
        "bfcache_page_does_not_hand_over",
        &[
            change(
                "src/tracker/storing.rs",
                "            while let Some(entry) = self.outbox.take_saved() {",
                "            while let Some(entry) = None::<alloc::boxed::Box<Entry>> {",
            ),
            change(
                "src/tracker/storing.rs",
                "            self.outbox.entries_mut().for_each(|entry| entry.unanswered = true);\n",
                "",
            ),
        ],
    ),
    code(
        "handed_over_before_it_is_stored",
        &[change("src/tracker/storing.rs", " && self.outbox.survey().may_be_left", "")],
    ),
    code(
        "orphans_not_adopted",
        &[change("src/tracker/storing.rs", "            return Some(Output::Adopt);\n", "")],
    ),
    // Rule 4: only our own answers count, and a split needs certainty.
    code(
        "foreign_403_taken_for_a_refusal",
        &[change(
            "src/answer.rs",
            "        if *STATUSES.get(usize::from(self.word.0))? != self.status {",
            "        if self.status == 403 {\n            \
             return Some(Verdict::Refused(DropReason::refused(Word(5))));\n        }\n        \
             if *STATUSES.get(usize::from(self.word.0))? != self.status {",
        )],
    ),
    code(
        "portals_200_taken_for_acceptance",
        &[change(
            "src/answer.rs",
            "        if *STATUSES.get(usize::from(self.word.0))? != self.status {",
            "        if self.status == 200 {\n            return Some(Verdict::Accepted);\n        }\n        \
             if *STATUSES.get(usize::from(self.word.0))? != self.status {",
        )],
    ),
    code(
        "passing_trouble_refused_for_good",
        &[change(
            "worker/src/insert.rs",
            "const FINAL_CODES: [&str; 1] = [\"117\"];",
            "const FINAL_CODES: [&str; 2] = [\"117\", \"252\"];",
        )],
    ),
    code(
        "split_after_an_unanswered_try",
        &[change(
            "src/tracker.rs",
            "        !entry.unanswered && (entry.saved",
            "        (entry.saved",
        )],
    ),
    code(
        "busy_taken_for_certain",
        &[change(
            "src/answer.rs",
            "            unanswered: !(response.status == 429 && response.word == Word::RATE_LIMITED),",
            "            unanswered: response.word == Word(0),",
        )],
    ),
    code(
        "adopted_batch_split",
        &[change("src/tracker/storing.rs", "            entry.unanswered = true;\n", "")],
    ),
    code(
        "split_although_its_record_was_given_up",
        &[change(
            "src/tracker/storing.rs",
            "            self.outbox.entries_mut().for_each(|entry| entry.unanswered = true);\n",
            "",
        )],
    ),
    code(
        "split_not_in_one_transaction",
        &[change(
            "src/tracker.rs",
            "        let hold = if is_saved { Hold::Strict } else { self.hold() };",
            "        let hold = if is_saved { Hold::Free } else { self.hold() };",
        )],
    ),
    code(
        "failed_queue_waits_for_an_event",
        &[change("src/tracker.rs", "            at = at.min(self.retry.resume_at());\n", "")],
    ),
    // Rule 5: the horizon.
    code(
        "horizon_ignored",
        &[
            change(
                "src/tracker.rs",
                "        let horizon = self.now.wall.plus_ms(-BATCH_AGE_MS);",
                "        let horizon = self.now.wall.plus_ms(-BATCH_AGE_MS * 100);",
            ),
            change(
                "src/tracker/storing.rs",
                "        let horizon = now.wall.plus_ms(-BATCH_AGE_MS);",
                "        let horizon = now.wall.plus_ms(-BATCH_AGE_MS * 100);",
            ),
            change(
                "worker/src/batch.rs",
                "    if sent_at.since_ms(id_time) > limits::BATCH_AGE_MS {",
                "    if sent_at.since_ms(id_time) > limits::BATCH_AGE_MS * 100 {",
            ),
        ],
    ),
    code(
        "older_batch_not_looked_up",
        &[change(
            "worker/src/sink.rs",
            "    if age_ms <= limits::LOOK_UP_AGE_MS ||",
            "    if age_ms <= limits::LOOK_UP_AGE_MS * 10_000 ||",
        )],
    ),
    code(
        "stored_batch_taken_for_counted",
        &[change(
            "worker/src/exchange/storing.rs",
            "                Ok(Found::Forgotten) => self",
            "                Ok(Found::Forgotten | Found::Remembered) => self",
        )],
    ),
    // Rules 6 and 8: placement by sealed bytes, windows on every target, durable before accepted.
    world("placed_by_corrected_time"),
    world("window_on_source_only"),
    code(
        "acknowledged_from_memory",
        &[change(
            "worker/src/insert.rs",
            "        Inserted::Uncertain { line, .. } => busy(format!(\"insert: {line}\")),",
            "        Inserted::Uncertain { .. } => Answer::accepted(now, false),",
        )],
    ),
    // Rule 7: the group.
    world("fresh_token_a_try"),
    code(
        "group_split_after_a_lost_answer",
        &[change(
            "worker/src/group/refused.rs",
            "group.members.len() > 1 && !group.is_uncertain",
            "group.members.len() > 1",
        )],
    ),
    code(
        "group_split_after_another_process_s_try",
        &[change(
            "worker/src/group/shard.rs",
            "        group.is_uncertain = true;\n        match &row.aside {",
            "        match &row.aside {",
        )],
    ),
    world("routes_by_session"),
    code(
        "routed_by_the_time_of_sending",
        &[change(
            "worker/src/sink.rs",
            "    let shard = |site: &str| shard_of(site, table, id, config.group.shards);",
            "    let at = Uuid([head.sent_at.0 as u8; 16]);\n            \
             let shard = |site: &str| shard_of(site, table, at, config.group.shards);",
        )],
    ),
    world("tells_before_sync"),
    code(
        "acknowledged_before_its_row_is_durable",
        &[change(
            "worker/src/group/shard.rs",
            "        let state = State::Writing(window.waiting);",
            "        for call in &window.waiting {\n            \
             self.outputs.push_back(Output::Answer(call.put, Taken::Accepted));\n        }\n        \
             let state = State::Writing(window.waiting);",
        )],
    ),
    code(
        "sent_before_its_row_is_durable",
        &[change(
            "worker/src/group/shard.rs",
            "        self.outputs.push_back(Output::Sync { group: id });",
            "        self.outputs.push_back(Output::Sync { group: id });\n        \
             self.outputs.push_back(Output::Insert { group: id, table: table.into() });",
        )],
    ),
    world("keys_forgotten_at_a_start"),
    code(
        "keys_of_rows_not_read_at_a_start",
        &[change(
            "worker/src/group/shard.rs",
            "        self.known.add(&members);\n        if row.body_bytes",
            "        if row.body_bytes",
        )],
    ),
    code(
        "slices_not_looked_into",
        &[change(
            "worker/src/group/shard.rs",
            "        if self.known.may_be_stored(hour) {",
            "        if false {",
        )],
    ),
    code(
        "keys_forgotten_early",
        &[change(
            "worker/src/group/known.rs",
            "now.plus_ms(-(limits::BATCH_AGE_MS + limits::KNOWN_MARGIN_MS)).0;",
            "now.plus_ms(-limits::KNOWN_MARGIN_MS).0;",
        )],
    ),
    code(
        "keys_forgotten_by_their_own_hour",
        &[change(
            "worker/src/group/known.rs",
            "        self.hours.retain(|_, newest| *newest >= before);",
            "        self.hours.retain(|hour, _| i64::from(*hour) * 3_600_000 >= before);",
        )],
    ),
    code(
        "started_with_another_number_of_shards",
        &[change(
            "worker/src/group/shard.rs",
            "            Some(stored) if stored != configured => {",
            "            Some(stored) if stored > u32::MAX - configured => {",
        )],
    ),
    code(
        "new_shard_does_not_ask_the_first",
        &[change(
            "worker/src/group/shard.rs",
            "        match stored.shards.or(stored.shards_of_first) {",
            "        match stored.shards {",
        )],
    ),
    // Rule 9: limits.
    code(
        "no_limit_in_memory",
        &[change(
            "src/tracker.rs",
            "            tracker.waiting() > tracker.config.max_waiting_rows.into()\n                || ",
            "            ",
        )],
    ),
    code(
        "no_cap_on_storage",
        &[change(
            "src/tracker.rs",
            "            tracker.journal_bytes() > tracker.config.journal_bytes as usize",
            "            tracker.config.journal_bytes > u32::MAX - 1",
        )],
    ),
    code(
        "dropped_within_the_limit_in_memory",
        &[change(
            "src/tracker.rs",
            "            tracker.waiting() > tracker.config.max_waiting_rows.into()\n",
            "            tracker.waiting() > u64::from(tracker.config.max_waiting_rows) / 2\n",
        )],
    ),
    code(
        "dropped_within_the_limit_on_storage",
        &[change(
            "src/tracker.rs",
            "            tracker.journal_bytes() > tracker.config.journal_bytes as usize",
            "            tracker.journal_bytes() > tracker.config.journal_bytes as usize / 4",
        )],
    ),
    code(
        "dropped_before_the_horizon",
        &[change(
            "src/tracker.rs",
            "        let horizon = self.now.wall.plus_ms(-BATCH_AGE_MS);",
            "        let horizon = self.now.wall.plus_ms(-BATCH_AGE_MS / 2);",
        )],
    ),
    code(
        "dropped_without_a_count",
        &[change(
            "src/tracker.rs",
            "        self.count_dropped(Some(entry.batch.id), reason, entry.batch.rows);",
            "        let _ = reason;",
        )],
    ),
];
