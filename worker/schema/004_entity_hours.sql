-- Totals per entity, event name and hour of UTC. Read with sum(): merging is never finished.
CREATE TABLE IF NOT EXISTS entity_hours
(
    site LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    name LowCardinality(String),
    hour DateTime('UTC'),
    bot LowCardinality(String),
    rows UInt64,
    value_sum Float64
)
ENGINE = SummingMergeTree((rows, value_sum))
ORDER BY (site, entity_type, entity_id, name, hour, bot)
SETTINGS non_replicated_deduplication_window = 100000
