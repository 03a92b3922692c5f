-- Feeds entity_hours from every insert into events.
--
-- It runs as the user who creates it: an inserting user may insert, and need not read. Without
-- this an insert by such a user is stored in events, fails here, and is never counted.
CREATE MATERIALIZED VIEW IF NOT EXISTS entity_hours_view TO entity_hours
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    entity_type,
    entity_id,
    name,
    toStartOfHour(occurred_at) AS hour,
    bot,
    count() AS rows,
    sum(value) AS value_sum
FROM events
GROUP BY site, entity_type, entity_id, name, hour, bot
