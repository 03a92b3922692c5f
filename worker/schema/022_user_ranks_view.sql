-- Makes user_ranks anew each minute: a rank depends on everybody's score. The score is that of the
-- query engagement_score with its defaults.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_ranks_view REFRESH EVERY 1 MINUTE TO user_ranks
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
    now64(3, 'UTC') - toIntervalDay(30) AS window_start,
    toDate(window_start) AS first_day
SELECT site, user_id, score, rank() OVER (PARTITION BY site ORDER BY score DESC) AS rank
FROM
(
    SELECT
        site,
        user_id,
        sum(value_sum * multiIf(
            name = 'Download', 1,
            name = 'Generation', 2,
            name = 'ReactionHeart', 0.5,
            name = 'Comment', 1.5,
            0.1)) AS score
    FROM
    (
        SELECT site, entity_id, name, sum(counted.value_sum) AS value_sum
        FROM
        (
            SELECT site, entity_id, name, value_sum
            FROM entity_days
            WHERE entity_type = 'Model' AND bot = '' AND day > first_day
            UNION ALL
            SELECT site, entity_id, name, value AS value_sum
            FROM events
            WHERE entity_type = 'Model'
                AND bot = ''
                AND occurred_at >= window_start
                AND occurred_at < toDateTime64(first_day + 1, 3, 'UTC')
        ) AS counted
        GROUP BY site, entity_id, name
    ) AS earned
    INNER JOIN
    (
        SELECT site, entity_id, argMax(owners.user_id, known_at) AS user_id
        FROM owners
        WHERE entity_type = 'Model'
        GROUP BY site, entity_id
    ) AS owner USING (site, entity_id)
    GROUP BY site, user_id
)
