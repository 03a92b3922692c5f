-- query: user_metrics
-- key: public
-- cache: 3600
-- param: ids Array(String) -- the users; one of whom nothing is known is absent from the answer
-- param: live Bool false -- also read what the user's entities have received as it is now, not as of the last minute
-- column: user_id String -- the user
-- column: follower_count Int64 -- follows less unfollows, rows
-- column: following_count Int64 -- whom the user follows, by the same count
-- column: upload_count UInt64 -- models, posts and images
-- column: model_count UInt64 -- distinct uploads
-- column: post_count UInt64 -- distinct uploads
-- column: image_count UInt64 -- distinct uploads
-- column: reaction_count Float64 -- sum of value of Reaction… on what the user owns
-- column: download_count Float64 -- sum of value of Download on what the user owns
-- column: generation_count Float64 -- sum of value of Generation on what the user owns
-- column: engagement_score Float64 -- as the query engagement_score, of 30 days
-- column: rank UInt64 -- as the query user_rank
WITH
    {now:DateTime64(3, 'UTC')} - toIntervalDay(30) AS window_start,
    toDate(window_start) AS first_day
SELECT
    user_id,
    toInt64(amounts['follower']) AS follower_count,
    toInt64(amounts['following']) AS following_count,
    model_count + post_count + image_count AS upload_count,
    toUInt64(amounts['Model']) AS model_count,
    toUInt64(amounts['Post']) AS post_count,
    toUInt64(amounts['Image']) AS image_count,
    amounts['Reaction'] AS reaction_count,
    amounts['Download'] AS download_count,
    amounts['Generation'] AS generation_count,
    amounts['score'] AS engagement_score,
    toUInt64(amounts['rank']) AS rank
FROM
(
    SELECT user_id, sumMap(some) AS amounts
    FROM
    (
        SELECT
            user_id,
            map(
                'follower', toFloat64(sum(followers)),
                'following', toFloat64(sum(following))) AS some
        FROM user_follows
        WHERE site = {site:String} AND user_id IN {ids:Array(String)}
        GROUP BY user_id
        UNION ALL
        SELECT user_id, map(toString(entity_type), toFloat64(uniqExact(entity_id))) AS some
        FROM user_uploads
        WHERE site = {site:String}
            AND user_id IN {ids:Array(String)}
            AND entity_type IN ('Model', 'Post', 'Image')
        GROUP BY user_id, entity_type
        UNION ALL
        SELECT user_id, map('rank', toFloat64(rank), 'score', if({live:Bool}, 0, score)) AS some
        FROM user_ranks
        WHERE site = {site:String} AND user_id IN {ids:Array(String)}
        UNION ALL
        SELECT
            user_id,
            map('Reaction', reactions, 'Download', downloads, 'Generation', generations) AS some
        FROM user_received
        WHERE site = {site:String} AND user_id IN {ids:Array(String)} AND NOT {live:Bool}
        UNION ALL
        SELECT owner.user_id AS user_id, map(earned.metric, sum(earned.amount)) AS some
        FROM
        (
            SELECT
                entity_type,
                entity_id,
                if(startsWith(name, 'Reaction'), 'Reaction', toString(name)) AS metric,
                value_sum AS amount
            FROM entity_totals
            WHERE {live:Bool}
                AND site = {site:String}
                AND bot = ''
                AND (name IN ('Download', 'Generation') OR startsWith(name, 'Reaction'))
                AND (entity_type, entity_id) IN
                (
                    SELECT entity_type, entity_id
                    FROM owned
                    WHERE site = {site:String} AND user_id IN {ids:Array(String)}
                )
            UNION ALL
            SELECT
                'Model' AS entity_type,
                entity_id,
                'score' AS metric,
                value_sum * multiIf(
                    name = 'Download', 1,
                    name = 'Generation', 2,
                    name = 'ReactionHeart', 0.5,
                    name = 'Comment', 1.5,
                    0.1) AS amount
            FROM
            (
                SELECT entity_id, name, value_sum
                FROM entity_days
                WHERE {live:Bool}
                    AND site = {site:String}
                    AND entity_type = 'Model'
                    AND bot = ''
                    AND day > first_day
                    AND entity_id IN
                    (
                        SELECT entity_id
                        FROM owned
                        WHERE site = {site:String}
                            AND user_id IN {ids:Array(String)}
                            AND entity_type = 'Model'
                    )
                UNION ALL
                SELECT entity_id, name, value AS value_sum
                FROM events
                WHERE {live:Bool}
                    AND site = {site:String}
                    AND entity_type = 'Model'
                    AND bot = ''
                    AND occurred_at >= window_start
                    AND occurred_at < toDateTime64(first_day + 1, 3, 'UTC')
                    AND entity_id IN
                    (
                        SELECT entity_id
                        FROM owned
                        WHERE site = {site:String}
                            AND user_id IN {ids:Array(String)}
                            AND entity_type = 'Model'
                    )
            )
        ) AS earned
        INNER JOIN
        (
            SELECT entity_type, entity_id, argMax(owners.user_id, known_at) AS user_id
            FROM owners
            WHERE {live:Bool}
                AND site = {site:String}
                AND (entity_type, entity_id) IN
                (
                    SELECT entity_type, entity_id
                    FROM owned
                    WHERE site = {site:String} AND user_id IN {ids:Array(String)}
                )
            GROUP BY entity_type, entity_id
        ) AS owner ON owner.entity_type = earned.entity_type AND owner.entity_id = earned.entity_id
        WHERE {live:Bool} AND owner.user_id IN {ids:Array(String)}
        GROUP BY user_id, metric
    )
    GROUP BY user_id
)
ORDER BY user_id
