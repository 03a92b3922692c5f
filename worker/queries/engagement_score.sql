-- query: engagement_score
-- key: public
-- cache: 0
-- param: id String -- the user
-- param: days UInt32 30 -- length of the window that ends now, in days
-- range: days 1 3660
-- param: weights Map(String,Float64) {"Download":1,"Generation":2,"ReactionHeart":0.5,"Comment":1.5,"else":0.1} -- by event; one that is not named counts as else
-- column: value Float64 -- sum of value × weight over the user's models
--
-- The window begins exactly at now - days: its first, partial day is counted from events, every later
-- one is a whole day and comes from the rollup. A model's owner is the one known now.
WITH
    {now:DateTime64(3, 'UTC')} - toIntervalDay({days:UInt32}) AS window_start,
    toDate(window_start) AS first_day
SELECT
    sum(value_sum * if(
        mapContains({weights:Map(String,Float64)}, toString(name)),
        {weights:Map(String,Float64)}[toString(name)],
        {weights:Map(String,Float64)}['else'])) AS value
FROM
(
    SELECT name, value_sum
    FROM entity_days
    WHERE site = {site:String}
        AND entity_type = 'Model'
        AND bot = ''
        AND day > first_day
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
    SELECT name, value AS value_sum
    FROM events
    WHERE site = {site:String}
        AND entity_type = 'Model'
        AND bot = ''
        AND occurred_at >= window_start
        AND occurred_at < toDateTime64(first_day + 1, 3, 'UTC')
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
)
