-- query: follower_count
-- key: public
-- cache: 0
-- param: id String -- the user
-- param: mode String rows -- rows: follows less unfollows; last: users whose last word was a follow
-- choice: mode rows last
-- column: value Int64 -- followers
--
-- By rows, one who follows twice counts twice; by the last event of each follower, once.
SELECT sum(counted) AS value
FROM
(
    SELECT sum(followers) AS counted
    FROM user_follows
    WHERE site = {site:String} AND user_id = {id:String} AND {mode:String} = 'rows'
    UNION ALL
    SELECT toInt64(countIf(last > 0)) AS counted
    FROM
    (
        SELECT argMax(value, (occurred_at, seq)) AS last
        FROM events
        WHERE site = {site:String}
            AND entity_type = 'User'
            AND entity_id = {id:String}
            AND name = 'Follow'
            AND bot = ''
            AND {mode:String} = 'last'
        GROUP BY user_id
    )
)
