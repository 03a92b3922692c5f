-- Every user's score and rank as of the last refresh, which replaces the whole table: no window, for
-- equal ranks a minute later are no retry.
CREATE TABLE IF NOT EXISTS user_ranks
(
    site LowCardinality(String),
    user_id String,
    score Float64,
    rank UInt64
)
ENGINE = MergeTree
ORDER BY (site, user_id)
SETTINGS index_granularity = 256
