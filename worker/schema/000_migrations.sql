-- Which files of this folder have been applied, and when. Two runs at once both record a file.
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY name
SETTINGS non_replicated_deduplication_window = 1000
