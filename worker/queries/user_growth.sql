-- query: user_growth
-- key: public
-- cache: 60
-- param: id String -- the user
-- param: days UInt32 30 -- how many days before today
-- range: days 1 3660
-- column: date Date -- day of UTC: days + 1 rows, up to today
-- column: new_followers Int64 -- that day's follows less unfollows, rows
-- column: followers Int64 -- followers at the end of that day, by rows
-- column: uploads UInt64 -- that day's uploads, rows
WITH
    toDate({now:DateTime64(3, 'UTC')}) AS today,
    today - {days:UInt32} AS first_day
SELECT date, new_followers, followers, uploads
FROM
(
    SELECT
        date,
        sum(gained) AS new_followers,
        sum(new_followers) OVER (ORDER BY date) AS followers,
        sum(uploaded) AS uploads
    FROM
    (
        -- What was before the window is its first row's past.
        SELECT
            greatest(toDate(occurred_at), first_day - 1) AS date,
            toInt64(value > 0) - toInt64(value < 0) AS gained,
            0 AS uploaded
        FROM events
        WHERE site = {site:String}
            AND entity_type = 'User'
            AND entity_id = {id:String}
            AND name = 'Follow'
            AND bot = ''
            AND occurred_at < toDateTime64(today + 1, 3, 'UTC')
        UNION ALL
        SELECT day AS date, 0 AS gained, rows AS uploaded
        FROM user_days
        WHERE site = {site:String}
            AND user_id = {id:String}
            AND name = 'Upload'
            AND bot = ''
            AND day >= first_day
            AND day <= today
        UNION ALL
        SELECT today - arrayJoin(range({days:UInt32} + 1)) AS date, 0 AS gained, 0 AS uploaded
    )
    GROUP BY date
)
WHERE date >= first_day
ORDER BY date
