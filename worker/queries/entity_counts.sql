-- query: entity_counts
-- key: public
-- cache: 60
-- param: entity_type String -- such as Model
-- param: days UInt32 7 -- length of the window that ends now, in days
-- range: days 1 3660
-- param: limit UInt32 100 -- how many entities
-- range: limit 1 1000
-- column: entity_id String -- the entity
-- column: views UInt64 -- rows of View
-- column: downloads UInt64 -- rows of Download
-- column: views_sum Float64 -- sum of the values of View
-- column: downloads_sum Float64 -- sum of the values of Download
--
-- The window begins exactly at now - days. Its first, partial day is counted from events; every
-- later one is a whole day and comes from the rollup. Most views first, ties by id in byte order.
WITH
    {now:DateTime64(3, 'UTC')} - toIntervalDay({days:UInt32}) AS window_start,
    toDate(window_start) AS first_day
SELECT
    entity_id,
    sum(view_rows) AS views,
    sum(download_rows) AS downloads,
    sum(view_sum) AS views_sum,
    sum(download_sum) AS downloads_sum
FROM
(
    SELECT
        entity_id,
        if(name = 'View', rows, 0) AS view_rows,
        if(name = 'View', 0, rows) AS download_rows,
        if(name = 'View', value_sum, 0) AS view_sum,
        if(name = 'View', 0, value_sum) AS download_sum
    FROM event_days
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND name IN ('View', 'Download')
        AND bot = ''
        AND day > first_day
    UNION ALL
    SELECT
        entity_id,
        toUInt64(name = 'View') AS view_rows,
        toUInt64(name != 'View') AS download_rows,
        if(name = 'View', value, 0) AS view_sum,
        if(name = 'View', 0, value) AS download_sum
    FROM events
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND name IN ('View', 'Download')
        AND bot = ''
        AND occurred_at >= window_start
        AND occurred_at < toDateTime64(first_day + 1, 3, 'UTC')
)
GROUP BY entity_id
ORDER BY views DESC, entity_id
LIMIT {limit:UInt32}
