-- Feeds event_totals from every insert into events; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS event_totals_view TO event_totals
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    entity_type,
    name,
    entity_id,
    bot,
    count() AS rows,
    sum(value) AS value_sum
FROM events
WHERE received_at >= {since}
GROUP BY site, entity_type, name, entity_id, bot
