-- Each user's followers and whom the user follows, in one row: follows less unfollows, by rows. Read
-- with sum(): merging is never finished. No SummingMergeTree: that one deletes a row of zeros, and who
-- was followed and left is known all the same.
--
-- Most users have one row a part, so that a list of a hundred reads a hundred places of a few rows:
-- here small granules spare most of what is read.
CREATE TABLE IF NOT EXISTS user_follows
(
    site LowCardinality(String),
    user_id String,
    followers SimpleAggregateFunction(sum, Int64),
    following SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (site, user_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 100000
