//! The mutants, each with the sentence of the design that it leaves out.

/// One way to be wrong.
#[derive(Debug)]
pub struct Mutant {
    pub name: &'static str,
    /// File in `src/`, what is there once, what stands there instead.
    pub changes: &'static [(&'static str, &'static str, &'static str)],
    /// What the simulation's own receiver or browser leaves out.
    pub weakness: &'static str,
}

const fn core(
    name: &'static str,
    changes: &'static [(&'static str, &'static str, &'static str)],
) -> Mutant {
    Mutant { name, changes, weakness: "" }
}

const fn world(name: &'static str) -> Mutant {
    Mutant { name, changes: &[], weakness: name }
}

pub const MUTANTS: &[Mutant] = &[
    // Rule 1: the id is drawn when the buffer opens, and sealed bytes never change.
    core(
        "id_drawn_at_sealing",
        &[(
            "tracker.rs",
            "            let id = buffer.id();\n            self.outbox.push(buffer.seal(), self.hold());",
            "            let id = self.rng.uuid_v7(crate::time::UnixMs(buffer.id().v7_time().map_or(0, |t| t.0)));\n            \
             let sealed = buffer.seal();\n            \
             self.outbox.push(Batch { id, ..sealed }, self.hold());",
        )],
    ),
    core(
        "id_changed_on_retry",
        &[(
            "outbox.rs",
            "        entry.unanswered |= unanswered;",
            "        entry.unanswered |= unanswered;\n        entry.batch.id.0[15] ^= 1;",
        )],
    ),
    // Rule 2: stored before sent, and the open buffer within 100 ms.
    core(
        "sent_before_stored",
        &[(
            "tracker/storing.rs",
            "            Hold::Until(self.last_tick.plus_ms(STORE_TIMEOUT_MS))",
            "            Hold::Free",
        )],
    ),
    core(
        "open_buffer_not_written",
        &[("tracker/storing.rs", "self.write_at().is_some_and(|at| at <= now)", "false")],
    ),
    core(
        "only_the_first_burst_written",
        &[(
            "tracker/storing.rs",
            "self.journal.is_working() && self.write_at.is_none() {",
            "self.journal.is_working() && self.write_at.is_none()\n            \
             && !self.open.as_ref().is_some_and(|buffer| self.journal.has(buffer.id()))\n        {",
        )],
    ),
    core(
        "old_record_taken_for_the_new",
        &[(
            "journal.rs",
            "                record.stored = Stored::Maybe;\n            }\n            return;",
            "                let _ = record;\n            }\n            return;",
        )],
    ),
    core(
        "stale_journal_sent_elsewhere",
        &[("journal.rs", "if u64::from_le_bytes(*destination) == to.0 {", "if true {")],
    ),
    core("damaged_record_believed", &[("journal.rs", "*sum != checksum(key, behind) || ", "")]),
    // Rule 3: a journal is its page's, and is handed over whole.
    world("adopts_without_lock"),
    core(
        "bfcache_page_does_not_seal",
        &[
            (
                "tracker/storing.rs",
                "        self.handle_leave(now);\n        self.journal.leave();",
                "        self.observe(now);\n        self.journal.leave();",
            ),
            (
                "tracker/storing.rs",
                "if self.open.is_none() && self.journal.may_hand_over()",
                "if self.journal.may_hand_over()",
            ),
        ],
    ),
    core(
        "bfcache_page_does_not_hand_over",
        &[(
            "tracker/storing.rs",
            "            for batch in self.journal.hand_over() {",
            "            self.journal.hand_over();\n            for batch in Vec::<Uuid>::new() {",
        )],
    ),
    core(
        "handed_over_before_it_is_stored",
        &[(
            "journal.rs",
            "            && self.records.iter().all(|record| record.stored == Stored::Yes)",
            "",
        )],
    ),
    core(
        "orphans_not_adopted",
        &[("tracker/storing.rs", "            self.outputs.push_back(Output::Adopt);", "")],
    ),
    // Rule 4: only our own answers count, and a split needs certainty.
    core(
        "foreign_403_taken_for_a_refusal",
        &[(
            "answer.rs",
            "        let code = member(self.body, b\"\\\"code\\\"\")?.strip_prefix(b\"\\\"\")?;",
            "        if self.status == 403 {\n            \
             return Some(Verdict::Refused(DropReason::Refused(Refusal::BadOrigin)));\n        }\n        \
             let code = member(self.body, b\"\\\"code\\\"\")?.strip_prefix(b\"\\\"\")?;",
        )],
    ),
    core(
        "portals_200_taken_for_acceptance",
        &[(
            "answer.rs",
            "        if self.status == 202 {",
            "        if self.status == 200 {\n            return Some(Verdict::Accepted);\n        }\n        \
             if self.status == 202 {",
        )],
    ),
    core(
        "split_after_an_unanswered_try",
        &[(
            "tracker.rs",
            "            _ if ended.unanswered => DropReason::RefusedUncertain,\n",
            "",
        )],
    ),
    core(
        "adopted_batch_split",
        &[(
            "outbox.rs",
            "Entry { unanswered: true, ..Entry::new(batch, Hold::Free) }",
            "Entry::new(batch, Hold::Free)",
        )],
    ),
    core(
        "split_not_in_one_transaction",
        &[(
            "tracker.rs",
            "let hold = if is_stored { Hold::Strict } else { self.hold() };",
            "let hold = Hold::Free;\n            let _ = is_stored;",
        )],
    ),
    core(
        "failed_queue_waits_for_an_event",
        &[(
            "tracker.rs",
            "[tick, resume, self.write_at(), hand_over]",
            "[tick, self.write_at(), hand_over]",
        )],
    ),
    // Rule 5: the horizon.
    Mutant {
        name: "horizon_ignored",
        changes: &[
            (
                "tracker.rs",
                "self.outbox.drop_older_than(now.wall.plus_ms(-BATCH_AGE_MS))",
                "self.outbox.drop_older_than(now.wall.plus_ms(-BATCH_AGE_MS * 100))",
            ),
            (
                "tracker/storing.rs",
                "let horizon = now.wall.plus_ms(-BATCH_AGE_MS);",
                "let horizon = now.wall.plus_ms(-BATCH_AGE_MS * 100);",
            ),
        ],
        weakness: "no_horizon",
    },
    // Rules 6 and 8: placement by sealed bytes, windows on every target, durable before accepted.
    world("placed_by_corrected_time"),
    world("window_on_source_only"),
    world("acknowledges_from_memory"),
    // Rule 9: limits.
    core(
        "no_limit_in_memory",
        &[(
            "tracker.rs",
            "        while self.waiting() > u64::from(self.config.max_waiting_rows)\n            || self.outbox.bytes() > WAITING_BYTES\n        {",
            "        while self.outbox.bytes() > WAITING_BYTES {",
        )],
    ),
    core(
        "no_cap_on_storage",
        &[(
            "tracker/storing.rs",
            "        while self.journal.bytes() > self.config.journal_bytes as usize {",
            "        while false {",
        )],
    ),
    core(
        "dropped_without_a_count",
        &[(
            "tracker.rs",
            "        self.journal.forget(batch);\n        self.count_dropped(Some(batch), reason, rows);",
            "        self.journal.forget(batch);\n        let _ = (reason, rows);",
        )],
    ),
];
