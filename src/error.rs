//! Why something from outside was refused: small enums, one variant a cause.

/// Why an event is dropped or refused; each reason has a counter in the tracker's statistics.
///
/// The numbers are the ones that cross into JavaScript, where the names live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// A field has the wrong type, is empty where it must not be, or exceeds its limit.
    Invalid = 0,
    /// The site's own `beforeSend` returned `null`.
    BeforeSend = 1,
    /// The session is outside the sample.
    Sampled = 2,
    /// Consent was denied.
    Consent = 3,
    /// More rows waited in memory than `max_waiting_rows`.
    QueueFull = 4,
    /// More bytes waited in storage than the journal may take.
    StorageFull = 5,
    /// The batch outlived the horizon within which its receiver remembers ids.
    TooOld = 6,
    /// The receiver refused the batch for good.
    Refused = 7,
    /// The batch is too large for its receiver, and a try of it had gone unanswered, so that it
    /// may not be split.
    RefusedUncertain = 8,
}
