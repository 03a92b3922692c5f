-- Whom a user follows and what a user uploaded, a row each: the questions that start from the
-- acting user, whom no other table of entities is ordered by. Read with GROUP BY: merging is never
-- finished.
--
-- `net` is rows above 0 less rows below 0; `last` is the newest event's value, the greater `seq`
-- winning within a millisecond.
CREATE TABLE IF NOT EXISTS user_links
(
    site LowCardinality(String),
    user_id String,
    name LowCardinality(String),
    entity_type LowCardinality(String),
    entity_id String,
    net SimpleAggregateFunction(sum, Int64),
    last AggregateFunction(argMax, Float64, Tuple(DateTime64(3, 'UTC'), UInt32))
)
ENGINE = AggregatingMergeTree
ORDER BY (site, user_id, name, entity_type, entity_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 100000
