-- query: compare_followers
-- key: reader
-- cache: 0
-- param: ids Array(String) -- the users; one without follows is absent from the answer
-- param: expected Map(String,Float64) {} -- what another database has, by user
-- column: user_id String -- the user
-- column: by_rows Int64 -- follows less unfollows
-- column: by_last Int64 -- users whose last word was a follow
-- column: expected Nullable(Float64) -- as given
-- column: difference Nullable(Float64) -- by_last less expected
--
-- One fact counted two ways, beside what is to be replaced.
SELECT
    user_id,
    sum(net) AS by_rows,
    toInt64(countIf(last > 0)) AS by_last,
    if(
        mapContains({expected:Map(String,Float64)}, user_id),
        {expected:Map(String,Float64)}[user_id],
        NULL) AS expected,
    by_last - expected AS difference
FROM
(
    SELECT
        entity_id AS user_id,
        toInt64(countIf(value > 0)) - toInt64(countIf(value < 0)) AS net,
        argMax(value, (occurred_at, seq)) AS last
    FROM events
    WHERE site = {site:String}
        AND entity_type = 'User'
        AND entity_id IN {ids:Array(String)}
        AND name = 'Follow'
        AND bot = ''
    GROUP BY entity_id, events.user_id
)
GROUP BY user_id
ORDER BY user_id
