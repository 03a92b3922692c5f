-- Every event as it was tracked. The columns are API.md's; src/schema.rs is tested against them.
--
-- The partition is the month of the batch id's own time: a deduplication token holds within one
-- partition, so where a row lands may depend on bytes that never change, and a corrected time is
-- not among them.
CREATE TABLE IF NOT EXISTS events
(
    site LowCardinality(String),
    name LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    value Float64 DEFAULT 1,
    user_id String,
    visitor_id String,
    session_id UUID,
    page_id UUID,
    seq UInt32,
    occurred_at DateTime64(3, 'UTC'),
    properties JSON,
    hostname LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    pathname String,
    referrer String,
    received_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    batch_id UUID,
    ip IPv6,
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    browser LowCardinality(String),
    os LowCardinality(String),
    device LowCardinality(String),
    bot LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(UUIDv7ToDateTime(batch_id))
ORDER BY (site, entity_type, entity_id, name, occurred_at)
SETTINGS non_replicated_deduplication_window = 100000
