-- Totals per event name and entity, for all time: which entity has most of one kind of event. Read
-- with sum(): merging is never finished.
--
-- entity_totals in the order of the name: a list of the most viewed reads the views alone.
CREATE TABLE IF NOT EXISTS event_totals
(
    site LowCardinality(String),
    entity_type LowCardinality(String),
    name LowCardinality(String),
    entity_id String,
    bot LowCardinality(String),
    rows UInt64,
    value_sum Float64
)
ENGINE = SummingMergeTree((rows, value_sum))
ORDER BY (site, entity_type, name, entity_id, bot)
SETTINGS non_replicated_deduplication_window = 100000
