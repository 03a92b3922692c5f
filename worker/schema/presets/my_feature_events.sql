-- The metrics document's example of a table for one feature. The window is ours.
--
-- A token holds within one partition: a batch that is sent again must carry the same created_at.
CREATE TABLE IF NOT EXISTS my_feature_events
(
    feature_id UInt32,
    user_id UInt32,
    action LowCardinality(String),
    metadata String, -- JSON for flexible data
    created_at DateTime DEFAULT now()
)
ENGINE = MergeTree()
PARTITION BY toYYYYMM(created_at)
ORDER BY (feature_id, created_at)
TTL created_at + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 100000
