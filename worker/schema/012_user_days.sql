-- Totals per acting user, day of UTC and event name: one user's activity, and who came back. Read
-- with sum(): merging is never finished.
CREATE TABLE IF NOT EXISTS user_days
(
    site LowCardinality(String),
    user_id String,
    day Date,
    entity_type LowCardinality(String),
    name LowCardinality(String),
    bot LowCardinality(String),
    rows UInt64,
    value_sum Float64
)
ENGINE = SummingMergeTree((rows, value_sum))
ORDER BY (site, user_id, day, entity_type, name, bot)
SETTINGS non_replicated_deduplication_window = 100000
