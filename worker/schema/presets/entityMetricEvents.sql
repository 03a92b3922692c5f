-- The metrics document's own table, for a database of its own: where tallymark's tables are, the
-- view of this name stands in its place. The window is ours: without it a token drops nothing.
CREATE TABLE IF NOT EXISTS entityMetricEvents
(
    entityType LowCardinality(String),
    entityId Int32,
    userId Int32,
    metricType LowCardinality(String),
    metricValue Int32,
    createdAt DateTime64(3)
)
ENGINE = MergeTree()
ORDER BY (entityType, entityId, createdAt)
SETTINGS non_replicated_deduplication_window = 100000
