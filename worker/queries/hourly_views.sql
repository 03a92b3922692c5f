-- query: hourly_views
-- key: public
-- cache: 0
-- param: id String -- the post
-- param: hours UInt32 24 -- length of the window that ends now, in hours
-- range: hours 1 8784
-- param: fill Bool false -- also list hours without views: hours + 1 rows, up to the current hour
-- column: hour DateTime -- start of the hour, UTC
-- column: views UInt64 -- rows
--
-- The window begins exactly at now - hours. Its first, partial bucket is counted from events; every
-- later one is a whole hour and comes from the rollup.
WITH
    {now:DateTime64(3, 'UTC')} - toIntervalHour({hours:UInt32}) AS window_start,
    toStartOfHour(window_start) AS first_hour
SELECT formatDateTime(bucket, '%Y-%m-%dT%H:00:00Z', 'UTC') AS hour, sum(counted) AS views
FROM
(
    SELECT first_hour AS bucket, count() AS counted
    FROM events
    WHERE site = {site:String}
        AND entity_type = 'post'
        AND entity_id = {id:String}
        AND name = 'view'
        AND bot = ''
        AND occurred_at >= window_start
        AND occurred_at < first_hour + toIntervalHour(1)
    HAVING counted > 0
    UNION ALL
    SELECT hour AS bucket, sum(rows) AS counted
    FROM entity_hours
    WHERE site = {site:String}
        AND entity_type = 'post'
        AND entity_id = {id:String}
        AND name = 'view'
        AND bot = ''
        AND hour > first_hour
        -- A page's clock may run up to five minutes ahead, into the next hour: a filled list
        -- keeps its promised length.
        AND (NOT {fill:Bool} OR hour <= {now:DateTime64(3, 'UTC')})
    GROUP BY bucket
    UNION ALL
    SELECT
        first_hour + toIntervalHour(arrayJoin(range(if({fill:Bool}, {hours:UInt32} + 1, 0)))) AS bucket,
        0 AS counted
)
GROUP BY bucket
ORDER BY bucket
