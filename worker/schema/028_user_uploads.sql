-- What a user uploaded, a row each: how many different ones. Read with GROUP BY: merging is never
-- finished.
CREATE TABLE IF NOT EXISTS user_uploads
(
    site LowCardinality(String),
    user_id String,
    entity_type LowCardinality(String),
    entity_id String
)
ENGINE = ReplacingMergeTree
ORDER BY (site, user_id, entity_type, entity_id)
SETTINGS non_replicated_deduplication_window = 100000
