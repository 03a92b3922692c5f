-- Feeds user_follows from every insert into events, of follows by people: a row counts for whom it is
-- about and for whom it is by, who may be nobody; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_follows_view TO user_follows
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    side.1 AS user_id,
    sum(side.2) AS followers,
    sum(side.3) AS following
FROM events
ARRAY JOIN
    [
        (entity_id, toInt64(sign(value)), toInt64(0)),
        (events.user_id, toInt64(0), toInt64(sign(value)))
    ] AS side
WHERE received_at >= {since}
    AND name = 'Follow'
    AND entity_type = 'User'
    AND bot = ''
    AND side.1 != ''
GROUP BY site, user_id
