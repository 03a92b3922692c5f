//! Why something from outside was refused: small enums, one variant a cause.

/// Why rows are dropped; each reason has a counter in the tracker's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A field has the wrong type, is empty where it must not be, or exceeds its limit.
    Invalid,
    /// The site's own `beforeSend` returned `null`.
    BeforeSend,
    /// The session is outside the sample.
    Sampled,
    /// Consent was denied.
    Consent,
    /// More rows waited in memory than `max_waiting_rows`.
    QueueFull,
    /// More bytes waited in storage than the journal may take.
    StorageFull,
    /// The batch outlived the horizon within which its receiver remembers ids.
    TooOld,
    /// The batch is too large for its receiver, and a try of it had gone unanswered, so that it
    /// may not be split.
    RefusedUncertain,
    /// Its tries failed, and `onFailure` is `discard`.
    Discarded,
    /// The receiver refused the batch for good.
    Refused(Refusal),
}

/// A receiver's final refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `400 bad_block`: the block breaks a rule of the table.
    BadBlock,
    /// `400 bad_request`: the address's version, id or time is wrong.
    BadRequest,
    /// `401 bad_key`: no such write key.
    BadKey,
    /// `403 bad_origin`: the key is not for this origin.
    BadOrigin,
    /// `404 bad_table`: no such table.
    BadTable,
    /// `404 not_found`: no such path, so the endpoint is not where the worker is.
    NotFound,
    /// `405 bad_method`.
    BadMethod,
    /// `413 too_large`, for a batch that cannot be made smaller.
    TooLarge,
    /// ClickHouse itself, straight: one of [`FINAL_CLICKHOUSE_CODES`].
    ClickHouse(u16),
}

/// ClickHouse's exception codes (`src/Common/ErrorCodes.cpp`, 26.7) that the same bytes will meet
/// again whenever they are sent: the data, the table or the account is wrong. Sorted.
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

impl DropReason {
    /// The reason's name, as `$dropped` events carry it in `entity_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::BeforeSend => "before_send",
            Self::Sampled => "sampled",
            Self::Consent => "consent",
            Self::QueueFull => "queue_full",
            Self::StorageFull => "storage_full",
            Self::TooOld => "too_old",
            Self::RefusedUncertain => "refused_uncertain",
            Self::Discarded => "discarded",
            Self::Refused(Refusal::BadBlock) => "refused_bad_block",
            Self::Refused(Refusal::BadRequest) => "refused_bad_request",
            Self::Refused(Refusal::BadKey) => "refused_bad_key",
            Self::Refused(Refusal::BadOrigin) => "refused_bad_origin",
            Self::Refused(Refusal::BadTable) => "refused_bad_table",
            Self::Refused(Refusal::NotFound) => "refused_not_found",
            Self::Refused(Refusal::BadMethod) => "refused_bad_method",
            Self::Refused(Refusal::TooLarge) => "refused_too_large",
            // One name for all codes: they end a batch for one reason, the server said so.
            Self::Refused(Refusal::ClickHouse(_)) => "refused_clickhouse",
        }
    }

    /// The number under which the reason crosses into JavaScript, where the names live: up to 31
    /// for the tracker's own reasons, from 32 for the worker's refusals, 1,000 plus the exception
    /// code for ClickHouse's.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Invalid => 0,
            Self::BeforeSend => 1,
            Self::Sampled => 2,
            Self::Consent => 3,
            Self::QueueFull => 4,
            Self::StorageFull => 5,
            Self::TooOld => 6,
            Self::RefusedUncertain => 7,
            Self::Discarded => 8,
            Self::Refused(Refusal::BadBlock) => 32,
            Self::Refused(Refusal::BadRequest) => 33,
            Self::Refused(Refusal::BadKey) => 34,
            Self::Refused(Refusal::BadOrigin) => 35,
            Self::Refused(Refusal::BadTable) => 36,
            Self::Refused(Refusal::NotFound) => 37,
            Self::Refused(Refusal::BadMethod) => 38,
            Self::Refused(Refusal::TooLarge) => 39,
            Self::Refused(Refusal::ClickHouse(code)) => 1_000 + code as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_codes_are_sorted_for_binary_search() {
        assert!(FINAL_CLICKHOUSE_CODES.is_sorted());
    }
}
