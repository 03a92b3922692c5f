-- Feeds user_links from every insert into events, of follows and uploads by people; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_links_view TO user_links
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    user_id,
    name,
    entity_type,
    entity_id,
    sum(toInt64(sign(value))) AS net,
    argMaxState(value, (occurred_at, seq)) AS last
FROM events
WHERE received_at >= {since} AND name IN ('Follow', 'Upload') AND user_id != '' AND bot = ''
GROUP BY site, user_id, name, entity_type, entity_id
