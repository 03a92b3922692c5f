-- query: engagement_trend
-- key: public
-- cache: 60
-- param: id String -- the user
-- param: days UInt32 30 -- how many days before today
-- range: days 1 3660
-- column: date Date -- day of UTC: days + 1 rows, up to today
-- column: score Float64 -- engagement score of that day's events, with the default weights
SELECT date, sum(weighted) AS score
FROM
(
    SELECT
        day AS date,
        value_sum * multiIf(
            name = 'Download', 1,
            name = 'Generation', 2,
            name = 'ReactionHeart', 0.5,
            name = 'Comment', 1.5,
            0.1) AS weighted
    FROM entity_days
    WHERE site = {site:String}
        AND entity_type = 'Model'
        AND bot = ''
        AND day >= toDate({now:DateTime64(3, 'UTC')}) - {days:UInt32}
        AND day <= toDate({now:DateTime64(3, 'UTC')})
        AND entity_id IN
        (
            SELECT entity_id
            FROM owners
            WHERE site = {site:String}
                AND entity_type = 'Model'
                AND entity_id IN
                (
                    SELECT entity_id
                    FROM owned
                    WHERE site = {site:String} AND user_id = {id:String} AND entity_type = 'Model'
                )
            GROUP BY entity_id
            HAVING argMax(user_id, known_at) = {id:String}
        )
    UNION ALL
    SELECT
        toDate({now:DateTime64(3, 'UTC')}) - arrayJoin(range({days:UInt32} + 1)) AS date,
        0 AS weighted
)
GROUP BY date
ORDER BY date
