-- Feeds user_days from every insert into events that names a user; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_days_view TO user_days
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    user_id,
    toDate(occurred_at) AS day,
    entity_type,
    name,
    bot,
    count() AS rows,
    sum(value) AS value_sum
FROM events
WHERE received_at >= {since} AND user_id != ''
GROUP BY site, user_id, day, entity_type, name, bot
