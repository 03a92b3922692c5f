-- Who owns an entity: its uploader, or whoever a change of the database says. The row with the
-- greatest `known_at` counts; read with argMax: merging is never finished.
--
-- A table, no dictionary object: that one reads as a user whose password would stand in this file,
-- and is as old as its last load; the owner is to be the one known when a query runs.
CREATE TABLE IF NOT EXISTS owners
(
    site LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    user_id String,
    known_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(known_at)
ORDER BY (site, entity_type, entity_id)
SETTINGS non_replicated_deduplication_window = 100000
