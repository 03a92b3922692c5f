-- Feeds owners from every upload by a person; earlier events are filled in.
--
-- A row each, not the last of each insert: whoever once owned an entity stays in owned.
CREATE MATERIALIZED VIEW IF NOT EXISTS owners_view TO owners
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    entity_type,
    entity_id,
    user_id,
    max(occurred_at) AS known_at
FROM events
WHERE received_at >= {since} AND name = 'Upload' AND user_id != '' AND bot = ''
GROUP BY site, entity_type, entity_id, user_id
