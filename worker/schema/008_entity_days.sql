-- Totals per entity, day of UTC and event name: what an owner's entities earned in a window of
-- days. Read with sum(): merging is never finished.
CREATE TABLE IF NOT EXISTS entity_days
(
    site LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    day Date,
    name LowCardinality(String),
    bot LowCardinality(String),
    rows UInt64,
    value_sum Float64
)
ENGINE = SummingMergeTree((rows, value_sum))
ORDER BY (site, entity_type, entity_id, day, name, bot)
SETTINGS non_replicated_deduplication_window = 100000
