-- Totals per event name, day of UTC and entity: what happened to which entities in a window of
-- days. Read with sum(): merging is never finished.
--
-- The day comes before the entity, so that a window reads its own days alone. A window's first,
-- partial day is counted from events.
CREATE TABLE IF NOT EXISTS event_days
(
    site LowCardinality(String),
    entity_type LowCardinality(String),
    name LowCardinality(String),
    day Date,
    entity_id String,
    bot LowCardinality(String),
    rows UInt64,
    value_sum Float64
)
ENGINE = SummingMergeTree((rows, value_sum))
ORDER BY (site, entity_type, name, day, entity_id, bot)
SETTINGS non_replicated_deduplication_window = 100000
