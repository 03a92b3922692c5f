-- What a user owns or once owned: owners in the other order. Whether it is still so, owners says.
CREATE TABLE IF NOT EXISTS owned
(
    site LowCardinality(String),
    user_id String,
    entity_type LowCardinality(String),
    entity_id String,
    known_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(known_at)
ORDER BY (site, user_id, entity_type, entity_id)
SETTINGS non_replicated_deduplication_window = 100000
