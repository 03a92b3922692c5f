//! Why something from outside was refused: small, one value a cause.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::answer::{WORDS, Word};

/// Why rows are dropped; each reason has a counter in the tracker's statistics.
///
/// A number, so that it crosses into JavaScript as it is: up to 31 for the tracker's own reasons,
/// from 32 for the worker's refusals, 1,000 plus the exception code for ClickHouse's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropReason(u16);

/// The first number of the worker's refusals.
const REFUSED: u16 = 32;
/// The first number of ClickHouse's.
const CLICKHOUSE: u16 = 1_000;

/// The tracker's own reasons by number.
const OWN: [&str; 9] = [
    "invalid",
    "before_send",
    "sampled",
    "consent",
    "queue_full",
    "storage_full",
    "too_old",
    "refused_uncertain",
    "discarded",
];

impl DropReason {
    /// A field has the wrong type, is empty where it must not be, or exceeds its limit.
    pub const INVALID: Self = Self(0);
    /// The site's own `beforeSend` returned `null`.
    pub const BEFORE_SEND: Self = Self(1);
    /// The session is outside the sample.
    pub const SAMPLED: Self = Self(2);
    /// Consent was denied.
    pub const CONSENT: Self = Self(3);
    /// More rows waited in memory than `max_waiting_rows`.
    pub const QUEUE_FULL: Self = Self(4);
    /// More bytes waited in storage than the journal may take.
    pub const STORAGE_FULL: Self = Self(5);
    /// The batch outlived the horizon within which its receiver remembers ids.
    pub const TOO_OLD: Self = Self(6);
    /// The batch is too large for its receiver, and a try of it had gone unanswered, so that it
    /// may not be split.
    pub const REFUSED_UNCERTAIN: Self = Self(7);
    /// Its tries failed, and `onFailure` is `discard`.
    pub const DISCARDED: Self = Self(8);
    /// `413 too_large`, for a batch that cannot be made smaller.
    pub const TOO_LARGE: Self = Self::refused(Word::TOO_LARGE);

    /// The worker refused the batch for good, in this word.
    #[must_use]
    pub const fn refused(word: Word) -> Self {
        Self(REFUSED + word.0 as u16 - Word::FIRST_REFUSAL.0 as u16)
    }

    /// ClickHouse itself refused it, straight, by one of [`FINAL_CLICKHOUSE_CODES`].
    #[must_use]
    pub const fn clickhouse(code: u16) -> Self {
        Self(CLICKHOUSE + code)
    }

    /// The reason of a number.
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its name in statistics, and in `entity_type` of `$dropped` events.
    #[must_use]
    pub fn name(self) -> String {
        if let Some(own) = OWN.get(usize::from(self.0)) {
            return String::from(*own);
        }
        if let Some(code) = self.0.checked_sub(CLICKHOUSE) {
            return format!("refused_{code}");
        }
        let word = self.0.saturating_sub(REFUSED) + u16::from(Word::FIRST_REFUSAL.0);
        format!("refused_{}", WORDS.get(usize::from(word)).copied().unwrap_or_default())
    }
}

impl fmt::Debug for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// ClickHouse's exception codes (`src/Common/ErrorCodes.cpp`, 26.7) that the same bytes will meet
/// again whenever they are sent: the data, the table or the account is wrong.
///
/// Every other code is trouble of the server's own (memory, disk, time-outs, too many parts, …)
/// and means "again".
pub const FINAL_CLICKHOUSE_CODES: [u16; 21] = [
    6,   // CANNOT_PARSE_TEXT
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33,  // CANNOT_READ_ALL_DATA
    47,  // UNKNOWN_IDENTIFIER
    50,  // UNKNOWN_TYPE
    53,  // TYPE_MISMATCH
    60,  // UNKNOWN_TABLE
    62,  // SYNTAX_ERROR
    70,  // CANNOT_CONVERT_TYPE
    73,  // UNKNOWN_FORMAT
    81,  // UNKNOWN_DATABASE
    115, // UNKNOWN_SETTING
    117, // INCORRECT_DATA
    131, // TOO_LARGE_STRING_SIZE
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_the_name_that_statistics_show() {
        for (reason, name) in [
            (DropReason::INVALID, "invalid"),
            (DropReason::DISCARDED, "discarded"),
            (DropReason::refused(Word::FIRST_REFUSAL), "refused_bad_block"),
            (DropReason::TOO_LARGE, "refused_too_large"),
            (DropReason::clickhouse(60), "refused_60"),
        ] {
            assert_eq!(reason.name(), name);
        }
    }

    #[test]
    fn numbers_are_those_that_javascript_knows() {
        assert_eq!(DropReason::refused(Word::FIRST_REFUSAL).number(), 32);
        assert_eq!(DropReason::TOO_LARGE.number(), 39);
        assert_eq!(DropReason::clickhouse(60).number(), 1_060);
    }
}
