-- Feeds entity_days from every insert into events; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS entity_days_view TO entity_days
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    entity_type,
    entity_id,
    toDate(occurred_at) AS day,
    name,
    bot,
    count() AS rows,
    sum(value) AS value_sum
FROM events
WHERE received_at >= {since}
GROUP BY site, entity_type, entity_id, day, name, bot
