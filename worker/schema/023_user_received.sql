-- What each user's entities have received, for all time, as of the last refresh, which replaces the
-- whole table, as in user_ranks.
CREATE TABLE IF NOT EXISTS user_received
(
    site LowCardinality(String),
    user_id String,
    reactions Float64,
    downloads Float64,
    generations Float64
)
ENGINE = MergeTree
ORDER BY (site, user_id)
SETTINGS index_granularity = 256
